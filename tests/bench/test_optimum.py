import numpy as np
import pytest

from livedetect.bench.optimum import normal_score
from livedetect.bench.trial import MATCHED, Trial, carry_out
from livedetect_simulators.observer import Evidence
from livedetect_simulators.simulation import Simulation

SPEC = "mos2?size=192&frames=48&prescribed=6&births_until=40&seed=1&detected_e_per_px=5"


def evidence(projection, information=1.0, third=0.0):
    shape = np.shape(projection)
    return Evidence(
        shown=np.zeros((*shape, 2)),
        projection=np.asarray(projection, float),
        information=np.full(shape, information),
        third=np.full(shape, third),
    )


def test_evidence_adds_up_over_frames():
    four = [evidence([1.5, -1.5])] * 4
    assert normal_score(four, np.array([True, True])) == pytest.approx([3, 3])
    assert normal_score(four, np.array([False, False])) == pytest.approx([3, -3])


def test_what_was_out_of_view_in_a_frame_has_no_score():
    recent = [evidence([5.0]), evidence([5.0], information=0.0)]
    assert normal_score(recent, np.array([True])) == -np.inf


def test_skewness_makes_a_bright_excursion_less_surprising():
    plain, skewed = evidence([4.5]), evidence([4.5], third=0.3)
    sign = np.array([False])
    assert normal_score([skewed], sign) < normal_score([plain], sign) - 0.3


def test_without_defects_the_observer_sees_noise_of_unit_variance():
    simulation = Simulation("mos2?size=192&frames=6&damage=0&excess_noise=0.4&gain=30&offset=9")
    observer = simulation.observer()
    scores = []
    for index in range(6):
        seen = observer.look(index, simulation.frame(index).frame.data)
        inside = seen.information > 0
        scores.append(seen.projection[inside] / np.sqrt(seen.information[inside]))
    assert np.std(np.concatenate(scores)) == pytest.approx(1.0, abs=0.06)
    assert np.mean(np.concatenate(scores)) == pytest.approx(0.0, abs=0.06)


def test_the_observer_finds_defects_as_early_as_the_information_allows():
    record = carry_out(Trial(stream=SPEC, method=MATCHED))
    assert not record.fault
    assert len(record.false) <= 1
    strong = [found for found in record.defects if found.snr2 > 50]
    assert strong
    assert all(found.delay == 0 and found.distance_px < 0.5 for found in strong)


def test_stored_streams_have_no_observer(tmp_path):
    case = tmp_path / "case"
    case.mkdir()
    (case / "truth.csv").touch()
    assert "needs a simulated stream" in carry_out(Trial(stream=str(case), method=MATCHED)).fault
