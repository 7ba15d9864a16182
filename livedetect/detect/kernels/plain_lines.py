"""Sums along rows of columns, in numpy: the reference of `lines`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.grid import shifted
from livedetect.detect.kernels.maps import Around

LENGTHS = (4, 6, 8, 12, 16)
"""Columns summed; what is longer contains these."""


def weighted(
    values: FloatArray, patches: Around, weights: FloatArray, chosen: BoolArray
) -> FloatArray:
    """(n,) float32 weighted sums (d,) of patches of a map (P, Q), 0 unless `chosen` (n,)."""
    return np.asarray((values.ravel()[patches.samples] @ weights) * chosen, np.float32)


def sums(
    values: FloatArray, steps: list[tuple[int, int]]
) -> Iterator[tuple[int, tuple[int, int], FloatArray]]:
    """Length, step and normalised sums (..., n1, n2) of the rows that begin in each cell."""
    flat = values.transpose(2, 3, 0, 1)
    for step in steps:
        found = {1: flat}
        for length in (2, 4, 8, 16):
            half = found[length // 2]
            found[length] = half + _ahead(half, step, length // 2)
        found[6] = found[4] + _ahead(found[2], step, 4)
        found[12] = found[8] + _ahead(found[4], step, 8)
        for length in LENGTHS:
            yield length, step, found[length].transpose(2, 3, 0, 1) / np.sqrt(length)


def strongest_row(
    values: FloatArray, steps: list[tuple[int, int]]
) -> tuple[float, int, tuple[int, int], tuple[int, ...]]:
    """Energy, length, step and place (w, c, i, j) of the row that stands out most.

    Parameters
    ----------
    values : (w, c, n1, n2) float32 deviates in windows, columns and cells.
    steps : from a cell to the next one of a row.
    """
    best: tuple[float, int, tuple[int, int], tuple[int, ...]]
    best = (0.0, LENGTHS[0], steps[0], (0, 0, 0, 0))
    for length, step, entry in sums(values, steps):
        energy = entry**2 / 2
        place = np.unravel_index(int(energy.argmax()), energy.shape)
        if energy[place] > best[0]:
            best = (float(energy[place]), length, step, tuple(map(int, place)))
    return best


def _ahead(values: FloatArray, step: tuple[int, int], count: int) -> FloatArray:
    """Values (n1, n2, ...) of the cells `count` steps ahead, 0 beyond the grid."""
    return shifted(values, (-count * step[0], -count * step[1]))
