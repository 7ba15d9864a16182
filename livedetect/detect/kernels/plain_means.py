"""Binning, and running means of frames at their drift, in numpy: the reference of `means`."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray


def binned(frame: FloatArray, factor: int) -> FloatArray:
    """(H / factor, W / factor) block means, float32; an incomplete edge is cut."""
    height, width = frame.shape[0] // factor, frame.shape[1] // factor
    cut = frame[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return np.asarray(cut.mean(axis=(1, 3), dtype=np.float32))


def mean_and_spread(values: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation of all `values` (H, W)."""
    return float(values.mean(dtype=float)), float(values.std(dtype=float))


def blend(
    picture: FloatArray,
    level: FloatArray,
    fraction: FloatArray,
    first: IntArray,
    canvas: tuple[FloatArray, IntArray],
    memory: int,
) -> None:
    """Take a picture (h, w) into a running mean, in place.

    Parameters
    ----------
    level : what is subtracted from the picture, and the factor that it is then given.
    fraction : (y, x) of a pixel by which it is moved on, linearly; one row and column less
        remain.
    first : (y, x) of the canvas where the moved picture begins.
    canvas : mean (H, W) float32 and frames in it (H, W) uint8.
    memory : of so many frames at most.
    """
    y, x = (np.float32(part) for part in fraction)
    rows = picture[1:] * (1 - y) + picture[:-1] * y
    moved = rows[:, 1:] * (1 - x) + rows[:, :-1] * x
    spans = zip(first.tolist(), moved.shape, canvas[0].shape, strict=True)
    to, part = zip(*(_overlap(*span) for span in spans), strict=True)
    mean, count = canvas[0][to], canvas[1][to]
    count += count < memory
    mean += ((moved[part] - level[0]) * level[1] - mean) / np.maximum(count, 1)


def _overlap(first: int, length: int, room: int) -> tuple[slice, slice]:
    low, high = max(first, 0), min(first + length, room)
    high = max(high, low)
    return slice(low, high), slice(low - first, high - first)
