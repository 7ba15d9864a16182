"""The slowly varying background, followed from frame to frame."""

import numpy as np
import pytest

from livedetect.detect.background import Background

CELLS = (20, 20)
GROWTH, SCATTER = 0.001, 0.05


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_what_was_out_of_view_for_long_comes_back_like_what_lies_beside_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    background = Background(CELLS)
    worst = 0.0
    for number in range(1300):
        coverage = np.ones(CELLS)
        if 200 <= number < 1200:
            coverage[:, -5:] = 0
        true = GROWTH * min(number, 200)
        means = (true + SCATTER * rng.normal(size=CELLS)) * (coverage > 0)
        found = background.step(means, coverage)
        if number >= 1200:
            worst = max(worst, float(np.abs(found - true)[:, -5:].max()))
    assert worst < 0.08


@pytest.mark.parametrize("seed", [101, 102])
def test_a_view_that_wanders_for_long_leaves_nothing_from_cell_to_cell(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = np.indices(CELLS) + 0.5
    background = Background(CELLS)
    rough = []
    for number in range(5000):
        edge = 16 - np.abs(cells - 10).sum(axis=0) + 0.002 * (number % 500)
        coverage = np.clip(edge - 4 + 0.05 * rng.normal(), 0, 1)
        if number % 500 == 499:
            background.move((0, 1))
        found = background.step(SCATTER * rng.normal(size=CELLS) * (coverage > 0), coverage)
        rough.append(np.abs(np.diff(found[6:-6, 6:-6], axis=1)).mean())
    assert np.mean(rough[-200:]) < 1.5 * np.mean(rough[200:400])


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_a_cell_cut_by_the_edge_of_the_frame_keeps_its_own_level(seed: int) -> None:
    """Covered half more or less; its level falls off towards the edge."""
    rng = np.random.default_rng(seed)
    background = Background(CELLS)
    true = np.repeat(-0.3 * np.exp(-np.arange(19, -1, -1) / 2.5)[:, None], 20, axis=1)
    off = []
    for number in range(260):
        coverage = np.ones(CELLS)
        coverage[-1] = 0
        if number >= 100:
            coverage[-2] = np.clip(0.5 + 0.25 * rng.normal(), 0.01, 1)
        means = (true + SCATTER * rng.normal(size=CELLS)) * (coverage > 0)
        found = background.step(means, coverage)
        if number >= 100:
            off.append((found - true)[-2].mean())
    assert np.abs(np.mean(off)) < 0.04


def test_a_cell_cut_by_the_edge_has_in_the_first_frame_the_level_of_all_later_ones() -> None:
    """Beside a boundary the levels of cells differ widely from those beside them."""
    rng = np.random.default_rng(101)
    levels = rng.normal(size=CELLS) + 3 * (np.arange(20) > 9)
    coverage = np.ones(CELLS)
    coverage[-1] = 0.6
    background = Background(CELLS)
    found = np.array([background.step(levels, coverage) for _ in range(12)])
    steps = np.abs(np.diff(found, axis=0)).max(axis=2)
    assert steps[0, -1] < 1.5 * steps[0, :-1].max()


def test_what_is_new_goes_with_what_lies_beside_it() -> None:
    """Its own level, which nobody knows yet, pulls at nothing."""
    rng = np.random.default_rng(102)
    background = Background(CELLS)
    coverage, new = np.ones(CELLS), np.zeros(CELLS, bool)
    coverage[:, -4:] = 0
    for number in range(120):
        if number == 40:
            coverage[:, -4:], new[:, -4:] = 1, True
        true = GROWTH * number
        means = true + SCATTER * rng.normal(size=CELLS) + 5.0 * new
        found = background.step(means * (coverage > 0), coverage, new)
        assert np.abs(found[coverage > 0] - true).max() < 0.08
    assert background.settled.all()


@pytest.mark.parametrize("columns", [4, 34])
def test_far_from_all_that_is_known_the_level_is_the_usual_one(columns: int) -> None:
    """After a large jump most of the view is new."""
    background = Background((20, 40))
    coverage, new = np.ones((20, 40)), np.zeros((20, 40), bool)
    coverage[:, -columns:] = 0
    for number in range(20):
        if number == 10:
            coverage[:, -columns:], new[:, -columns:] = 1, True
        found = background.step(2.0 * coverage, coverage, new)
    assert np.abs(found - 2.0).max() < 0.1


def test_a_growth_much_faster_than_the_noise_is_followed() -> None:
    """Only the noise of cells is clipped; what lags behind that would never catch up."""
    rng = np.random.default_rng(103)
    background = Background(CELLS)
    row, column = np.indices(CELLS)
    shape = np.exp(-((row - 10) ** 2 + (column - 10) ** 2) / 2 / 6**2)
    off = []
    for number in range(80):
        true = 0.02 * number * shape
        found = background.step(true + 0.015 * rng.normal(size=CELLS), np.ones(CELLS))
        off.append(np.abs(found - true).max())
    assert max(off[12:]) < 0.12


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_a_growth_that_is_steep_at_the_edge_is_followed_in_the_cells_that_it_cuts(
    seed: int,
) -> None:
    """Their level comes from beside them, and lies on the slope there."""
    rng = np.random.default_rng(seed)
    background = Background(CELLS)
    coverage = np.ones(CELLS)
    coverage[:, -1] = 0.4
    slope = 0.01 * (np.arange(20) - 10.0) * np.ones(CELLS)
    off = []
    for number in range(80):
        true = 0.1 * number * slope
        found = background.step(true + SCATTER * rng.normal(size=CELLS), coverage)
        off.append((found - true)[:, -1].mean() / max(abs(true).max(), 1e-9))
    assert np.abs(off[40:]).max() < 0.1


def test_the_mean_is_left_to_the_offset_of_the_frame() -> None:
    """Growing against each other the two would leave what enters at the edge behind."""
    rng = np.random.default_rng(105)
    background = Background(CELLS)
    true = np.repeat(0.1 * (np.arange(20) - 9.5)[:, None], 20, axis=1)
    offset = 0.0
    for number in range(60):
        means = true + 0.2 * number - offset + SCATTER * rng.normal(size=CELLS)
        found = background.step(means, np.ones(CELLS))
        background.centre()
        offset += float((means - background.expected).mean())
    assert np.abs(background.expected.mean()) < 0.02
    assert np.abs(found - true).max() < 0.3
