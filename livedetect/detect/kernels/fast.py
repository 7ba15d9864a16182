"""The arithmetic of the hot path compiled by numba; documented in `plain`."""

from __future__ import annotations

import functools

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels import plain, sampling

SPLINE_REACH = 5
"""Taps by which the inverse of the cubic spline lengthens a filter; what is cut off is 0.27 to
the power of 5 of the filter's last tap, 1e-5 of the signal."""


def row_terms(
    frame: FloatArray, phases: IntArray, moved: IntArray, table: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """See `plain.row_terms`."""
    rows, total = np.empty((len(frame), 4)), np.empty(5)
    sampling.row_terms(frame, phases, moved[0], moved[1], table.reshape(2, -1), rows, total)
    return rows, total


def spline_of_smoothed(
    frame: FloatArray, displacement: FloatArray, sigma: float, scratch: FloatArray
) -> FloatArray:
    """See `plain.spline_of_smoothed`: Gaussian and spline are one filter of finite length."""
    taps = _taps(sigma)
    if len(taps) >= min(frame.shape):
        return plain.spline_of_smoothed(frame, displacement, sigma, scratch)
    sampling.filter_rows(frame, displacement, taps, scratch[0])
    sampling.filter_columns(scratch[0], taps, scratch[1])
    return np.asarray(scratch[1])


def sample(
    spline: FloatArray, positions: FloatArray, shift: FloatArray, edge_px: float
) -> tuple[FloatArray, BoolArray]:
    """See `plain.sample`."""
    values = np.empty(positions.shape[1:], np.float32)
    covered = np.empty(positions.shape[1:], bool)
    sampling.sample(spline, positions, shift[0], shift[1], edge_px, values, covered)
    return values, covered


def interpolate(field: FloatArray, rows: FloatArray, cols: FloatArray) -> FloatArray:
    """See `plain.interpolate`."""
    row, col = (np.ascontiguousarray(a, np.float32).ravel() for a in (rows, cols))
    out = np.empty((2, row.size), np.float32)
    sampling.interpolate(field, row, col, out)
    return out.reshape(2, *np.shape(rows))


@functools.lru_cache(maxsize=8)
def _taps(sigma: float) -> FloatArray:
    """(4 n + 1,) centre and one side of Gaussian and spline filter in one."""
    reach = int(plain.TRUNCATE * sigma + 0.5) + SPLINE_REACH
    reach = -(-reach // sampling.UNROLLED) * sampling.UNROLLED
    impulse = np.zeros(2 * (reach + 16) + 1)
    impulse[reach + 16] = 1
    smooth = ndimage.gaussian_filter1d(impulse, sigma, truncate=plain.TRUNCATE, mode="mirror")
    taps = ndimage.spline_filter1d(smooth, order=3, mode="mirror")[reach + 16 :][: reach + 1]
    return np.ascontiguousarray(taps, np.float32)
