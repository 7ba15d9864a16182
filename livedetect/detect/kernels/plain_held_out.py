"""Frames judged by other frames, in numpy: the reference of `held_out`."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels.maps import WarmUp


def held_out(
    warm_up: WarmUp, inside: BoolArray, others: BoolArray, least: int, inflation: float
) -> tuple[FloatArray, BoolArray]:
    """Z (P, Q) of the mean of some frames against that of others, and where it is valid.

    Parameters
    ----------
    inside, others : (K,) frames of the block, and frames it is compared with.
    least : others that must have covered a sample.
    inflation : factor on the noise.
    """
    values, covered = warm_up.values, warm_up.covered
    length, within = int(inside.sum()), covered[inside].sum(axis=0)
    outside = covered[others].sum(axis=0)
    mean_in = (values[inside] * covered[inside]).sum(axis=0) / length
    mean_out = (values[others] * covered[others]).sum(axis=0) / np.maximum(outside, 1)
    valid = (within == length) & (outside >= least)
    variance = warm_up.variance * (1 / length + 1 / np.maximum(outside, 1)) + warm_up.systematic
    z = np.where(valid, (mean_in - mean_out) / np.sqrt(variance), 0)
    return (z / inflation).astype(np.float32), valid
