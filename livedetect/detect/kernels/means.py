"""Compiled: binning, and running means of frames at their drift."""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled

ZERO, ONE = np.float32(0), np.float32(1)


@compiled("void(f4[:,::1],i8,f4[:,::1])")
def binned(frame: FloatArray, factor: int, out: FloatArray) -> None:
    """See `plain_means.binned`."""
    rows, cols = out.shape
    share = ONE / np.float32(factor * factor)
    total = np.empty(cols * factor, np.float32)
    for y in range(rows):
        total[:] = ZERO
        for i in range(factor):
            line = frame[y * factor + i]
            for x in range(len(total)):
                total[x] += line[x]
        target = out[y]
        for x in range(cols):
            value = ZERO
            for j in range(factor):
                value += total[x * factor + j]
            target[x] = value * share


@compiled("void(f4[:,::1],f4[::1],f4[::1],i8[::1],f4[:,::1],u1[:,::1],u1)")
def blend(
    picture: FloatArray,
    level: FloatArray,
    fraction: FloatArray,
    first: IntArray,
    mean: FloatArray,
    counts: IntArray,
    memory: int,
) -> None:
    """See `plain_means.blend`."""
    height, width = picture.shape
    y, x = fraction[0], fraction[1]
    left, right = max(0, -first[1]), min(width - 1, mean.shape[1] - first[1])
    if right <= left:
        return
    value = np.empty(right - left, np.float32)
    for row in range(max(0, -first[0]), min(height - 1, mean.shape[0] - first[0])):
        before, here = picture[row, left:right], picture[row + 1, left:right]
        before_next, here_next = picture[row, left + 1 :], picture[row + 1, left + 1 :]
        for i in range(len(value)):
            old = here[i] * (ONE - y) + before[i] * y
            new = here_next[i] * (ONE - y) + before_next[i] * y
            value[i] = (new * (ONE - x) + old * x - level[0]) * level[1]
        target = mean[first[0] + row, first[1] + left :]
        count = counts[first[0] + row, first[1] + left :]
        for i in range(len(value)):
            count[i] += np.uint8(count[i] < memory)
        for i in range(len(value)):
            target[i] += (value[i] - target[i]) / np.float32(max(count[i], np.uint8(1)))
