"""Crystals whose first frames hold defects, or contamination."""

import numpy as np
import pytest

from livedetect import Detector, Frame
from livedetect.detect.domains import carried_on
from livedetect.stream.registry import open_simulator

SPEC = "{}?size=256&frames=12&preexisting=0.1&damage=0&detected_e_per_px=2&seed={}"
SPOTTED = "{}?size=256&frames=30&damage=0&detected_e_per_px=5&seed=3"
BORDER_PX = 24
SAME_KIND = {"metal_vacancy": "vacancy", "column_vacancy": "vacancy"}


def told_and_there(spec: str) -> tuple[list, list]:
    detector, events, truth = Detector(), [], []
    for simulated in open_simulator(spec):
        events += detector.step(simulated.frame).events
        truth = simulated.truth
    return [e for e in events if e.event == "defect_at_start"], list(truth)


def nearest(x: float, y: float, others: list) -> tuple[float, object]:
    return min(((np.hypot(x - o.x_px, y - o.y_px), o) for o in others), key=lambda pair: pair[0])


@pytest.mark.parametrize(("crystal", "seed"), [("mos2", 1), ("graphene", 2)])
def test_a_tenth_of_the_columns_is_told_with_its_kind(crystal: str, seed: int) -> None:
    told, there = told_and_there(SPEC.format(crystal, seed))
    limits = (BORDER_PX, 256 - BORDER_PX)
    inner = [d for d in there if all(limits[0] < v < limits[1] for v in (d.x_px, d.y_px))]
    lone = [d for d in inner if nearest(d.x_px, d.y_px, [o for o in there if o is not d])[0] > 15]
    found = [(d, *nearest(d.x_px, d.y_px, told)) for d in lone]
    hits = [(d, event) for d, distance, event in found if distance < 5.5]
    assert len(lone) >= 10
    assert len(hits) >= 0.9 * len(lone)
    right = [SAME_KIND.get(d.kind, d.kind) == event.kind for d, event in hits]
    assert np.mean(right) >= 0.8


@pytest.mark.parametrize("crystal", ["square", "mos2", "graphene"])
@pytest.mark.parametrize(("height", "width_px"), [(1.0, 30), (2.0, 45)])
def test_a_spot_of_contamination_is_no_defect(crystal: str, height: float, width_px: int) -> None:
    """Every column under it is brighter than its equivalents, and noisier."""
    rng, told, detector = np.random.default_rng(1), [], Detector()
    y, x = np.mgrid[:256, :256]
    spot = 5 * height * np.exp(-((x - 100) ** 2 + (y - 40) ** 2) / 2 / width_px**2)
    for simulated in open_simulator(SPOTTED.format(crystal)):
        data = (simulated.frame.data + rng.poisson(spot)).astype(np.float32)
        result = detector.step(Frame.from_array(data, index=simulated.frame.index))
        told += [e for e in result.events if e.event.startswith(("defect", "region"))]
    assert len(told) <= 1


def test_what_lies_beyond_the_watched_area_has_no_marker_at_its_fringe() -> None:
    spec = "mos2?size=384&frames=12&preexisting=0.05&damage=0&detected_e_per_px=2&seed=2"
    told, there = told_and_there(spec)
    assert len(told) >= 30
    assert max(nearest(event.x_px, event.y_px, there)[0] for event in told) < 8


def test_a_rim_that_is_partly_seen_belongs_to_the_phase_beside_it() -> None:
    phases = np.full((6, 8), -1)
    phases[1:-1, 1:4], phases[1:-1, 4:-1] = 0, 1
    whole = carried_on(phases)
    assert (whole[:, :4] == 0).all()
    assert (whole[:, 4:] == 1).all()
    assert (carried_on(np.full((2, 2), -1)) == 0).all()


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("crystal", ["square", "mos2", "graphene"])
def test_a_hole_in_the_first_frames_is_one_region(crystal: str, inverted: bool) -> None:
    """And none of its rim is a defect that forms, though it grows."""
    rng, told, detector = np.random.default_rng(1), [], Detector()
    y, x = np.mgrid[:256, :256]
    spec = f"{crystal}?size=256&frames=50&damage=0&detected_e_per_px=20&seed=3&drift_px=0&walk_px=0"
    for simulated in open_simulator(spec):
        number, data = simulated.frame.index, simulated.frame.data.astype(float)
        if not number:
            below, top = 0.1 * data.mean(), 4 * data.max()
        hole = np.hypot(x - 100, y - 110) < 45 + 0.1 * number
        data = np.where(hole, rng.poisson(below, data.shape), data)
        data = top - data if inverted else data
        told += detector.step(Frame.from_array(data.astype(np.float32), index=number)).events
    regions = [(e.frame, e.kind) for e in told if e.event == "region_confirmed"]
    starts = [e for e in told if e.event == "defect_at_start"]
    assert regions == [(11, "hole")]
    assert len(starts) <= 2
    assert starts[0].region_id is not None
    assert not [e for e in told if e.event == "defect_confirmed"]
