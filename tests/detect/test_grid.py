import numpy as np
import pytest

from livedetect.detect.background import Background
from livedetect.detect.grid import Grid, shifted
from livedetect.detect.lattice import Lattice

BASIS = np.array([[15.9, 1.9], [6.2, 14.7]])
LATTICE = Lattice(
    basis_px=BASIS, reciprocal=np.linalg.inv(BASIS).T, indices=np.array([[1, 0], [0, 1], [1, 1]])
)


def test_a_cell_is_a_slice() -> None:
    grid = Grid.covering(LATTICE, (256, 256))
    x, y = grid.positions()
    m1, m2 = grid.samples
    step = np.array([x[m1, 0] - x[0, 0], y[m1, 0] - y[0, 0]])
    assert np.allclose(step, BASIS[0], atol=1e-3)
    assert grid.by_cell(x).shape == (grid.cells[0], m1, grid.cells[1], m2)


def test_the_grid_covers_the_frame_with_room_to_spare() -> None:
    grid = Grid.covering(LATTICE, (200, 300))
    x, y = grid.positions()
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    for corner in ((0, 0), (299, 0), (0, 199), (299, 199)):
        assert np.hypot(*(points - corner).T).min() < 2.5


@pytest.mark.parametrize("drift", [(70.0, 3.0), (-64.0, 40.0), (10.0, -90.0)])
def test_what_the_grid_holds_stays_in_place_when_it_moves(drift: tuple[float, float]) -> None:
    grid = Grid.covering(LATTICE, (256, 256))
    x, _ = grid.positions()
    moved, cells = grid.follow(np.array(drift))
    assert cells != (0, 0)
    new_x, _ = moved.positions()
    carried = moved.shifted(x, cells)
    kept = carried != 0
    assert kept.any()
    assert np.allclose(carried[kept], new_x[kept], atol=2e-3)


def test_a_small_drift_moves_nothing() -> None:
    grid = Grid.covering(LATTICE, (256, 256))
    same, cells = grid.follow(np.array([9.0, -12.0]))
    assert same is grid
    assert cells == (0, 0)


def test_shifted_fills_with_zeros() -> None:
    values = np.arange(1, 7).reshape(2, 3)
    assert shifted(values, (1, -1)).tolist() == [[0, 0, 0], [2, 3, 0]]


def test_the_background_follows_growth_up_to_the_edges() -> None:
    rng = np.random.default_rng(0)
    background = Background((30, 30))
    tilt = np.linspace(0, 1, 30)[:, None] * np.ones(30)
    coverage = np.ones((30, 30))
    for frame in range(80):
        truth = 0.02 * frame * tilt
        found = background.step(truth + 0.05 * rng.normal(size=(30, 30)), coverage)
    assert np.abs(found - truth).max() < 0.12
    assert abs(float((found - truth)[:2].mean())) < 0.05


def test_the_background_does_not_swallow_one_odd_cell() -> None:
    background = Background((30, 30))
    means = 0.05 * np.random.default_rng(1).normal(size=(30, 30))
    for _ in range(30):
        means[15, 15] = 5.0
        found = background.step(means, np.ones((30, 30)))
    assert abs(found[15, 15]) < 0.3


def test_some_cells_are_the_same_cells_of_a_map() -> None:
    grid = Grid.covering(LATTICE, (256, 256))
    of_map = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    few, places = grid.thinned(60)
    assert 60 <= few.cells[0] * few.cells[1] < grid.cells[0] * grid.cells[1] / 4
    assert np.array_equal(few.by_cell(places)[1, :, 2], grid.by_cell(of_map)[4, :, 8])
    middle, places = grid.middle(8)
    assert middle.cells == (8, 8)
    first = [(n - 8) // 2 for n in grid.cells]
    here = grid.by_cell(of_map)[first[0] :, :, first[1] :]
    assert np.array_equal(middle.by_cell(places)[:, 0, :, 0], here[:8, 0, :8, 0])


def test_a_small_grid_is_taken_as_it_is() -> None:
    grid = Grid.covering(LATTICE, (128, 128))
    everything = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    for part, places in (grid.thinned(10_000), grid.middle(200)):
        assert part.cells == grid.cells
        assert np.array_equal(places, everything)


def test_what_is_moved_out_of_a_map_leaves_it_empty() -> None:
    for offset in ((7, 0), (-7, 0), (0, 9), (40, -40)):
        assert not shifted(np.ones((6, 8)), offset).any()
