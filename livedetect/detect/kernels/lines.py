"""Compiled: sums along rows of columns; documented in `plain_lines`."""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled, unsigned

ZERO, ONE = np.float32(0), np.float32(1)
LONGEST = 16
"""Columns summed at most."""


@compiled("void(f4[::1],i4[::1],i4[::1],f4[::1],b1[::1],f4[::1])")
def weighted(
    values: FloatArray,
    centres: IntArray,
    offsets: IntArray,
    weights: FloatArray,
    chosen: BoolArray,
    out: FloatArray,
) -> None:
    """See `plain_lines.weighted`."""
    for i in range(len(centres)):
        total, centre = ZERO, centres[i]
        if chosen[i]:
            for j in range(len(offsets)):
                total += values[np.uint32(centre + offsets[j])] * weights[j]
        out[i] = total


@compiled("void(f4[::1],u8,u8,u8,u8)")
def _add(flat: FloatArray, here: int, there: int, out: int, count: int) -> None:
    """Sums of two stretches of an array, to a third one."""
    for k in range(count):
        flat[out + k] = flat[here + k] + flat[there + k]


@compiled("void(f4[::1],u8,i8,i8,i8,i8,i8,i8[::1],f8[::1])")
def _keep_best(
    flat: FloatArray,
    sums: int,
    rows: int,
    cols: int,
    length: int,
    step: int,
    row: int,
    best: IntArray,
    energy: FloatArray,
) -> None:
    """Note the largest magnitude, if it beats what has been found."""
    limit = np.float32(np.sqrt(2 * length * energy[0]))
    width = unsigned(cols + LONGEST)
    beats = ZERO
    for k in range(sums, sums + unsigned(rows) * width):
        beats += ONE if abs(flat[k]) > limit else ZERO
    if beats == ZERO:
        return
    for i in range(rows):
        for j in range(cols):
            found = abs(flat[sums + unsigned(i) * width + unsigned(j)])
            if found > limit:
                limit = found
                energy[0] = np.float64(limit) * np.float64(limit) / (2 * length)
                best[0], best[1], best[2], best[3], best[4] = length, step, row, i, j


@compiled("void(f4[:,:,::1],i8[:,::1],i8[::1],f8[::1])")
def strongest_row(values: FloatArray, steps: IntArray, best: IntArray, energy: FloatArray) -> None:
    """See `plain_lines.strongest_row`; `values` (w c, n1, n2), `best`: length, step, map, i, j.

    Zeros behind every line and below the last one stand for what lies beyond the edges, so
    that a step from cell to cell is the same stride everywhere. Steps lead to later cells.
    """
    count, rows, cols = values.shape
    width = unsigned(cols + LONGEST)
    used = unsigned(rows) * width
    room = used + unsigned(LONGEST) * (width + unsigned(1))
    flat = np.zeros(6 * room, np.float32)
    one, two, four = unsigned(0), room, room + room
    six, eight, twelve = four + room, four + two + room, four + four + room
    energy[0] = 0.0
    for m in range(count):
        for i in range(rows):
            for j in range(cols):
                flat[unsigned(i) * width + unsigned(j)] = values[m, i, j]
        for k in range(len(steps)):
            ahead = unsigned(steps[k, 0] * (cols + LONGEST) + steps[k, 1])
            farther = ahead + ahead + ahead + ahead
            _add(flat, one, one + ahead, two, used)
            _add(flat, two, two + ahead + ahead, four, used)
            _add(flat, four, two + farther, six, used)
            _add(flat, four, four + farther, eight, used)
            _add(flat, eight, four + farther + farther, twelve, used)
            _keep_best(flat, four, rows, cols, 4, k, m, best, energy)
            _keep_best(flat, six, rows, cols, 6, k, m, best, energy)
            _keep_best(flat, eight, rows, cols, 8, k, m, best, energy)
            _keep_best(flat, twelve, rows, cols, 12, k, m, best, energy)
            _add(flat, eight, eight + farther + farther, two, used)
            _keep_best(flat, two, rows, cols, 16, k, m, best, energy)
