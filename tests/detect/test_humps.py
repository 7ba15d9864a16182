"""What settles on the crystal and grows is told from columns that change."""

import dataclasses

import numpy as np
import pytest

from livedetect import Detector, Frame
from livedetect.detect.humps import without_humps
from livedetect.detect.judgement import Training
from livedetect.detect.outlines import Surroundings
from livedetect.detect.phased import Patches
from livedetect.stream.registry import open_simulator

SPEC = "{}?size=256&frames=70&detected_e_per_px=5&seed={}"
SPOT_PX = 30.0
GROWTH = 5 * 1.5 / 80
"""Electrons that the middle of the spot adds with every frame: 1.5 means in 80 frames."""


def contaminated(spec: str, seed: int) -> tuple[list, dict, np.ndarray]:
    """What is confirmed in a stream with a spot that grows, the true defects, and its middle."""
    detector, rng = Detector(), np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256]
    left, top = rng.uniform(80, 176, 2)
    spot = np.exp(-((x - left) ** 2 + (y - top) ** 2) / 2 / SPOT_PX**2)
    told, there = [], {}
    for simulated in open_simulator(spec):
        more = rng.poisson(GROWTH * simulated.frame.index * spot)
        data = (simulated.frame.data + more).astype(np.float32)
        result = detector.step(Frame.from_array(data, index=simulated.frame.index))
        told += [event for event in result.events if event.event == "defect_confirmed"]
        there |= {defect.defect_id: defect for defect in simulated.truth if defect.in_view}
    return told, there, np.array([left, top])


@pytest.mark.parametrize(("crystal", "seeds"), [("graphene", (1, 2)), ("square", (3,))])
def test_a_growing_spot_of_contamination_has_no_markers(crystal: str, seeds: tuple) -> None:
    specs = [SPEC.format(crystal, seed) + "&damage=0" for seed in seeds]
    told = [contaminated(spec, seed)[0] for spec, seed in zip(specs, seeds, strict=True)]
    assert sum(map(len, told)) <= 1


def test_columns_that_go_in_and_beside_it_are_told() -> None:
    spec = SPEC.format("graphene", 1) + "&prescribed=14&damage_from=16&births_until=56&drift_px=0"
    told, there, middle = contaminated(spec, 1)
    places = np.array([[d.x_px, d.y_px] for d in there.values()])
    found = [any(np.hypot(e.x_px - x, e.y_px - y) < 6 for e in told) for x, y in places]
    assert (np.hypot(*(places - middle).T) < 1.5 * SPOT_PX).sum() >= 2
    assert len(found) >= 10
    assert np.mean(found) >= 0.9


def lone_window(method: object, change: np.ndarray) -> tuple[Patches, Surroundings]:
    """The best site of a lasting `change` (P, Q) of z, and what lies around it."""
    patches, front = method._patches, method._front  # type: ignore[attr-defined]
    (window,) = [entry for entry in method._windows if entry.frames == 8]  # type: ignore[attr-defined]
    seen = dataclasses.replace(window, z=np.where(window.valid, change, 0).astype(np.float32))
    inner = np.flatnonzero(method._watched)  # type: ignore[attr-defined]
    z = patches.take(seen.z, inner)
    training = Training(patches.sublattices(inner), z, 8)
    score = method._judgement.surprise(training)  # type: ignore[attr-defined]
    best = np.argmax(score)[None]
    chosen = Patches(site=inner[best], score=score[best], z=z[best], window_frames=np.array([8]))
    return chosen, Surroundings(front.grid, patches, [seen], method._watched)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wide", "column", "kept"), [(8.0, 0.0, 0), (0.0, -8.0, 1), (8.0, -14.0, 1)]
)
def test_a_column_is_told_from_what_lies_on_many(wide: float, column: float, kept: int) -> None:
    detector = Detector()
    for simulated in open_simulator("graphene?size=192&frames=24&damage=0&seed=1"):
        detector.step(simulated.frame)
    method = detector._model.method
    front, patches = method._front, method._patches
    p, q = np.indices(front.grid.shape)
    x, y = np.moveaxis(front.grid.origin + np.stack([p, q], -1) @ front.grid.steps, -1, 0)
    middle = patches.positions[np.flatnonzero(method._watched)].mean(axis=0)
    site = patches.positions[patches.sites_at(middle[None])][0]
    away = np.hypot(x - site[0], y - site[1])
    change = wide * np.exp(-(away**2) / 2 / 40**2) + column * np.exp(-(away**2) / 2 / 3**2)
    chosen, at_hand = lone_window(method, change)
    assert chosen.score[0] > method.threshold
    nothing = np.zeros((0, 2))
    left = without_humps(chosen, nothing, 10.0, at_hand, method._judgement)
    assert len(left.site) == kept
    known = patches.positions[chosen.site]
    assert len(without_humps(chosen, known, 10.0, at_hand, method._judgement).site) == 1
    elsewhere = dataclasses.replace(at_hand, windows=[])
    assert len(without_humps(chosen, nothing, 10.0, elsewhere, method._judgement).site) == 1
