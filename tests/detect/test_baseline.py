"""The level and the noise of every place: what is new is judged by what surrounds it."""

import numpy as np
import pytest
from scipy import ndimage

from livedetect.detect.baseline import NEW_SITE_FRAMES, Baseline
from livedetect.detect.grid import Grid
from livedetect.detect.lattice import Lattice
from livedetect.detect.noise import moved_with_edge

BASIS = np.array([[16.0, 0.0], [0.0, 16.0]])
LATTICE = Lattice(
    basis_px=BASIS, reciprocal=np.linalg.inv(BASIS).T, indices=np.array([[1, 0], [0, 1], [1, 1]])
)
ENTERING_CELLS = 6


def of_mere_noise(grid: Grid, rng: np.random.Generator) -> tuple[Baseline, np.ndarray, np.ndarray]:
    """A baseline, and masks (P, Q) of nothing and everything."""
    warm_up = rng.normal(size=(12, *grid.shape)).astype(np.float32)
    baseline = Baseline(grid, warm_up, np.ones(warm_up.shape, bool))
    baseline.end_warm_up()
    return baseline, np.zeros(grid.shape, bool), np.ones(grid.shape, bool)


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_places_that_enter_a_noisier_stream_are_judged_by_its_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = Grid.covering(LATTICE, (256, 256))
    entered = np.zeros(grid.shape, bool)
    entered[:, -ENTERING_CELLS * grid.samples[1] :] = True

    def noise(rms: float) -> np.ndarray:
        return (rms * rng.normal(size=grid.shape)).astype(np.float32)

    warm_up = np.stack([noise(1.0) for _ in range(12)])
    nothing, everything = np.zeros(grid.shape, bool), np.ones(grid.shape, bool)
    baseline = Baseline(grid, warm_up, np.ones(warm_up.shape, bool))
    baseline.end_warm_up()
    for number in range(60 + NEW_SITE_FRAMES + 10):
        if number == 60:
            baseline.move(grid, (0, -ENTERING_CELLS))
        first = baseline.windows(noise(2.0), everything, nothing)[0]
        judged = entered & first.valid
        if number >= 60 and judged.any():
            break
        baseline.learn(np.ones(grid.cells, bool), nothing)
    assert judged.sum() > 1000
    assert first.z[judged].std() == pytest.approx(1.0, abs=0.1)


def test_what_enters_is_like_the_edge_it_enters_beside() -> None:
    values = np.arange(12.0).reshape(3, 4)
    moved = moved_with_edge(values, (1, -2))
    assert moved.tolist() == [[2, 3, 3, 3], [2, 3, 3, 3], [6, 7, 7, 7]]


def test_noise_that_grows_in_part_of_the_cell_is_followed_there() -> None:
    rng = np.random.default_rng(101)
    grid = Grid.covering(LATTICE, (256, 256))
    growth = np.ones(grid.samples)
    growth[: grid.samples[0] // 2] = 2.0
    baseline, nothing, everything = of_mere_noise(grid, rng)
    squares = []
    for number in range(240):
        frame = (rng.normal(size=grid.shape) * grid.tiled(growth)).astype(np.float32)
        first = baseline.windows(frame, everything, nothing)[0]
        if number >= 200:
            squares.append(grid.by_cell(first.z**2).mean(axis=(0, 2)))
        baseline.learn(np.ones(grid.cells, bool), nothing)
    spread = np.sqrt(np.mean(squares, axis=0))
    assert spread.min() > 0.9
    assert spread.max() < 1.1


def test_noise_of_the_registration_that_ends_does_not_take_that_of_the_electrons_with_it() -> None:
    rng = np.random.default_rng(101)
    grid = Grid.covering(LATTICE, (256, 256))
    specimen = grid.tiled(rng.normal(size=grid.samples)) * 3
    slope = np.gradient(specimen, axis=1)

    def residual(jitter: float) -> np.ndarray:
        moved = specimen + jitter * rng.normal() * slope
        return (moved + rng.normal(size=grid.shape)).astype(np.float32)

    covered = np.ones(grid.shape, bool)
    covered[:, -ENTERING_CELLS * grid.samples[1] :] = False
    warm_up = np.stack([residual(0.5) for _ in range(12)])
    nothing, everything = np.zeros(grid.shape, bool), np.ones(grid.shape, bool)
    baseline = Baseline(grid, warm_up, np.tile(covered, (len(warm_up), 1, 1)))
    baseline.end_warm_up()
    squares = np.zeros(grid.shape)
    for number in range(3000):
        first = baseline.windows(residual(0.0), everything, nothing)[0]
        if number >= 2900:
            squares += first.z**2 / 100
        baseline.learn(np.ones(grid.cells, bool), nothing)
    assert np.sqrt(squares[covered].mean()) == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(squares[~covered].mean()) < 1.2


def test_beside_a_hole_the_noise_is_that_of_the_crystal() -> None:
    rng = np.random.default_rng(101)
    grid = Grid.covering(LATTICE, (256, 256))
    cells = np.zeros(grid.cells, bool)
    cells[6:12, 6:12] = True
    hole, around = (
        grid.spread(entry) for entry in (cells, ndimage.binary_dilation(cells, None, 2))
    )
    baseline, nothing, everything = of_mere_noise(grid, rng)
    squares = []
    for number in range(60):
        values = rng.normal(size=grid.shape).astype(np.float32)
        values[hole] = -20
        first = baseline.windows(values, everything, nothing)[0]
        if number >= 40:
            squares.append(first.z[around & ~hole] ** 2)
        baseline.learn(np.ones(grid.cells, bool), hole)
    assert np.mean(squares) == pytest.approx(1.0, abs=0.1)
    assert (first.z[hole] < -10).all()


def test_what_left_its_place_is_as_in_the_warm_up_again_where_that_can_be_trusted() -> None:
    rng = np.random.default_rng(101)
    grid = Grid.covering(LATTICE, (256, 256))
    warm_up = 5 + rng.normal(size=(12, *grid.shape)).astype(np.float32)
    nothing, everything = np.zeros(grid.shape, bool), np.ones(grid.shape, bool)
    baseline = Baseline(grid, warm_up, np.ones(warm_up.shape, bool))
    baseline.end_warm_up(keep_level=True)
    before = baseline.level.copy()
    for _ in range(40):
        baseline.windows((6 + rng.normal(size=grid.shape)).astype(np.float32), everything, nothing)
        baseline.learn(np.ones(grid.cells, bool), nothing)
    assert (baseline.level - before).mean() > 0.5
    baseline.move(grid, (1, 0))
    left, trusted = everything.copy(), everything.copy()
    half = grid.shape[1] // 2
    trusted[:, half:] = False
    followed = baseline.known.copy()
    baseline.recall(left, trusted)
    known = baseline.known
    assert known[:, :half].sum() == followed[:, :half].sum() > 0
    assert not known[:, half:].any()
    moved = grid.shifted(before, (1, 0))
    assert np.array_equal(baseline.level[known], moved[known])
