"""The arithmetic of the hot path in numpy and scipy: the reference."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray

TRUNCATE = 3.0
"""Standard deviations at which the matched filter ends."""


def row_terms(
    frame: FloatArray, phases: IntArray, moved: IntArray, table: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sums from which the displacement of every row follows.

    Parameters
    ----------
    frame : (H, W) float32 f.
    phases : (2, H, W) uint16 position of every pixel within the unit cell, in 65536ths;
        they wrap around like the cell does.
    moved : (2,) uint16 to be subtracted from the phases.
    table : (2, n, n) float32, value v and slope s over the cell.

    Returns
    -------
    (H, 4) float64 sums over each row of s s, f s, v s, s; (5,) sums over the frame of
    f, f f, v, v v, f v.
    """
    n = np.uint32(table.shape[1])
    index = ((phases - moved[:, None, None]).astype(np.uint32) * n) >> np.uint32(16)
    flat = index[0] * n + index[1]
    value, slope = table[0].ravel()[flat], table[1].ravel()[flat]
    rows = [np.einsum("yx,yx->y", a, slope, dtype=float) for a in (slope, frame, value)]
    pairs = ((frame, frame), (value, value), (frame, value))
    squares = [np.einsum("yx,yx->", a, b, dtype=float) for a, b in pairs]
    sums = [float(a.sum(dtype=float)) for a in (frame, value)]
    total = np.array([sums[0], squares[0], sums[1], squares[1], squares[2]])
    return np.stack([*rows, slope.sum(axis=1, dtype=float)], axis=1), total


def spline_of_smoothed(
    frame: FloatArray, displacement: FloatArray, sigma: float, scratch: FloatArray
) -> FloatArray:
    """Cubic spline coefficients of a frame behind its matched filter, (H, W).

    Parameters
    ----------
    frame : (H, W) float32.
    displacement : (H,) float32 px along x, undone first; empty for none.
    sigma : of the Gaussian filter, px.
    scratch : (2, H, W) float32 that may be overwritten.
    """
    del scratch
    straight = shift_rows(frame, displacement) if len(displacement) else frame
    smooth = ndimage.gaussian_filter(straight, sigma, mode="mirror", truncate=TRUNCATE)
    return np.asarray(ndimage.spline_filter(smooth, order=3, mode="mirror", output=np.float32))


def sample(
    spline: FloatArray, positions: FloatArray, shift: FloatArray, edge_px: float
) -> tuple[FloatArray, BoolArray]:
    """Values (P, Q) of a cubic spline and where they are valid.

    Parameters
    ----------
    spline : (H, W) float32 coefficients.
    positions : (2, P, Q) float32 as (x, y), px.
    shift : (x, y) to be added, px.
    edge_px : closer to the edge nothing is valid.
    """
    height, width = spline.shape
    x, y = positions[0] + np.float32(shift[0]), positions[1] + np.float32(shift[1])
    covered = (x >= edge_px) & (y >= edge_px)
    covered &= (x <= width - 1 - edge_px) & (y <= height - 1 - edge_px)
    values = np.zeros(x.shape, np.float32)
    values[covered] = ndimage.map_coordinates(
        spline, [y[covered], x[covered]], order=3, mode="mirror", prefilter=False
    )
    return values, covered


def interpolate(field: FloatArray, rows: FloatArray, cols: FloatArray) -> FloatArray:
    """Bilinear interpolation of a field (2, h, w), constant beyond its edges, (2, ...)."""
    return np.stack(
        [ndimage.map_coordinates(part, [rows, cols], order=1, mode="nearest") for part in field]
    )


def shift_rows(frame: FloatArray, displacement: FloatArray) -> FloatArray:
    """Undo a displacement of each row along x by cubic convolution (Keys 1981).

    Parameters
    ----------
    frame : (H, W) float32.
    displacement : (H,) px; row i of the result at x is row i of `frame` at x + displacement.
    """
    whole = np.floor(displacement).astype(int)
    t = (displacement - whole).astype(np.float32)[:, None]
    first = -0.5 * t * (1 - t) ** 2
    last = -0.5 * t**2 * (1 - t)
    second = 1 + t**2 * (1.5 * t - 2.5)
    weights = (first, second, 1 - first - second - last, last)
    result = np.zeros_like(frame)
    columns = np.arange(frame.shape[1])
    for tap, weight in enumerate(weights):
        index = np.clip(columns + whole[:, None] + tap - 1, 0, frame.shape[1] - 1)
        result += weight * np.take_along_axis(frame, index, axis=1)
    return result
