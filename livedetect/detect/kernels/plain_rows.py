"""What every row of a frame is like, in numpy: the reference of `rows`."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray


def row_statistics(frame: FloatArray) -> FloatArray:
    """(H, 8) float64 of a frame (H, W) float32, each row's own.

    Lowest, highest, mean; about the mean: sum of squares, sum of products of neighbours,
    first pixel, last pixel; how many pixels have the highest value.
    """
    low, high = frame.min(axis=1), frame.max(axis=1)
    mean = frame.mean(axis=1, dtype=float)
    off = frame - mean[:, None]
    square = np.einsum("yx,yx->y", off, off)
    product = np.einsum("yx,yx->y", off[:, 1:], off[:, :-1])
    top = (frame == high[:, None]).sum(axis=1)
    return np.stack([low, high, mean, square, product, off[:, 0], off[:, -1], top], axis=1)
