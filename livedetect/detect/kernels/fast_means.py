"""Binning and running means compiled by numba; documented in `plain_means`."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels import means


def binned(frame: FloatArray, factor: int) -> FloatArray:
    """See `plain_means.binned`."""
    out = np.empty((frame.shape[0] // factor, frame.shape[1] // factor), np.float32)
    means.binned(np.require(frame, np.float32, ["C", "W"]), factor, out)
    return out


def mean_and_spread(values: FloatArray) -> tuple[float, float]:
    """See `plain_means.mean_and_spread`."""
    mean, spread = means.mean_and_spread(np.require(values, np.float32, ["C", "W"]))
    return float(mean), float(spread)


def blend(
    picture: FloatArray,
    level: FloatArray,
    fraction: FloatArray,
    first: IntArray,
    canvas: tuple[FloatArray, IntArray],
    memory: int,
) -> None:
    """See `plain_means.blend`."""
    level, fraction = (np.array(entry, np.float32) for entry in (level, fraction))
    means.blend(picture, level, fraction, np.array(first, np.int64), *canvas, memory)
