"""Fast, noisy frames are summed before they are analysed."""

import dataclasses
import io

import numpy as np
import pytest

import livedetect
from livedetect import Settings
from livedetect.detect.integration import Integrator
from livedetect.detect.lattice import find_lattice
from livedetect.detect.summing import cell_signal, frames_for, summed
from livedetect.errors import SettingsError
from livedetect.types import Command, Gap, Rejection
from tests.detect.streams import frames

NOISY = "mos2?size=192&frames=48&seed=3&detected_e_per_px=0.2&drift_px=0.5&damage=0"


@pytest.fixture(scope="module")
def noisy():
    return frames(NOISY)


def integrator(**values):
    return Integrator(Settings().with_values({"warm_up_frames": 4, **values}))


def named(results, name):
    return [event for result in results for event in result.events if event.event == name]


def test_a_sum_lies_at_the_place_of_its_last_frame():
    spot = np.zeros((32, 32), np.float32)
    spot[10, 12] = 1
    moved = [np.roll(spot, (0, k), (0, 1)) for k in range(4)]
    total = summed(moved, np.array([[k + 0.2, 0.0] for k in range(4)]))
    assert total[10, 15] == 4
    assert total.sum() == 4


def test_what_not_all_frames_show_is_scaled():
    flat = [np.full((16, 16), 3.0, np.float32)] * 4
    shifts = np.array([[0, 0], [2, 1], [4, 2], [40, 0]], float)
    assert summed(flat, shifts) == pytest.approx(np.full((16, 16), 12.0))


def test_noise_is_as_uncorrelated_as_it_was():
    rng = np.random.default_rng(0)
    group = [rng.poisson(5, (128, 128)).astype(np.float32) for _ in range(4)]
    total = summed(group, rng.uniform(-2, 2, (4, 2)))[8:-8, 8:-8]
    assert total.var() == pytest.approx(20, rel=0.1)
    inside = total - total.mean()
    assert abs((inside[:, 1:] * inside[:, :-1]).mean()) < 0.05 * total.var()


def test_every_frame_has_a_result_and_sums_are_what_is_analysed(noisy):
    engine = integrator(integrate=4)
    results = [engine.step(frame) for frame in noisy]
    fates = [result.disposition for result in results]
    assert [result.frame for result in results] == list(range(48))
    assert fates[:7] == ["integrated"] * 7
    assert fates[7:16] == [
        "warm_up",
        *["integrated"] * 3,
        "warm_up",
        *["integrated"] * 3,
        "warm_up",
    ]
    assert fates[16:24] == [*["integrated"] * 3, "scored"] * 2
    ready = named(results, "model_ready")[0]
    assert ready.frame == 15
    assert ready.values["frames_used"] == 4
    assert ready.values["integrated_frames"] == 4
    assert not ready.values["integrated_unregistered"]


def test_dose_counts_every_scan_lost_ones_included(noisy):
    engine, plain = integrator(integrate=4), livedetect.Detector(Settings())
    items = [*noisy[:21], Gap(first_missing=21, missing_frames=6), *noisy[27:39]]
    for item in items:
        summing, single = engine.step(item), plain.step(item)
    assert summing.disposition == "scored"
    assert summing.dose_e_per_A2 == pytest.approx(single.dose_e_per_A2)


def scanned(frame, index, **changes):
    calibration = dataclasses.replace(frame.calibration, **changes)
    return dataclasses.replace(frame, index=index, calibration=calibration)


@pytest.mark.parametrize("changed", [{"dwell_us": 40.0}, {"current_pA": 400.0}])
def test_each_scan_counts_at_its_own_dose_when_the_scan_changes_within_a_sum(noisy, changed):
    engine, plain = integrator(integrate=4), livedetect.Detector(Settings())
    items = [*noisy[:22], *(scanned(frame, frame.index, **changed) for frame in noisy[22:32])]
    for item in items:
        summing, single = engine.step(item), plain.step(item)
        if summing.disposition == "scored":
            assert summing.dose_e_per_A2 == pytest.approx(single.dose_e_per_A2)
    while summing.disposition == "integrated":  # the sum that has been begun
        last = scanned(noisy[item.index + 1], item.index + 1, **changed)
        item, summing, single = last, engine.step(last), plain.step(last)
    assert summing.dose_e_per_A2 == pytest.approx(single.dose_e_per_A2)


def test_markers_and_drift_follow_the_frames_within_a_sum():
    drifting = frames("mos2?size=192&frames=64&seed=3&detected_e_per_px=1&prescribed=3&drift_px=1")
    engine, plain = integrator(integrate=8), livedetect.Detector(Settings())
    summing = [engine.step(frame) for frame in drifting]
    single = [plain.step(frame) for frame in drifting]
    first = next(i for i, result in enumerate(summing) if result.disposition == "scored")
    assert first < 48
    drifts = np.array(
        [
            (r.registration.drift_x_px, r.registration.drift_y_px)
            for results in (summing, single)
            for r in results[first:]
        ]
    ).reshape(2, -1, 2)
    apart = (drifts[0] - drifts[0][0]) - (drifts[1] - drifts[1][0])
    assert np.abs(apart).max() < 0.5
    assert np.ptp(drifts[1], axis=0).max() > 4
    within = next(r for r in summing[first + 1 :] if r.active_tracks)
    for track in within.active_tracks:
        rest = next(t for t in summing[-1].active_tracks if t.defect_id == track.defect_id)
        moved = drifts[0][-1] - drifts[0][within.frame - first]
        assert (rest.x_px - track.x_px, rest.y_px - track.y_px) == pytest.approx(moved, abs=0.7)


def test_before_the_first_sum_of_another_scan_nothing_is_marked_and_no_alarm_re_armed():
    defects = frames("mos2?size=192&frames=52&seed=3&detected_e_per_px=1&prescribed=4")
    engine = integrator(integrate=4)
    before = [engine.step(frame) for frame in defects[:48]][-1]
    assert before.active_tracks
    after = engine.step(scanned(defects[48], 48, rotation_deg=30.0))
    assert (after.phase, after.active_tracks, after.registration) == ("warming_up", (), None)


@pytest.mark.parametrize("seen", [5, 18])
def test_state_restores_bit_by_bit(noisy, seen):
    engine = integrator(integrate=4)
    for frame in noisy[:seen]:
        engine.step(frame)
    file = io.BytesIO()
    np.savez(file, **engine.state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        twin = Integrator.from_state(dict(saved))
    for item in [*noisy[seen:30], Gap(first_missing=30, missing_frames=3), *noisy[33:]]:
        one, other = engine.step(item), twin.step(item)
        assert (one.watched is None) == (other.watched is None)
        assert dataclasses.replace(one, watched=None) == dataclasses.replace(other, watched=None)
        assert type(other.phase) is type(one.phase)


def test_a_state_is_of_one_engine():
    with pytest.raises(SettingsError, match="holds no Integrator"):
        Integrator.from_state(livedetect.Detector().state())


def test_a_detector_says_who_sums():
    for value in (4, "auto"):
        settings = Settings().with_values({"integrate": value})
        with pytest.raises(SettingsError, match="engine_for"):
            livedetect.Detector(settings)
        assert isinstance(livedetect.engine_for(settings), Integrator)
    assert isinstance(livedetect.engine_for(Settings()), livedetect.Detector)


def test_nothing_is_summed_across_a_gap(noisy):
    engine = integrator(integrate=4)
    for frame in noisy[:18]:
        engine.step(frame)
    gap = engine.step(Gap(first_missing=18, missing_frames=2))
    assert [event.values["missing_frames"] for event in gap.events] == [2]
    after = [engine.step(frame).disposition for frame in noisy[20:24]]
    assert after == ["integrated"] * 3 + ["scored"]


@pytest.mark.parametrize("spoilt", ["skipped", "unreadable"])
def test_a_frame_that_is_turned_away_ends_a_sum(noisy, spoilt):
    engine = integrator(integrate=4)
    for frame in noisy[:18]:
        engine.step(frame)
    if spoilt == "skipped":
        item = Rejection(index=18, reason="skipped")
    else:
        item = dataclasses.replace(noisy[18], data=np.full((192, 192), np.nan, np.float32))
    assert engine.step(item).disposition == ("skipped" if spoilt == "skipped" else "invalid")
    after = [engine.step(frame).disposition for frame in noisy[19:23]]
    assert after == ["integrated"] * 3 + ["scored"]


def test_sums_that_are_never_completed_are_said_once(noisy):
    engine = integrator(integrate=8)
    told = []
    for number, frame in enumerate(noisy):
        lost = number % 6 == 5
        item = Gap(first_missing=number, missing_frames=1) if lost else frame
        told += [event for event in engine.step(item).events if event.event == "stalled"]
    (event,) = told
    assert "smaller integrate" in event.values["reason"]


def test_another_crystal_is_placed_by_its_own_lattice_after_rebaseline(noisy):
    other = frames("square?size=192&frames=30&seed=2&detected_e_per_px=0.5&damage=0&drift_px=0.5")
    engine = integrator(integrate=4)
    for frame in noisy[:20]:
        engine.step(frame)
    engine.apply(Command(name="rebaseline"))
    results = [
        engine.step(dataclasses.replace(frame, index=20 + frame.index, data=4 * frame.data))
        for frame in other
    ]
    ready = named(results, "model_ready")
    assert [event.values["integrated_unregistered"] for event in ready] == [False]
    first, second = np.array(ready[0].values["lattice_px"])
    assert abs(first @ second) < 0.05 * np.hypot(*first) * np.hypot(*second)


def test_equal_frames_give_equal_events(noisy):
    first, second = integrator(integrate="auto"), integrator(integrate="auto")
    told = [
        [e.as_dict() for f in noisy for e in engine.step(f).events] for engine in (first, second)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(("electrons", "expected"), [(5, 1), (1, 1), (0.1, 4), (0.03, 13)])
def test_auto_follows_the_signal(electrons, expected):
    few = frames(f"mos2?size=192&frames=8&seed=1&detected_e_per_px={electrons}")
    data = [frame.data.astype(np.float32) for frame in few]
    assert frames_for(cell_signal(data, find_lattice(data))) == pytest.approx(expected, rel=0.3)


def test_where_there_is_no_lattice_frames_are_summed_where_they_are():
    rng = np.random.default_rng(1)
    engine = integrator(integrate=2)
    results = []
    for frame in frames("mos2?size=96&frames=12&seed=1"):
        noise = rng.poisson(5, frame.data.shape).astype(np.uint16)
        results.append(engine.step(dataclasses.replace(frame, data=noise)))
    assert named(results, "model_ready")[0].values["integrated_unregistered"]


@pytest.mark.parametrize("value", [0, 1.5, "always", True])
def test_what_is_no_number_of_frames_is_answered(value):
    with pytest.raises(SettingsError, match="integrate"):
        Settings().with_values({"integrate": value})
