"""Compiled: frames judged by other frames; documented in `plain_held_out`."""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels.compile import compiled

ZERO, ONE = np.float32(0), np.float32(1)


@compiled(
    "void(f4[:,:,::1],b1[:,:,::1],f4[:,::1],f4[:,::1],b1[::1],b1[::1],i8,f4,f4[:,::1],b1[:,::1])"
)
def held_out(
    values: FloatArray,
    covered: BoolArray,
    variance: FloatArray,
    systematic: FloatArray,
    inside: BoolArray,
    others: BoolArray,
    least: int,
    inflation: float,
    out_z: FloatArray,
    out_valid: BoolArray,
) -> None:
    """See `plain_held_out.held_out`."""
    cols = values.shape[2]
    total, within, mean, outside = np.zeros((4, cols), np.float32)
    length = ZERO
    for k in range(len(inside)):
        length += np.float32(inside[k])
    enough = np.float32(least)
    for p in range(values.shape[1]):
        total[:] = within[:] = mean[:] = outside[:] = ZERO
        for k in range(len(values)):
            line, seen = values[k, p], covered[k, p]
            if inside[k]:
                for q in range(cols):
                    total[q] += line[q] if seen[q] else ZERO
                    within[q] += np.float32(seen[q])
            elif others[k]:
                for q in range(cols):
                    mean[q] += line[q] if seen[q] else ZERO
                    outside[q] += np.float32(seen[q])
        z, valid, noise, more = out_z[p], out_valid[p], variance[p], systematic[p]
        for q in range(cols):
            valid[q] = (within[q] == length) & (outside[q] >= enough)
        for q in range(cols):
            count = max(outside[q], ONE)
            total[q] = total[q] / length - mean[q] / count
            mean[q] = noise[q] * (ONE / length + ONE / count)
        for q in range(cols):
            error = np.sqrt(mean[q] + more[q]) * inflation
            z[q] = total[q] / error if valid[q] else ZERO
