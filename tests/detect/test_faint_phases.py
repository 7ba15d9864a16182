"""A second phase whose columns differ too little for any one of them to tell."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from livedetect import Detector, Frame, Settings
from livedetect.detect.faint_phases import EVERY_FRAMES, FaintPhases
from livedetect.stream.registry import open_simulator
from tests.detect.streams import learnt_method

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
    assert max(points, default=0) < regions[0].frame, "what happens inside is no news"
    assert regions[0].kind == "domain"


@pytest.fixture(scope="module")
def learnt() -> object:
    """The method that has learnt a crystal."""
    return learnt_method("graphene?size=384&frames=24&damage=0&seed=1")


def looked(method: object, change: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(n1, n2) what is seen of a `change` (P, Q), standard deviations of a window's noise."""
    front, window = method._front, method._windows[-1]  # type: ignore[attr-defined]
    rng = np.random.default_rng(1)
    noise, single = rng.normal(size=(2, *front.grid.shape))
    z = np.where(window.valid, noise + change, 0).astype(np.float32)
    at_hand = method._at_hand([dataclasses.replace(window, z=z)])  # type: ignore[attr-defined]
    unit = unit_of(method)

    class Changed:
        def change(self) -> np.ndarray:
            """The latest frame alone is noisier than the window."""
            return unit * (change + np.sqrt(window.frames) * single) * window.valid

    phases, seen = FaintPhases(), np.zeros(front.grid.cells)
    for _ in range(EVERY_FRAMES):
        assert not seen.any()
        seen = phases.look(at_hand, Changed(), front.template, share)  # type: ignore[arg-type]
    return seen


def unit_of(method: object) -> float:
    """Noise of a window, in units of the template."""
    frames = method._windows[-1].frames  # type: ignore[attr-defined]
    return float(np.sqrt(method._baseline.variance().mean() / frames))  # type: ignore[attr-defined]


def shapes(method: object) -> dict[str, np.ndarray]:
    """Changes (P, Q) of a part of the view that no site shows well, or that are no phase."""
    front = method._front  # type: ignore[attr-defined]
    p, q = np.indices(front.grid.shape)
    places = front.grid.origin + np.stack([p, q], -1) @ front.grid.steps
    away = np.hypot(*(places - places.mean(axis=(0, 1))).T).T
    pattern = front.grid.tiled(front.template)
    lost = LOSS * (pattern.mean() - pattern) / unit_of(method)
    disc = away < 56.0
    return {
        "contrast": lost * disc,
        "hump": 8 * np.exp(-((away / 3 / front.lattice.constant_px) ** 2) / 2),
        "slope": 0.2 * p,
        "point": -20 * np.exp(-((away / 0.2 / front.lattice.constant_px) ** 2) / 2),
        "nothing": 0.0 * away,
    }


def test_what_cells_have_in_common_is_seen_where_it_is(learnt: object) -> None:
    cells = learnt._front.grid.cells
    change = shapes(learnt)["contrast"]
    seen = looked(learnt, change, np.zeros(cells)) > 0
    there = np.abs(learnt._front.grid.by_cell(change)).max(axis=(1, 3)) > 0
    assert seen[ndimage.binary_erosion(there, np.ones((3, 3)))].mean() > 0.9
    assert not seen[~ndimage.binary_dilation(there, np.ones((3, 3)))].any()
    assert not looked(learnt, change, np.ones(cells)).any(), "sites tell it better"


@pytest.mark.parametrize("kind", ["hump", "slope", "nothing"])
def test_what_is_no_phase_is_left_to_others(learnt: object, kind: str) -> None:
    cells = learnt._front.grid.cells
    assert not looked(learnt, shapes(learnt)[kind], np.zeros(cells)).any()


def test_a_point_is_told_by_its_site(learnt: object) -> None:
    change = shapes(learnt)["point"]
    largest = np.abs(learnt._front.grid.by_cell(change)).max(axis=(1, 3))
    assert not looked(learnt, change, (largest > 4).astype(float)).any()


@pytest.mark.parametrize("settings", [{}, {"exclude": [[60, 50, 196, 190]]}])
def test_where_nothing_is_watched_nothing_is_told(settings: dict) -> None:
    detector, rng = Detector(Settings(**settings)), np.random.default_rng(1)
    told, y, x = [], *np.mgrid[:256, :256]
    for simulated in open_simulator("graphene?size=256&frames=60&damage=0&drift_px=0&seed=1"):
        data = simulated.frame.data
        disc = np.hypot(x - 128, y - 120) < 55 * (simulated.frame.index > BEGINS)
        lost = rng.binomial(data.astype(int), 0.5) + rng.poisson(0.5 * data.mean(), data.shape)
        changed = np.where(disc, lost, data).astype(np.float32)
        told += detector.step(Frame.from_array(changed, index=simulated.frame.index)).events
    regions = sum(event.event == "region_confirmed" for event in told)
    assert regions == (0 if settings else 1)


@pytest.mark.parametrize("frames", [32, 33, 34])
def test_what_is_saved_goes_on_looking_at_the_same_frames(frames: int) -> None:
    spec = f"graphene?size=128&frames={frames}&damage=0&seed=1"
    detector = Detector()
    for simulated in open_simulator(spec):
        detector.step(simulated.frame)
    restored = Detector.from_state(detector.state())
    phases = [entry._model.method._faint_phases for entry in (detector, restored)]
    assert phases[0]._left_out == phases[1]._left_out
