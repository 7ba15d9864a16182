"""Second phases that no single site shows well: what 3 x 3 cells have in common is looked at.

A phase whose contrast is less by a third, or a faint superstructure, changes every column a
little. The mean over cells side by side knows it, and no point defect.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.baseline import Baseline
from livedetect.detect.grid import Grid
from livedetect.detect.kernels.planes import planes_of
from livedetect.detect.regions import EVERYWHERE, PERIODIC_SHARE, SOLID_SHARE
from livedetect.detect.residual import FrontEnd
from livedetect.detect.time_window import Window

EVERY_FRAMES = 3
"""So often: a change this faint takes longer than that to be sure of."""
SURE = 4.0
"""Robust standard deviations from the usual cell; a region takes a dozen such cells, not one."""
FEWEST_CELLS = 30
"""From which what is usual can be told."""
RIM_CELLS = 1
"""Beside what is not known: slopes are taken from the cells around."""
MOST = 0.6
"""Share of the 3 x 3 cells that must be known."""
PLAIN_SHARE = 0.25
"""Of the cells flagged by their own sites; where there are more, sites tell it better."""


class FaintPhases:
    """Looks at every few frames for cells that have changed together."""

    def __init__(self) -> None:
        self._waiting = 0
        """Frames until the next look."""

    def look(
        self,
        window: Window,
        baseline: Baseline,
        front: FrontEnd,
        share: FloatArray,
    ) -> FloatArray:
        """(n1, n2) scores of cells that have changed together, most frames and elsewhere 0.

        Parameters
        ----------
        window : the longest one.
        baseline : that the latest frame differs from.
        front : whose grid and mean unit cell they refer to.
        share : (n1, n2) part of the sites of each cell that are flagged.
        """
        grid = front.grid
        nothing = np.zeros(grid.cells, np.float32)
        self._waiting = (self._waiting or EVERY_FRAMES) - 1
        if self._waiting:
            return nothing
        whole = np.asarray(grid.by_cell(window.valid).all(axis=(1, 3)))
        inner = np.asarray(ndimage.binary_erosion(whole, EVERYWHERE, iterations=RIM_CELLS))
        told = _three_by_three(inner.astype(np.float32)) > MOST * EVERYWHERE.size
        if told.sum() < FEWEST_CELLS:
            return nothing
        z = _deviation(_in_common(window.z, inner, grid), told)
        sure = told & (z > SURE)
        if not sure.any():
            return nothing
        power = _in_common(baseline.change(), inner, grid)
        sure &= power - np.median(power[told]) > (PERIODIC_SHARE * front.template.std()) ** 2
        return np.where(_told_by_no_site(sure, share), z**2 / 2, nothing).astype(np.float32)


def _in_common(values: FloatArray, inner: BoolArray, grid: Grid) -> FloatArray:
    """(n1, n2) mean square of what a map (P, Q) has in common in 3 x 3 cells.

    Of the cells in `inner`, and without the mean and the slope of each: what settles on a
    crystal is no phase.
    """
    cells = np.ascontiguousarray(grid.by_cell(values).transpose(1, 3, 0, 2))
    heights, down, across = planes_of(cells.mean(axis=(0, 1)), grid.samples)
    along_p, along_q = (np.arange(m, dtype=np.float32) - (m - 1) / 2 for m in grid.samples)
    cells -= heights + down * along_p[:, None, None, None] + across * along_q[:, None, None]
    cells *= inner
    common = _three_by_three(cells)
    power = np.einsum("mnij,mnij->ij", common, common) / np.prod(grid.samples)
    return np.asarray(power / np.maximum(_three_by_three(inner.astype(np.float32)), 1) ** 2)


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
    return np.asarray((root - usual) / max(float(spread), 1e-12))


def _told_by_no_site(sure: BoolArray, share: FloatArray) -> BoolArray:
    """(n1, n2) those sets of connected cells in which few are flagged for the most part."""
    labels, _ = ndimage.label(sure, EVERYWHERE)
    cells = np.bincount(labels.ravel())
    plain = np.bincount(labels.ravel(), weights=(share >= SOLID_SHARE).ravel())
    faint = plain < PLAIN_SHARE * cells
    faint[0] = False
    return np.asarray(faint[labels])
