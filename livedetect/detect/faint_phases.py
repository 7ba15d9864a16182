"""Second phases that no single site shows well: what 3 x 3 cells have in common is looked at.

A phase whose contrast is less by a third, or a faint superstructure, changes every column a
little. The mean over cells side by side knows it. Cells that a site of their own tells of are
left out: point defects, holes and domains are found, and outlined, by their sites.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.baseline import Baseline
from livedetect.detect.grid import Grid
from livedetect.detect.kernels.planes import planes_of
from livedetect.detect.outlines import Surroundings
from livedetect.detect.region_kinds import PERIODIC_SHARE
from livedetect.detect.regions import EVERYWHERE, SOLID_SHARE

EVERY_FRAMES = 3
"""So often: a change this faint takes longer than that to be sure of (decision 31)."""
SURE = 4.0
"""Robust standard deviations from the usual cell; a region takes a dozen such cells, not one."""
FEWEST_CELLS = 30
"""From which what is usual can be told."""
MOST = 0.6
"""Of the 3 x 3 cells, that must be known and told of by no site."""


class FaintPhases:
    """Looks at every few frames for cells that have changed together."""

    def __init__(self) -> None:
        self._left_out = 0
        """Frames since the last look, which come without one."""

    def look(
        self, at_hand: Surroundings, baseline: Baseline, template: FloatArray, share: FloatArray
    ) -> FloatArray:
        """(n1, n2) scores of cells that have changed together; 0 elsewhere and without a look.

        They compare with the surprise of a site: half the square of a normal deviate.

        Parameters
        ----------
        at_hand : the windows of the latest frame, of which the longest is looked at.
        baseline : that the frame differs from.
        template : (m1, m2) mean unit cell.
        share : (n1, n2) part of the sites of each cell that are flagged.
        """
        grid, window = at_hand.grid, at_hand.windows[-1]
        nothing = np.zeros(grid.cells, np.float32)
        self._left_out = (self._left_out + 1) % EVERY_FRAMES
        if self._left_out:
            return nothing
        whole = grid.whole_cells(window.valid)
        # slopes are taken from the cells beside
        plain = np.asarray(ndimage.binary_erosion(whole, EVERYWHERE)) & (share == 0)
        around = _three_by_three(plain.astype(np.float32))
        told = plain & (around > MOST * EVERYWHERE.size)
        if told.sum() < FEWEST_CELLS:
            return nothing
        z = _deviation(_in_common(window.z, plain, around, grid), told)
        sure = told & (z > SURE)
        if not sure.any():
            return nothing
        # what is kept out of the markers, by the rim, roi or exclude, makes no region either
        watched = at_hand.patches.share_of_cells(np.flatnonzero(at_hand.watched))
        power = _in_common(baseline.change(), plain, around, grid)
        large = power - np.median(power[told]) > (PERIODIC_SHARE * template.std()) ** 2
        sure &= large & (watched >= SOLID_SHARE)
        return np.where(sure, z**2 / 2, nothing).astype(np.float32)


def _in_common(values: FloatArray, plain: BoolArray, around: FloatArray, grid: Grid) -> FloatArray:
    """(n1, n2) mean square of what a map (P, Q) has in common in 3 x 3 cells.

    Of the cells in `plain`, `around` so many of the nine, and without the mean and the slope of
    each: what settles on a crystal is no phase.
    """
    cells = np.ascontiguousarray(grid.by_cell(values).transpose(1, 3, 0, 2))
    heights, down, across = planes_of(cells.mean(axis=(0, 1)), grid.samples)
    along_p, along_q = (np.arange(m, dtype=np.float32) - (m - 1) / 2 for m in grid.samples)
    cells -= heights + down * along_p[:, None, None, None] + across * along_q[:, None, None]
    cells *= plain
    common = _three_by_three(cells)
    power = np.einsum("mnij,mnij->ij", common, common) / np.prod(grid.samples)
    return np.asarray(power / np.maximum(around, 1) ** 2)


def _three_by_three(cells: FloatArray) -> FloatArray:
    """Sum of maps (..., n1, n2) over each cell and its eight neighbours."""
    rows = cells.copy()
    rows[..., 1:, :] += cells[..., :-1, :]
    rows[..., :-1, :] += cells[..., 1:, :]
    result = rows.copy()
    result[..., 1:] += rows[..., :-1]
    result[..., :-1] += rows[..., 1:]
    return result


def _deviation(power: FloatArray, told: BoolArray) -> FloatArray:
    """(n1, n2) how far a mean square lies from the usual one, in standard deviations.

    Its cube root is close to normal (Wilson and Hilferty 1931).
    """
    root = np.cbrt(power)
    usual = np.median(root[told])
    spread = 1.4826 * np.median(np.abs(root[told] - usual))
    return np.asarray((root - usual) / spread if spread > 0 else np.zeros_like(root))
