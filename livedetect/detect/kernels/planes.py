"""A plane in every unit cell: a background that slopes is not the same on both sides of a cell."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray


def planes_of(cells: FloatArray, samples: tuple[int, int]) -> FloatArray:
    """(3, n1, n2) float32 heights, and slopes per sample, of a plane in every cell.

    `cells` (n1, n2) are the heights in the middle of each; how steep it is tell the two beside,
    at the edge of the map the one. `samples` are (m1, m2) of a cell.
    """
    planes = np.empty((3, *cells.shape), np.float32)
    planes[0] = cells
    _slopes(planes[0], samples[0], planes[1])
    _slopes(planes[0].T, samples[1], planes[2].T)
    return planes


def at_samples(planes: FloatArray, samples: tuple[int, int]) -> FloatArray:
    """(P, Q) heights at all samples of planes (3, n1, n2)."""
    down, across = (np.arange(m, dtype=np.float32) - (m - 1) / 2 for m in samples)
    height, along_p, along_q = planes[:, :, None, :, None]
    whole = height + along_p * down[:, None, None] + along_q * across
    return np.asarray(whole.reshape(-1, planes.shape[2] * samples[1]), np.float32)


def _slopes(heights: FloatArray, samples: int, out: FloatArray) -> None:
    """Slopes per sample along the first axis, into `out`; one row alone has none."""
    if len(heights) < 2:
        out[:] = 0
        return
    np.subtract(heights[2:], heights[:-2], out=out[1:-1])
    out[0] = 2 * (heights[1] - heights[0])
    out[-1] = 2 * (heights[-1] - heights[-2])
    out /= 2 * samples
