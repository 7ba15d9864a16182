"""Domains from the start are told apart, and their boundary is told once."""

import numpy as np
import pytest

from livedetect import Detector
from livedetect.detect.domains import boundary_of, shares_of
from livedetect.stream.registry import open_simulator
from livedetect.types import RegionEvent
from tests.detect.streams import two_grains, watch

SPEC = "{}?size=256&frames=13&damage=0&detected_e_per_px=3&{}&seed={}"


def events_of(spec: str) -> list:
    detector = Detector()
    return [event for s in open_simulator(spec) for event in detector.step(s.frame).events]


def test_cells_where_two_phases_meet() -> None:
    phases = np.zeros((12, 12), int)
    phases[:, 7:] = 1
    phases[:2] = -1
    assert shares_of(phases) == [0.583, 0.417]
    assert set(np.nonzero(boundary_of(phases))[1]) == {6, 7}
    assert not boundary_of(np.zeros((5, 5), int)).any()


@pytest.mark.parametrize(("crystal", "seed"), [("mos2", 1), ("zro2", 1), ("graphene", 2)])
def test_a_twin_boundary_from_the_start_is_told_once(crystal: str, seed: int) -> None:
    events = events_of(SPEC.format(crystal, "twin=1", seed))
    ready = next(event.as_dict() for event in events if event.event == "model_ready")
    assert len(ready["phases"]) == 2
    assert min(phase["share"] for phase in ready["phases"]) > 0.3
    assert any("2 phases" in text for text in ready["warnings"])
    assert [e.kind for e in events if isinstance(e, RegionEvent)] == ["boundary"]
    held = [event for event in events if event.event == "defect_at_start"]
    assert [event.region_id for event in held if event.region_id is not None] == [0]
    assert len(held) <= 5  # where the other lattice comes near the boundary


@pytest.mark.parametrize("others", ["preexisting=0.1", "warp_px=2", "contamination=0.5"])
def test_an_imperfect_crystal_is_one_phase(others: str) -> None:
    events = events_of(SPEC.format("mos2", others, 1))
    ready = next(event.as_dict() for event in events if event.event == "model_ready")
    assert ready["phases"] == []
    assert not [event for event in events if isinstance(event, RegionEvent)]


def test_a_view_of_too_few_cells_is_refused_with_a_word() -> None:
    spec = "mos2?size=200&frames=20&damage=0&detected_e_per_px=0.5&a_px=36&seed=1"
    events = events_of(spec)
    ready = next(event.as_dict() for event in events if event.event == "model_ready")
    assert any("too few" in text for text in ready["warnings"])
    assert not [event for event in events if event.event.startswith("defect")]


def test_the_drift_of_the_frame_in_which_outlines_lie_is_told() -> None:
    detector, ready, drifts = Detector(), {}, {}
    spec = SPEC.format("mos2", "twin=1&drift_px=0.8&jitter_px=0", 1).replace(
        "frames=13", "frames=16"
    )
    for simulated in open_simulator(spec):
        result = detector.step(simulated.frame)
        if result.registration is not None:
            drifts[result.frame] = (result.registration.drift_x_px, result.registration.drift_y_px)
        for event in result.events:
            if event.event == "model_ready":
                ready = event.as_dict()
    after, later = (np.array(drifts[ready["frame"] + step]) for step in (1, 2))
    assert np.hypot(*(later - after)) > 0.5
    np.testing.assert_allclose(ready["drift_px"], 2 * after - later, atol=0.4)


def test_a_boundary_that_drifts_through_the_view_does_not_change_the_gain() -> None:
    """Once the levels of the larger domain no longer prevailed, there were 50 false markers."""
    run = watch(
        "mos2?twin=1&size=512&fps=6&drift_px=0.5&frames=90&detected_e_per_px=8&seed=1"
        "&damage_from=60&births_until=61"
    )
    assert len(run.named("defect_confirmed")) <= 3
    gains = [entry.registration.gain for entry in run.results if entry.registration]
    late = gains[-30:]
    assert max(late) < 1.1 * min(late)


@pytest.mark.parametrize(("turned_deg", "seed"), [(8.0, 4), (15.0, 1), (30.0, 2)])
def test_a_grain_boundary_drifts_without_markers(turned_deg: float, seed: int) -> None:
    """The other grain's phases were taken for a distortion, which made dozens of markers."""
    detector = Detector()
    events = [e for f in two_grains(turned_deg, seed=seed) for e in detector.step(f).events]
    assert [e.kind for e in events if isinstance(e, RegionEvent)] == ["boundary"]
    assert not [event for event in events if event.event == "defect_confirmed"]
