"""Sums along rows of columns compiled by numba; documented in `plain_lines`."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels import lines
from livedetect.detect.kernels.maps import Around


def weighted(
    values: FloatArray, patches: Around, weights: FloatArray, chosen: BoolArray
) -> FloatArray:
    """See `plain_lines.weighted`."""
    out = np.empty(len(chosen), np.float32)
    flat = np.ascontiguousarray(values, np.float32).ravel()
    lines.weighted(flat, *patches, np.ascontiguousarray(weights, np.float32), chosen, out)
    return out


def strongest_row(
    values: FloatArray, steps: list[tuple[int, int]]
) -> tuple[float, int, tuple[int, int], tuple[int, ...]]:
    """See `plain_lines.strongest_row`."""
    maps = np.ascontiguousarray(values, np.float32).reshape(-1, *values.shape[2:])
    best, energy = np.zeros(5, np.int64), np.zeros(1)
    lines.strongest_row(maps, np.array(steps, np.int64), best, energy)
    length, step, row, i, j = best.tolist()
    place = (row // values.shape[1], row % values.shape[1], i, j)
    return float(energy[0]), max(length, 4), steps[step], place
