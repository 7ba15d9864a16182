"""Compiled: binning, and running means of frames at their drift."""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled, unsigned

ZERO, ONE, QUARTER = np.float32(0), np.float32(1), np.float32(0.25)
NEXT, TWO = unsigned(1), unsigned(2)


@compiled("void(f4[:,::1],f4[:,::1])")
def _halved(frame: FloatArray, out: FloatArray) -> None:
    """Means of two by two pixels; a stride known beforehand makes vectors."""
    rows, cols, width = out.shape[0], unsigned(out.shape[1]), unsigned(frame.shape[1])
    flat, target = frame.ravel(), out.ravel()
    total = np.empty(2 * out.shape[1], np.float32)
    for y in range(rows):
        upper = unsigned(2 * y) * width
        lower, start = upper + width, unsigned(y) * cols
        for x in range(cols + cols):
            total[x] = flat[upper + x] + flat[lower + x]
        for x in range(cols):
            target[start + x] = QUARTER * (total[TWO * x] + total[TWO * x + NEXT])


@compiled("void(f4[:,::1],i8,f4[:,::1])")
def binned(frame: FloatArray, factor: int, out: FloatArray) -> None:
    """See `plain_means.binned`."""
    if factor == 2:
        _halved(frame, out)
        return
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


@compiled("UniTuple(f8,2)(f4[:,::1])")
def mean_and_spread(values: FloatArray) -> tuple[float, float]:
    """See `plain_means.mean_and_spread`; row by row about the first mean."""
    flat, width = values.ravel(), unsigned(values.shape[1])
    total = square = offset = 0.0
    for y in range(len(values)):
        start, part = unsigned(y) * width, np.float32(0)
        for k in range(start, start + width):
            part += flat[k]
        total += float(part)
    mean = total / len(flat)
    middle = np.float32(mean)
    for y in range(len(values)):
        start = unsigned(y) * width
        part = first = np.float32(0)
        for k in range(start, start + width):
            off = flat[k] - middle
            part += off * off
            first += off
        square += float(part)
        offset += float(first)
    rest = offset / len(flat)
    return mean, np.sqrt(max(square / len(flat) - rest * rest, 0.0))


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
    pixels, means, frames = picture.ravel(), mean.ravel(), counts.ravel()
    length, below = unsigned(right - left), unsigned(width)
    value, weight = np.empty(right - left, np.float32), np.empty(right - left, np.float32)
    for row in range(max(0, -first[0]), min(height - 1, mean.shape[0] - first[0])):
        source = unsigned(row * width + left)
        target = unsigned((first[0] + row) * mean.shape[1] + first[1] + left)
        for i in range(length):
            k = source + i
            old = pixels[k + below] * (ONE - y) + pixels[k] * y
            new = pixels[k + below + NEXT] * (ONE - y) + pixels[k + NEXT] * y
            value[i] = (new * (ONE - x) + old * x - level[0]) * level[1]
        for i in range(length):
            count = frames[target + i]
            count += np.uint8(1) if count < memory else np.uint8(0)
            frames[target + i] = count
        for i in range(length):
            weight[i] = ONE / np.float32(np.int32(max(frames[target + i], np.uint8(1))))
        for i in range(length):
            means[target + i] += (value[i] - means[target + i]) * weight[i]
