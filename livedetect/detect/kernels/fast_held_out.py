"""Frames judged by other frames, compiled by numba; documented in `plain_held_out`."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels import leaving_out
from livedetect.detect.kernels.maps import WarmUp


def held_out(
    warm_up: WarmUp, inside: BoolArray, others: BoolArray, least: int, inflation: float
) -> tuple[FloatArray, BoolArray]:
    """See `plain_held_out.held_out`."""
    z, valid = np.empty(warm_up.variance.shape, np.float32), np.empty(warm_up.variance.shape, bool)
    maps = (warm_up.variance, warm_up.systematic)
    variance, systematic = (np.ascontiguousarray(entry, np.float32) for entry in maps)
    taken = (warm_up.values, warm_up.covered, variance, systematic, inside, others)
    leaving_out.held_out(*taken, least, inflation, z, valid)
    return z, valid
