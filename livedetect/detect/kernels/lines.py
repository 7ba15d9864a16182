"""Compiled: sums along rows of columns; documented in `plain_lines`."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled

ZERO = np.float32(0)


@compiled("void(f4[::1],i4[:,::1],f4[::1],b1[::1],f4[::1])")
def weighted(
    values: FloatArray, patches: IntArray, weights: FloatArray, chosen: BoolArray, out: FloatArray
) -> None:
    """See `plain_lines.weighted`."""
    for i in range(len(patches)):
        total = ZERO
        if chosen[i]:
            for j in range(patches.shape[1]):
                total += values[np.uint32(patches[i, j])] * weights[j]
        out[i] = total


@compiled("void(f4[:,::1],f4[:,::1],i8,i8,f4[:,::1])")
def _add_ahead(start: FloatArray, more: FloatArray, down: int, right: int, out: FloatArray) -> None:
    """`start` plus what `more` holds so far ahead, nothing beyond its edges."""
    rows, cols = start.shape
    left, stop = max(0, -right), min(cols, cols - right)
    for i in range(rows):
        out[i] = start[i]
        if 0 <= i + down < rows and stop > left:
            target, ahead = out[i, left:stop], more[i + down, left + right :]
            for j in range(len(target)):
                target[j] += ahead[j]


@compiled("void(f4[:,::1],i8,i8,i8,i8[::1],f8[::1])")
def _keep_best(
    found: FloatArray, length: int, step: int, row: int, best: IntArray, energy: FloatArray
) -> None:
    """Note the largest magnitude, if it beats what has been found."""
    limit = np.float32(np.sqrt(2 * length * energy[0]))
    for i in range(len(found)):
        line, beats = found[i], np.int32(0)
        for j in range(len(line)):
            beats += np.int32(abs(line[j]) > limit)
        if beats == 0:
            continue
        for j in range(len(line)):
            if abs(line[j]) > limit:
                limit = abs(line[j])
                energy[0] = np.float64(limit) * np.float64(limit) / (2 * length)
                best[0], best[1], best[2], best[3], best[4] = length, step, row, i, j


@compiled("void(f4[:,:,::1],i8[:,::1],i8[::1],f8[::1])")
def strongest_row(values: FloatArray, steps: IntArray, best: IntArray, energy: FloatArray) -> None:
    """See `plain_lines.strongest_row`; `values` (w c, n1, n2), `best`: length, step, map, i, j."""
    shape = values.shape[1:]
    two, four, six = (
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
    )
    eight, twelve = np.empty(shape, np.float32), np.empty(shape, np.float32)
    energy[0] = 0.0
    for m in range(len(values)):
        for k in range(len(steps)):
            down, right = steps[k, 0], steps[k, 1]
            _add_ahead(values[m], values[m], down, right, two)
            _add_ahead(two, two, 2 * down, 2 * right, four)
            _add_ahead(four, two, 4 * down, 4 * right, six)
            _add_ahead(four, four, 4 * down, 4 * right, eight)
            _add_ahead(eight, four, 8 * down, 8 * right, twelve)
            _keep_best(four, 4, k, m, best, energy)
            _keep_best(six, 6, k, m, best, energy)
            _keep_best(eight, 8, k, m, best, energy)
            _keep_best(twelve, 12, k, m, best, energy)
            _add_ahead(eight, eight, 8 * down, 8 * right, two)
            _keep_best(two, 16, k, m, best, energy)
