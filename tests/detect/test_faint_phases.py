"""A second phase whose columns differ too little for any one of them to tell."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from livedetect import Detector, Frame
from livedetect.detect.faint_phases import EVERY_FRAMES, FaintPhases
from livedetect.stream.registry import open_simulator

LOSS = 0.3
"""Of the contrast."""
GROWTH_PX = 1.2
"""Of the radius, per frame."""
BEGINS = 24


def with_a_faint_phase(spec: str, seed: int) -> tuple[list, float]:
    """What is told of a stream in which a disc of less contrast grows, and its last radius."""
    detector, rng = Detector(), np.random.default_rng(seed)
    told, radius = [], 0.0
    for simulated in open_simulator(spec):
        data = simulated.frame.data
        radius = GROWTH_PX * max(simulated.frame.index - BEGINS, 0)
        y, x = np.indices(data.shape)
        disc = np.hypot(x - 128, y - 120) < radius
        lost = rng.binomial(data.astype(int), 1 - LOSS) + rng.poisson(
            LOSS * data.mean(), data.shape
        )
        changed = np.where(disc, lost, data).astype(np.float32)
        told += detector.step(Frame.from_array(changed, index=simulated.frame.index)).events
    return told, radius


@pytest.mark.parametrize("seed", [1, 2])
def test_a_phase_of_less_contrast_is_one_region(seed: int) -> None:
    spec = f"graphene?size=256&frames=74&damage=0&detected_e_per_px=2&drift_px=0&seed={seed}"
    told, radius = with_a_faint_phase(spec, seed)
    regions = [event for event in told if event.event == "region_confirmed"]
    markers = [event for event in told if event.event == "defect_confirmed"]
    assert len(regions) == 1
    assert np.hypot(*np.mean(regions[0].polygon_px, axis=0) - (128, 120)) < radius
    points = [event.frame for event in markers if event.region_id is None]
    assert len(points) <= 6
    assert max(points) < regions[0].frame, "what happens inside is no news"


@pytest.fixture(scope="module")
def learnt() -> object:
    """The method that has learnt a crystal."""
    detector = Detector()
    for simulated in open_simulator("graphene?size=384&frames=24&damage=0&seed=1"):
        detector.step(simulated.frame)
    return detector._model.method


def looked(method: object, change: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(n1, n2) what is seen of a `change` (P, Q), standard deviations of a window's noise."""
    front, window = method._front, method._windows[-1]  # type: ignore[attr-defined]
    noise = np.random.default_rng(1).normal(size=front.grid.shape)
    z = np.where(window.valid, noise + change, 0).astype(np.float32)
    phases, seen = FaintPhases(), np.zeros(front.grid.cells)

    class Changed:
        def change(self) -> np.ndarray:
            return np.where(window.valid, change * front.template.std() / 2, 0)

    for _ in range(EVERY_FRAMES):
        assert not seen.any()
        seen = phases.look(dataclasses.replace(window, z=z), Changed(), front, share)  # type: ignore[arg-type]
    return seen


def shapes(method: object) -> dict[str, np.ndarray]:
    """Changes (P, Q) of a part of the view that no site shows well, or that are no phase."""
    front = method._front  # type: ignore[attr-defined]
    p, q = np.indices(front.grid.shape)
    places = front.grid.origin + np.stack([p, q], -1) @ front.grid.steps
    away = np.hypot(*(places - places.mean(axis=(0, 1))).T).T
    pattern = front.grid.tiled(front.template)
    pattern = (pattern - pattern.mean()) / pattern.std()
    disc = away < 56.0
    return {
        "contrast": 0.8 * pattern * disc,
        "hump": 8 * np.exp(-((away / 3 / front.lattice.constant_px) ** 2) / 2),
        "slope": 0.2 * p,
        "point": -12 * np.exp(-((away / 0.2 / front.lattice.constant_px) ** 2) / 2),
        "nothing": 0.0 * away,
    }


def test_what_cells_have_in_common_is_seen_where_it_is(learnt: object) -> None:
    cells = learnt._front.grid.cells
    change = shapes(learnt)["contrast"]
    seen = looked(learnt, change, np.zeros(cells)) > 0
    there = np.abs(learnt._front.grid.by_cell(change)).max(axis=(1, 3)) > 0
    assert seen[ndimage.binary_erosion(there, np.ones((3, 3)))].mean() > 0.9
    assert not seen[~ndimage.binary_dilation(there, np.ones((3, 3)))].any()
    strong = looked(learnt, change, np.ones(cells))
    assert not strong.any(), "sites tell it better"


@pytest.mark.parametrize("kind", ["hump", "slope", "point", "nothing"])
def test_what_is_no_phase_is_left_to_others(learnt: object, kind: str) -> None:
    cells = learnt._front.grid.cells
    assert (looked(learnt, shapes(learnt)[kind], np.zeros(cells)) > 0).sum() < 12
