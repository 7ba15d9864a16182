"""Noise of the residual by place: robust estimates over frames and over cells."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.grid import Grid

CHI2_MEDIAN = 0.4549
"""Median of the square of a standard normal variable."""


def moved_with_edge(values: FloatArray, cells: tuple[int, int]) -> FloatArray:
    """Map of cells (n1, n2) moved by whole cells; what enters is like the edge it enters beside."""
    places = [
        np.clip(np.arange(length) - step, 0, length - 1)
        for length, step in zip(values.shape, cells, strict=True)
    ]
    return values[np.ix_(*places)]


def variance_of_steps(values: FloatArray, covered: BoolArray) -> FloatArray:
    """(P, Q) noise variance from frame-to-frame differences; a birth spoils only one of them."""
    steps = np.diff(values, axis=0) ** 2
    usable = covered[1:] & covered[:-1]
    return _median_of_few(np.where(usable, steps, 0)) / (2 * CHI2_MEDIAN)


def _median_of_few(values: FloatArray) -> FloatArray:
    """(...) median over the first axis of values (n, ...), which are overwritten.

    Neighbours change places until all are in order: whole maps at a time, which for a few of
    them is ten times faster than place by place.
    """
    count = len(values)
    for turn in range(count):
        for lower, upper in zip(values[turn % 2 : -1 : 2], values[1 + turn % 2 :: 2], strict=True):
            smaller = np.minimum(lower, upper)
            np.maximum(lower, upper, out=upper)
            lower[...] = smaller
    return np.asarray((values[(count - 1) // 2] + values[count // 2]) / 2)


def trimmed_over_cells(
    grid: Grid, variance: FloatArray, full: BoolArray, keep: float = 0.9
) -> FloatArray:
    """(m1, m2) mean of the lowest nine tenths over cells, corrected for the trimming."""
    by_cell = np.where(full, variance, np.nan)
    stacked = grid.by_cell(by_cell).transpose(1, 3, 0, 2).reshape(*grid.samples, -1)
    ordered = np.sort(stacked, axis=-1)  # NaN sorts last
    count = np.isfinite(ordered).sum(axis=-1)
    rank = np.arange(ordered.shape[-1])
    used = rank < np.maximum(keep * count, 1)[..., None]
    mean = np.where(used & np.isfinite(ordered), ordered, 0).sum(axis=-1) / used.sum(axis=-1)
    mean = np.where(count > 0, mean, mean[count > 0].mean() if (count > 0).any() else 1.0)
    return np.maximum(mean * 1.03, np.finfo(np.float32).tiny).astype(np.float32)


def gradient2(level: FloatArray, known: BoolArray) -> FloatArray:
    """Squared gradient per sample², 0 beside unknown places."""
    result = np.zeros_like(level)
    along_p = (level[2:] - level[:-2]) / 2 * (known[2:] & known[:-2])
    along_q = (level[:, 2:] - level[:, :-2]) / 2 * (known[:, 2:] & known[:, :-2])
    result[1:-1] += along_p**2
    result[:, 1:-1] += along_q**2
    return result
