import itertools

import numpy as np
import pytest

from livedetect_simulators.simulation import Simulation
from livedetect_simulators.spec import CRYSTALS

RICH = (
    "mowte2?size=128&frames=40&damage=3&warp_px=1&shear_px=2&mains_px=0.3&flyback_px=3"
    "&pixel_jitter_px=0.1&contamination=0.5&defocus=0.2&excess_noise=0.2&gain=10&migration=0.1"
    "&healing=0.02&holes=1&lines=1&preexisting=0.02&twin=1"
)


def test_a_seed_decides_everything():
    one, two = Simulation(RICH), Simulation(RICH)
    for left, right in zip(one, two, strict=True):
        assert np.array_equal(left.frame.data, right.frame.data)
        assert left.truth == right.truth
    assert one.meta == two.meta


def test_seeds_differ():
    one, two = Simulation(RICH + "&seed=1").frame(30), Simulation(RICH + "&seed=2").frame(30)
    assert not np.array_equal(one.frame.data, two.frame.data)
    assert one.truth != two.truth


def test_frames_do_not_depend_on_the_order_of_asking():
    forward = [f.frame.data for f in itertools.islice(Simulation(RICH), 30)]
    jumping = Simulation(RICH)
    for index in (29, 3, 17, 0):
        assert np.array_equal(jumping.frame(index).frame.data, forward[index])


@pytest.mark.parametrize("crystal", CRYSTALS)
@pytest.mark.parametrize("invert", [0, 1])
def test_the_first_frame_has_the_signal_asked_for(crystal, invert):
    simulation = Simulation(f"{crystal}?detected_e_per_px=3&size=256&invert={invert}&frames=5")
    assert simulation.expected(0).mean() == pytest.approx(3, rel=0.02)
    assert simulation.expected(0).min() > 0


def test_background_grows_relative_to_the_signal():
    simulation = Simulation("mos2?size=128&frames=101&damage=0&background=0.5&drift_px=0")
    growth = simulation.expected(100).mean() / simulation.expected(0).mean()
    assert growth == pytest.approx(1.5, rel=0.02)


def test_collection_turns_incident_into_detected_electrons():
    simulation = Simulation("mos2?size=128&frames=1&collection=0.002&current_pA=50&dwell_us=8")
    assert simulation.expected(0).mean() == pytest.approx(0.002 * 2496.6, rel=0.02)
    assert simulation.meta["collection"] == pytest.approx(0.002)


def test_frames_carry_how_they_were_scanned():
    simulation = Simulation("mos2?size=128&frames=4&a_px=20&current_pA=30&dwell_us=4")
    frame = simulation.frame(3).frame
    assert frame.calibration.pixel_size_nm == pytest.approx(0.316 / 20)
    assert (frame.calibration.current_pA, frame.calibration.current_source) == (30, "instrument")
    assert frame.calibration.dose_per_frame_e_per_A2 == pytest.approx(
        30e-12 * 4e-6 / 1.602e-19 / 0.158**2, rel=1e-3
    )
    assert frame.time_s == pytest.approx(3 * 128**2 * 4e-6)
    assert frame.index == 3
    assert not frame.data.flags.writeable
    assert frame.saturation_value == 65535


def test_frames_may_be_rectangular():
    simulation = Simulation("graphene?height=96&width=160&frames=2&domain=phase&domain_from=1")
    shown = simulation.frame(1)
    assert shown.frame.data.shape == (96, 160)
    assert shown.region.shape == (24, 40)


def test_inverted_columns_are_dark():
    dark = Simulation("mos2?size=128&frames=1&invert=1").expected(0)
    bright = Simulation("mos2?size=128&frames=1").expected(0)
    assert np.corrcoef(dark.ravel(), bright.ravel())[0, 1] < -0.99


def test_local_contamination_is_local():
    simulation = Simulation("mos2?size=128&frames=101&damage=0&background=0&contamination=1"
                            "&drift_px=0&walk_px=0&jitter_px=0")  # fmt: skip
    growth = simulation.expected(100) - simulation.expected(0)
    assert growth.max() == pytest.approx(5, rel=0.01)
    assert growth.min() < 0.2 * growth.max()


def test_only_frames_of_the_stream_can_be_asked_for():
    with pytest.raises(IndexError):
        Simulation("mos2?size=64&frames=3").frame(3)


# information per frame of a known signal at one detected electron per px, lattice constant 16 px
@pytest.mark.parametrize(
    ("crystal", "kind", "expected"),
    [
        ("mos2", "metal_vacancy", 79),
        ("mos2", "column_vacancy", 21.3),
        ("mos2", "half_vacancy", 5.3),
        ("mos2", "displaced", 12.6),
        ("mos2", "adatom", 51),
        ("mos2", "antisite", 52),
        ("ws2", "metal_vacancy", 102),
        ("ws2", "half_vacancy", 1.6),
        ("ws2", "antisite", 213),
        ("mowte2", "half_vacancy", 5.2),
        ("mowte2", "adatom", 113),
        ("graphene", "vacancy", 48),
        ("graphene", "adatom", 161),
        ("zro2", "metal_vacancy", 62),
        ("zro2", "half_vacancy", 15),
        ("zro2", "displaced", 67),
    ],
)
def test_the_information_of_a_defect_is_that_of_the_table(crystal, kind, expected):
    simulation = Simulation(
        f"{crystal}?size=256&frames=31&prescribed=12&kinds={kind}&detected_e_per_px=1"
    )
    known = [d.snr2 for d in simulation.frame(30).truth]
    assert len(known) == 12
    assert np.mean(known) == pytest.approx(expected, rel=0.15)


def test_information_scales_with_the_electrons_of_a_column():
    def known(query):
        simulation = Simulation(f"mos2?size=256&frames=25&prescribed=3&kinds=metal_vacancy&{query}")
        return simulation.frame(24).truth[0].snr2

    assert known("detected_e_per_px=10") == pytest.approx(
        2 * known("detected_e_per_px=5"), rel=0.01
    )
    assert known("a_px=8") == pytest.approx(known("a_px=16") / 4, rel=0.1)


def test_what_the_operator_does_moves_the_truth_with_the_picture():
    steps = "zoom=4:1.5&turn_deg=4:30&scan_size=4:192&stage=6:0.2&dwell_to=4:20&pause_s=6:100"
    simulation = Simulation(
        f"graphene?size=128&frames=8&detected_e_per_px=400&preexisting=0.02&damage=0&{steps}"
    )
    before, after = simulation.frame(3), simulation.frame(4)
    assert after.frame.data.shape == (192, 192)
    scan = after.frame.calibration
    assert scan.pixel_size_nm == pytest.approx(simulation.pixel_size_nm / 1.5**2)
    assert (scan.rotation_deg, scan.dwell_us) == (30.0, 20.0)
    assert simulation.frame(6).frame.time_s - simulation.frame(5).frame.time_s > 100
    for shown in (before, after, simulation.frame(7)):
        data = shown.frame.data.astype(float)
        usual = np.median(data)
        for defect in shown.truth:
            if defect.in_view and defect.kind == "vacancy":
                y, x = round(defect.y_px), round(defect.x_px)
                assert data[y - 1 : y + 2, x - 1 : x + 2].mean() < 1.2 * usual


def test_a_step_in_focus_widens_the_probe_and_dwell_the_signal():
    simulation = Simulation("mos2?size=96&frames=4&focus=2:2&dwell_to=3:20&dwell_us=10&gain_to=1:3")
    first, same, wide, long = (simulation.expected(index) for index in range(4))
    assert wide.std() < 0.6 * same.std()
    assert long.mean() == pytest.approx(2 * wide.mean(), rel=0.02)
    assert simulation.frame(1).frame.data.mean() == pytest.approx(3 * first.mean(), rel=0.15)
