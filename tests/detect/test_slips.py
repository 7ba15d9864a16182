"""Jumps of the stage: said, followed, and no markers for them."""

import numpy as np
import pytest

from livedetect import Detector
from livedetect.detect.lattice import find_lattice
from livedetect.detect.registration import BraggRegistration
from livedetect.detect.slips import slipped_by
from livedetect.detect.steadiness import Jumps
from livedetect.stream.registry import open_simulator

BASIS = np.array([[16.0, 0.0], [8.0, 13.9]])
KNOWN = np.array([[50.0, 60.0], [120.0, 30.0], [90.0, 140.0]])


@pytest.mark.parametrize("steps", [(1, 0), (-1, 1), (0, -2)])
def test_defects_tell_the_vector_of_a_slip(steps: tuple[int, int]) -> None:
    vector = np.array(steps) @ BASIS
    seen = np.vstack([KNOWN[:2] + vector + 1.0, [[200.0, 200.0]]])
    assert slipped_by(KNOWN, seen, BASIS, 4.0) == pytest.approx(vector)


@pytest.mark.parametrize("seen", [KNOWN, KNOWN[:1] + BASIS[0], np.zeros((0, 2))])
def test_defects_at_home_or_a_single_one_tell_no_slip(seen: np.ndarray) -> None:
    assert slipped_by(KNOWN, seen, BASIS, 4.0) is None


def test_of_many_defects_some_stand_a_lattice_vector_apart_by_chance() -> None:
    rng = np.random.default_rng(3)
    known = rng.integers(0, 24, (70, 2)) @ BASIS
    seen = np.vstack([known[:4] + BASIS[0] + BASIS[1], rng.integers(0, 24, (7, 2)) @ BASIS])
    assert slipped_by(known, seen, BASIS, 4.0) is None
    assert slipped_by(known, known - BASIS[1], BASIS, 4.0) == pytest.approx(-BASIS[1])


def test_half_a_cell_is_not_taken_for_a_small_step_to_a_place_that_looks_alike() -> None:
    simulator = open_simulator("mos2?size=192&frames=4&damage=0&drift_px=0&walk_px=0&seed=1")
    frames = [s.frame.data.astype(np.float32) for s in simulator]
    lattice = find_lattice(frames)
    for angle in np.deg2rad(np.arange(0, 360, 30)):
        registration = BraggRegistration(lattice, frames)
        jump = np.round(6.5 * np.array([np.cos(angle), np.sin(angle)])).astype(int)
        drift = registration.step(np.roll(frames[0], tuple(jump[::-1]), (0, 1)))
        turns = lattice.reciprocal @ (drift.shift - jump)
        off_px = (turns - np.round(turns)) @ lattice.basis_px
        assert np.hypot(*off_px) < 0.5


def test_a_jump_does_not_make_the_next_one_usual() -> None:
    jumps = Jumps()
    said = [jumps.step(8.0 if k in (20, 26, 32) else 0.2, 16.0) for k in range(40)]
    assert [k for k, jumped in enumerate(said) if jumped] == [20, 26, 32]


def test_jumps_of_half_a_cell_are_said_and_leave_no_markers() -> None:
    spec = "mos2?size=256&frames=66&detected_e_per_px=2&prescribed=9&births_until=52"
    detector, events, truth = Detector(), [], {}
    for simulated in open_simulator(f"{spec}&jumps=3&jump_px=8&seed=1"):
        events += detector.step(simulated.frame).events
        truth[simulated.frame.index] = simulated.truth
    assert sum(event.event == "slip_possible" for event in events) >= 2
    told = [event for event in events if event.event == "defect_confirmed"]
    near = [min(np.hypot(e.x_px - t.x_px, e.y_px - t.y_px) for t in truth[e.frame]) for e in told]
    assert len(told) >= 7
    assert max(near) < 5.5
