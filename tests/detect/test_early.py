"""What is told of a frame before it is complete."""

import dataclasses

import numpy as np
import pytest

from livedetect import Detector
from livedetect.detect.method import Candidate
from livedetect.detect.tracking import Tracker
from livedetect.stream.registry import open_simulator
from livedetect.types import PartialFrame

BLOCKS = 4
SPEC = "mos2?size=256&frames=40&seed=2"


def states(frame, blocks=BLOCKS):
    """A frame as it grows, unfinished rows filled with rubbish."""
    height = len(frame.data)
    for block in range(1, blocks):
        done = height * block // blocks
        data = frame.data.copy()
        data[done:] = data.max()
        part = dataclasses.replace(frame, data=data, valid_rows=done)
        yield PartialFrame(frame=part, first_row=height * (block - 1) // blocks)


def watch(spec, *, blocks=BLOCKS):
    """Events of looks, events of whole frames, truth by frame."""
    detector, early, whole, truth = Detector(), [], [], {}
    for simulated in open_simulator(spec):
        truth[simulated.frame.index] = simulated.truth
        for partial in states(simulated.frame, blocks):
            early += detector.look(partial).events
        whole += detector.step(simulated.frame).events
    return early, [e for e in whole if e.event == "defect_confirmed"], truth


@pytest.fixture(scope="module")
def watched():
    return watch(SPEC)


def test_defects_are_confirmed_before_their_frame_is_complete(watched):
    early, _, truth = watched
    assert early
    for event in early:
        near = [np.hypot(event.x_px - d.x_px, event.y_px - d.y_px) for d in truth[event.frame]]
        assert min(near) < 8
        assert event.y_px < event.rows[1]


def test_no_defect_is_confirmed_twice(watched):
    early, whole, _ = watched
    ids = [event.defect_id for event in early + whole]
    assert len(ids) == len(set(ids))
    _, alone, _ = watch(SPEC, blocks=1)
    assert len(ids) == len(alone)


def test_only_early_events_name_rows(watched):
    early, whole, _ = watched
    assert all("rows" in event.as_dict() for event in early)
    assert not any("rows" in event.as_dict() for event in whole)


def test_a_look_that_confirms_nothing_leaves_no_trace():
    looked, other = Detector(), Detector()
    for simulated in open_simulator("mos2?size=256&frames=24&seed=2&damage=0"):
        for partial in states(simulated.frame):
            assert looked.look(partial).events == ()
        assert looked.step(simulated.frame).events == other.step(simulated.frame).events
    first, second = looked.state(), other.state()
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_no_look_across_other_scan_settings():
    detector = Detector()
    frames = [simulated.frame for simulated in open_simulator(SPEC)]
    for frame in frames[:-1]:
        detector.step(frame)
    last = frames[-1]
    other = dataclasses.replace(last, calibration=dataclasses.replace(last.calibration, dwell_us=1))
    assert all(detector.look(partial).events == () for partial in states(other))


def test_rows_without_the_crystal_or_of_another_place_say_nothing():
    detector = Detector()
    for simulated in open_simulator(SPEC):
        detector.step(simulated.frame)
    frame = simulated.frame
    noise = np.random.default_rng(0).poisson(5, frame.data.shape).astype(frame.data.dtype)
    elsewhere = np.roll(frame.data, (60, 45), (0, 1))
    for data in (noise, elsewhere):
        later = dataclasses.replace(frame, data=data, index=frame.index + 1)
        assert all(detector.look(partial).events == () for partial in states(later))


def candidate(x, y, score):
    return Candidate(
        position=np.array([x, y], float),
        score=score,
        p_value=0.0,
        window_frames=1,
        sublattice=0,
        kind="vacancy",
        confidence=1.0,
    )


def test_news_are_what_is_unexplained_and_no_note_is_taken():
    tracker = Tracker(merge_radius_px=10)
    strong, fringe, far = candidate(0, 0, 50), candidate(15, 0, 9), candidate(90, 0, 9)
    assert tracker.news([strong, fringe, far], 5) == [strong, far]
    assert tracker.news([strong, fringe, far], 5) == tracker.unexplained([strong, fringe, far], 1)
