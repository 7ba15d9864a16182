"""Arrays: their names in annotations, where they lie in memory, the middle of many values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

FloatArray = NDArray[Any]
"""Real numbers, float32 on the hot path."""
BoolArray = NDArray[np.bool_]
"""A mask."""
IntArray = NDArray[np.int64]
"""Indices."""


def middle(values: FloatArray) -> float:
    """Median of `values`, of an even number of them the upper one of the two in the middle."""
    return float(np.partition(values.ravel(), values.size // 2)[values.size // 2])


def nan_quantile(values: FloatArray, q: float) -> FloatArray:
    """Quantile over the last axis ignoring NaN, 0 where all is NaN."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    index = np.clip(np.round(q * (count - 1)), 0, None).astype(int)
    picked = np.take_along_axis(ordered, index[..., None], axis=-1)[..., 0]
    return np.where(count > 0, picked, 0.0)


CACHE_LINE = 64
"""Bytes; a vector that lies across two lines takes two loads."""


def on_cache_lines(shape: Sequence[int], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Zeros whose first element begins a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + size].view(dtype).reshape(shape)
