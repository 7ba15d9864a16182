"""Compiled: what every row of a frame is like, in one pass over the frame."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray
from livedetect.detect.kernels.compile import compiled

ZERO = np.float32(0)
LANES = 64
"""Pixels compared side by side; no admitted frame is narrower."""


@compiled("void(f4[:,::1],f8[:,::1])")
def row_statistics(frame: FloatArray, out: FloatArray) -> None:
    """See `plain_rows.row_statistics`; each row is read three times from the nearest cache."""
    width = frame.shape[1]
    lows, highs = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    for y in range(len(frame)):
        row = frame[y]
        lows[:] = row[:LANES]
        highs[:] = row[:LANES]
        for x in range(LANES, width - LANES + 1, LANES):
            part = row[x : x + LANES]
            for j in range(LANES):
                lows[j] = part[j] if part[j] < lows[j] else lows[j]
                highs[j] = part[j] if part[j] > highs[j] else highs[j]
        low, high = lows[0], highs[0]
        for j in range(1, LANES):
            low, high = min(low, lows[j]), max(high, highs[j])
        for x in range(width - width % LANES, width):
            low, high = min(low, row[x]), max(high, row[x])
        total = ZERO
        for x in range(width):
            total += row[x]
        mean = total / np.float32(width)
        square = top = ZERO
        for x in range(width):
            off = row[x] - mean
            square += off * off
            top += np.float32(row[x] == high)
        here, beside, product = row[:-1], row[1:], ZERO
        for x in range(width - 1):
            product += (here[x] - mean) * (beside[x] - mean)
        line = out[y]
        line[0], line[1], line[2], line[3] = low, high, mean, square
        line[4], line[5], line[6], line[7] = product, row[0] - mean, row[width - 1] - mean, top
