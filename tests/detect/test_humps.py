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
from tests.detect.streams import learnt_method

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


@pytest.mark.parametrize(
    ("crystal", "seeds"), [("graphene", [3]), ("mos2", [1, 3]), ("square", [2])]
)
def test_a_spot_that_grows_while_the_crystal_is_learnt_has_no_markers(
    crystal: str, seeds: list
) -> None:
    y, x = np.mgrid[:192, :192]
    spot = np.exp(-((x - 90) ** 2 + (y - 100) ** 2) / 2 / 14**2)
    told = []
    for seed in seeds:
        detector, rng = Detector(), np.random.default_rng(seed)
        spec = f"{crystal}?size=192&frames=14&damage=0&drift_px=0&detected_e_per_px=60&seed={seed}"
        for simulated in open_simulator(spec + "&background=0"):
            more = rng.poisson(60 * 0.02 * simulated.frame.index * spot)
            data = (simulated.frame.data + more).astype(np.float32)
            told += detector.step(Frame.from_array(data, index=simulated.frame.index)).events
    assert sum(event.event == "model_ready" for event in told) == len(seeds)
    assert sum(event.event == "defect_confirmed" for event in told) == 0


def lone_window(
    method: object, change: np.ndarray, place: np.ndarray
) -> tuple[Patches, Surroundings]:
    """The site nearest to a `place` (2,) in a lasting `change` (P, Q) of z, and what is around."""
    patches, front = method._patches, method._front  # type: ignore[attr-defined]
    (window,) = [entry for entry in method._windows if entry.frames == 8]  # type: ignore[attr-defined]
    seen = dataclasses.replace(window, z=np.where(window.valid, change, 0).astype(np.float32))
    site = patches.sites_at(place[None])
    z = patches.take(seen.z, site)
    score = method._judgement.surprise(Training(patches.sublattices(site), z, 8))  # type: ignore[attr-defined]
    chosen = Patches(site=site, score=score, z=z, window_frames=np.array([8]))
    return chosen, Surroundings(front.grid, patches, [seen], method._watched)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def learnt() -> object:
    """The method that has learnt a crystal."""
    return learnt_method("graphene?size=192&frames=24&damage=0&seed=1")


def placed(method: object) -> tuple[np.ndarray, np.ndarray]:
    """A site (2,) in the middle of the view, and how far from it samples lie, (2, P, Q)."""
    front, patches = method._front, method._patches  # type: ignore[attr-defined]
    p, q = np.indices(front.grid.shape)
    middle = patches.positions[np.flatnonzero(method._watched)].mean(axis=0)  # type: ignore[attr-defined]
    site = patches.positions[patches.sites_at(middle[None])][0]
    places = front.grid.origin + np.stack([p, q], -1) @ front.grid.steps
    return site, np.moveaxis(places - site, -1, 0)


@pytest.mark.parametrize(
    ("wide", "column", "kept"), [(8.0, 0.0, 0), (0.0, -8.0, 1), (8.0, -14.0, 1), (-1.0, -5.0, 1)]
)
def test_a_column_is_told_from_what_lies_on_many(
    learnt: object, wide: float, column: float, kept: int
) -> None:
    site, offset = placed(learnt)
    away = np.hypot(*offset)
    change = wide * np.exp(-(away**2) / 2 / 40**2) + column * np.exp(-(away**2) / 2 / 3**2)
    chosen, at_hand = lone_window(learnt, change, site)
    judgement, threshold = learnt._judgement, learnt.threshold
    nothing, known = np.zeros((0, 2)), learnt._patches.positions[chosen.site]
    assert chosen.score[0] > threshold
    assert len(without_humps(chosen, nothing, 10.0, at_hand, judgement, threshold).site) == kept
    assert len(without_humps(chosen, known, 10.0, at_hand, judgement, threshold).site) == 1
    elsewhere = dataclasses.replace(at_hand, windows=[])
    assert len(without_humps(chosen, nothing, 10.0, elsewhere, judgement, threshold).site) == 1


def test_the_rim_of_a_spot_is_no_column(learnt: object) -> None:
    """Most of what lies around it has not changed."""
    site, offset = placed(learnt)
    spot = 6 / (1 + np.exp(-(offset.min(axis=0) + 5) / 2))
    chosen, at_hand = lone_window(learnt, spot, site)
    judgement, threshold = learnt._judgement, learnt.threshold
    assert chosen.score[0] > threshold
    left = without_humps(chosen, np.zeros((0, 2)), 10.0, at_hand, judgement, threshold)
    assert not len(left.site)


def test_columns_that_go_side_by_side_are_told(learnt: object) -> None:
    site, offset = placed(learnt)
    nearest = learnt._front.columns.scale_px / np.sqrt(3) * np.array([1.0, 0.0])
    change = sum(
        -8 * np.exp(-(np.hypot(offset[0] - x, offset[1] - y) ** 2) / 2 / 3**2)
        for x, y in (nearest, 0 * nearest, -nearest)
    )
    chosen, at_hand = lone_window(learnt, change, site)
    judgement, threshold = learnt._judgement, learnt.threshold
    assert len(without_humps(chosen, np.zeros((0, 2)), 10.0, at_hand, judgement, threshold).site)


def test_a_column_that_goes_in_a_second_phase_is_told(learnt: object) -> None:
    """What all columns around do as well is none of its own."""
    site, offset = placed(learnt)
    template = learnt._front.template
    phase = learnt._front.grid.tiled((template - template.mean()) / template.std() * -1.5)
    gone = -12 * np.exp(-(np.hypot(*offset) ** 2) / 2 / 3**2)
    chosen, at_hand = lone_window(learnt, phase + gone, site)
    judgement, threshold = learnt._judgement, learnt.threshold
    assert chosen.score[0] > threshold
    left = without_humps(chosen, np.zeros((0, 2)), 10.0, at_hand, judgement, threshold)
    assert len(left.site) == 1
