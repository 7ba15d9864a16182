"""Which lattice vector the registration has slipped by, told by how the sites differ.

No real crystal is periodic: its sites differ by more than the noise (vacancies of the first
frames, neighbours of another kind, thickness). After a slip the levels that were learnt stand
a lattice vector beside those that are seen. All lattice vectors are compared at once, by
correlation over the unit cells.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.grid import Grid

REACH = 8
"""Unit cells, along each axis, that are tried."""
LEAST_OVERLAP = 0.4
"""Of what is seen that must have a level at a lattice vector."""
INDEPENDENT = 10
"""Samples behind the matched filter for one that is independent."""
CONVINCING = 40.0
"""Twice the logarithm of a likelihood ratio that chance does not give one of 289 vectors."""
INFLUENCE = 2.0
"""Standard deviations of the noise that a sample counts for at most: one defect that happens to
stand where another one was is not enough, it takes two."""
EXPLAINED = 2.0
"""In units of the noise: what is left of the levels at the right vector is below this."""


def slip_of_levels(
    grid: Grid,
    seen: tuple[FloatArray, BoolArray, float],
    levels: tuple[FloatArray, BoolArray],
) -> FloatArray | None:
    """Lattice vector (x, y) from where levels were learnt to where they are seen, px.

    (0, 0) if they are seen where they were learnt; None if that cannot be told.

    Parameters
    ----------
    seen : residuals (P, Q) before levels are taken out, where there are any (P, Q), and the
        variance of their noise.
    levels : those learnt (P, Q), and where they are known (P, Q).
    """
    values, shown, noise = seen
    whole, _ = _misfit(grid, (values, shown), levels)
    limit = INFLUENCE * noise**0.5
    clipped, level = (np.clip(entry, -limit, limit) for entry in (values, levels[0]))
    apart, overlap = _misfit(grid, (clipped, shown), (level, levels[1]))
    if overlap.max() < INDEPENDENT:
        return None
    apart = np.where(overlap >= LEAST_OVERLAP * overlap.max(), apart, np.inf)
    best = np.unravel_index(int(apart.argmin()), apart.shape)
    others = apart.copy()
    others[best] = np.inf
    least = float(apart[best])
    gain = (float(others.min()) / max(least, 1e-12) - 1) * float(overlap[best]) / INDEPENDENT
    if gain < CONVINCING or whole[best] > EXPLAINED * noise:
        return None
    return np.asarray((np.array(best) - REACH) @ grid.lattice.basis_px, float)


def _misfit(
    grid: Grid, seen: tuple[FloatArray, BoolArray], levels: tuple[FloatArray, BoolArray]
) -> tuple[FloatArray, FloatArray]:
    """Mean square between what is seen and the levels moved by every lattice vector in reach.

    (2 r + 1, 2 r + 1), and how many samples it rests on.
    """
    once, linear, square = _powers(grid, *seen)
    known, level, level2 = _powers(grid, *levels)
    count, cross = _moved(grid, once, known), _moved(grid, linear, level)
    total = _moved(grid, square, known) - 2 * cross + _moved(grid, once, level2)
    return total / np.maximum(count, 1), count


def _powers(
    grid: Grid, values: FloatArray, where: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Spectra over the cells of a map (P, Q) to the powers 0, 1 and 2, 0 but `where` (P, Q)."""
    masked = np.where(where, values, 0).astype(np.float32)
    maps = (where.astype(np.float32), masked, masked**2)
    first, second, third = (
        fft.rfft2(grid.by_cell(entry).transpose(1, 3, 0, 2), s=_room(grid)) for entry in maps
    )
    return first, second, third


def _moved(grid: Grid, seen: FloatArray, levels: FloatArray) -> FloatArray:
    """Sums over all samples of one map times another one moved by 0 to `REACH` cells either way."""
    sums = fft.irfft2((seen * np.conj(levels)).sum(axis=(0, 1)), s=_room(grid))
    cells = np.arange(-REACH, REACH + 1)
    return np.asarray(sums[np.ix_(cells, cells)], float)


def _room(grid: Grid) -> list[int]:
    """Cells along each axis with as many empty ones as a map may be moved by."""
    return [fft.next_fast_len(cells + REACH, real=True) for cells in grid.cells]
