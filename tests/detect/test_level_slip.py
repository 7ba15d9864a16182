"""Slips of the lattice, told by how its sites differ."""

import numpy as np
import pytest

from livedetect.detect.grid import Grid
from livedetect.detect.lattice import Lattice
from livedetect.detect.level_slip import slip_of_levels
from tests.detect.streams import watch

LATTICE = Lattice(
    basis_px=np.array([[16.0, 2.0], [-6.0, 15.0]]),
    reciprocal=np.linalg.inv(np.array([[16.0, 2.0], [-6.0, 15.0]])).T,
    indices=np.array([[1, 0], [0, 1]]),
)
GRID = Grid.covering(LATTICE, (256, 300))
AWAY = "mos2?frames=60&damage=0&preexisting=0.01"


def levels(spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Levels of sites that differ by `spread`, known in the middle of the grid."""
    rng = np.random.default_rng(1)
    known = np.zeros(GRID.shape, bool)
    known[30:-30, 30:-30] = True
    return spread * rng.normal(size=GRID.shape), known


def seen(level: np.ndarray, moved: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, float]:
    """A noisy frame in which the levels stand `moved` unit cells on."""
    by = np.array(moved) * GRID.samples
    frame = np.roll(level, by, axis=(0, 1)) + np.random.default_rng(2).normal(size=level.shape)
    shown = np.zeros(GRID.shape, bool)
    shown[40:-25, 35:-40] = True
    return frame, shown, 1.0


@pytest.mark.parametrize("moved", [(0, 0), (1, 0), (-3, 2), (6, -5)])
def test_the_lattice_vector_is_found(moved: tuple[int, int]) -> None:
    level, known = levels(0.7)
    found = slip_of_levels(GRID, seen(level, moved), (level, known))
    assert found is not None
    assert np.allclose(found, np.array(moved) @ LATTICE.basis_px)


def test_nothing_is_said_where_sites_do_not_differ_or_nothing_of_them_is_seen() -> None:
    level, known = levels(0.0)
    assert slip_of_levels(GRID, seen(level, (1, 0)), (level, known)) is None
    level, known = levels(3.0)
    elsewhere = 3 * np.random.default_rng(7).normal(size=GRID.shape)
    assert slip_of_levels(GRID, seen(elsewhere, (0, 0)), (level, known)) is None
    nothing = np.zeros(GRID.shape, bool)
    assert slip_of_levels(GRID, (level, nothing, 1.0), (level, known)) is None


@pytest.mark.parametrize(("stage", "seed"), [("40:0.02,42:0", 0), ("40:0.02,41:0", 3)])
def test_a_stage_that_jumps_and_comes_back_makes_no_markers(stage: str, seed: int) -> None:
    """There were 14 and 17: windows reached back to frames taken for the neighbouring cell."""
    run = watch(f"{AWAY}&stage={stage}&seed={seed}")
    assert [e for e in run.events if e.event in ("slip_possible", "source_changed")]
    assert not [e for e in run.named("defect_confirmed") if e.frame >= 40]
