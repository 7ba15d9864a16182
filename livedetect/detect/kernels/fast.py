"""The arithmetic of the hot path compiled by numba; documented in `plain`."""

from __future__ import annotations

import functools
from typing import cast

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels import levels, plain, rows, sampling
from livedetect.detect.kernels import windows as compiled_windows
from livedetect.detect.kernels.fast_experts import filtered, matched, most_novel, novelty
from livedetect.detect.kernels.fast_held_out import held_out
from livedetect.detect.kernels.fast_lines import strongest_row, weighted
from livedetect.detect.kernels.fast_means import binned, blend, mean_and_spread
from livedetect.detect.kernels.fast_sites import (
    all_true,
    any_bits,
    inside,
    keep_apart,
    keep_inside,
    mark_blocks,
    mark_samples,
    nearest_site,
    place,
)
from livedetect.detect.kernels.maps import (
    WINDOWS,
    Expected,
    FilterScratch,
    Ground,
    Recent,
    Standardised,
)
from livedetect.detect.kernels.planes import planes_of

__all__ = [
    "all_true",
    "any_bits",
    "binned",
    "blend",
    "by_place",
    "filtered",
    "fitted_samples",
    "follow",
    "held_out",
    "inside",
    "interpolate",
    "keep_apart",
    "keep_inside",
    "mark_blocks",
    "mark_samples",
    "matched",
    "mean_and_spread",
    "most_novel",
    "nearest_site",
    "novelty",
    "phases",
    "place",
    "robust_line",
    "row_statistics",
    "row_terms",
    "sample",
    "smooth_cells",
    "spline_of_smoothed",
    "strongest_row",
    "subtract_cells",
    "subtract_crystal",
    "systematic",
    "weighted",
    "windows",
]

SPLINE_REACH = 5
"""Taps by which the inverse of the cubic spline lengthens a filter; what is cut off is 0.27 to
the power of 5 of the filter's last tap, 1e-5 of the signal."""


def row_statistics(frame: FloatArray) -> FloatArray:
    """See `plain_rows.row_statistics`."""
    out = np.empty((len(frame), 8))
    rows.row_statistics(frame, out)
    return out


def row_terms(
    frame: FloatArray, phases: IntArray, moved: IntArray, table: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """See `plain.row_terms`."""
    sums, total = np.empty((len(frame), 4)), np.empty(5)
    sampling.row_terms(frame, phases, moved, table.reshape(2, -1), sums, total)
    return sums, total


def spline_of_smoothed(
    frame: FloatArray, displacement: FloatArray, sigma: float, scratch: FilterScratch
) -> FloatArray:
    """See `plain.spline_of_smoothed`: Gaussian and spline are one filter of finite length."""
    taps = _taps(sigma)
    if len(taps) >= min(frame.shape):
        return plain.spline_of_smoothed(frame, displacement, sigma, scratch)
    sampling.filter_rows(frame, displacement, taps, scratch.rows)
    sampling.filter_columns(scratch.rows, taps, scratch.spline)
    return scratch.spline


def sample(
    spline: FloatArray, positions: FloatArray, shift: FloatArray, edge_px: float
) -> tuple[FloatArray, BoolArray]:
    """See `plain.sample`."""
    values = np.empty(positions.shape[1:], np.float32)
    covered = np.empty(positions.shape[1:], bool)
    flat = values.reshape(-1), _bytes(covered)
    sampling.sample(spline, positions, shift[0], shift[1], edge_px, *flat)
    return values, covered


def interpolate(field: FloatArray, rows: FloatArray, cols: FloatArray) -> FloatArray:
    """See `plain.interpolate`."""
    row, col = (np.ascontiguousarray(a, np.float32).ravel() for a in (rows, cols))
    out = np.empty((2, row.size), np.float32)
    sampling.interpolate(field, row, col, out)
    return out.reshape(2, *np.shape(rows))


def windows(
    values: FloatArray,
    covered: BoolArray,
    recent: Recent,
    ground: Ground,
    frozen: BoolArray,
    out: Standardised,
) -> None:
    """See `plain.windows`."""
    compiled_windows.windows(
        values.reshape(-1),
        _bytes(covered),
        recent.past.reshape(-1),
        recent.history.reshape(-1),
        recent.newest,
        ground.base.reshape(-1),
        ground.known_frames,
        ground.scale,
        ground.phase,
        ground.inflation,
        np.array(WINDOWS),
        _bytes(frozen),
        out.z.reshape(-1),
        out.unbroken.reshape(-1),
        out.notable.reshape(-1),
        out.cells,
        out.counts,
    )


def by_place(latest: Standardised, frozen: BoolArray, phase: FloatArray) -> FloatArray:
    """See `plain.by_place`."""
    out = np.empty((2, *phase.shape), np.float32)
    z, unbroken = latest.z[0].reshape(-1), latest.unbroken.reshape(-1)
    levels.by_place(z, unbroken, _bytes(frozen), frozen.shape[1], out)
    return out


def follow(
    recent: Recent, ground: Ground, settled: BoolArray, frozen: BoolArray, law: tuple[float, float]
) -> None:
    """See `plain.follow`."""
    compiled_windows.follow(
        recent.past.reshape(-1),
        recent.history.reshape(-1),
        recent.newest,
        ground.base.reshape(-1),
        ground.known_frames,
        ground.scale,
        ground.phase,
        np.ascontiguousarray(settled).view(np.uint8),
        _bytes(frozen),
        *law,
        recent.is_full,
    )


def _bytes(mask: BoolArray) -> IntArray:
    """A mask as flat uint8; a view if it is contiguous."""
    return cast("IntArray", np.ascontiguousarray(mask).view(np.uint8).reshape(-1))


def systematic(ground: Ground, coefficients: FloatArray, rows: slice) -> None:
    """See `plain.systematic`."""
    first, stop, _ = rows.indices(ground.base.shape[1])
    compiled_windows.systematic(ground.base, coefficients[0], coefficients[1], first, stop)


def robust_line(model: FloatArray, data: FloatArray) -> tuple[float, float]:
    """See `plain.robust_line`."""
    gain, offset = levels.robust_line(
        model, data, plain.HUBER_LIMIT, plain.HUBER_STEPS, plain.scale_step(len(model))
    )
    return float(gain), float(offset)


def phases(
    field: FloatArray, block_px: float, shift: FloatArray, cell: FloatArray, out: IntArray
) -> None:
    """See `plain.phases`."""
    sampling.phases(field, block_px, shift, cell, out)


def fitted_samples(
    values: FloatArray, covered: BoolArray, template: FloatArray, ground: Expected
) -> FloatArray:
    """See `plain.fitted_samples`."""
    m1, m2 = template.shape
    here, known = _bytes(covered), _bytes(ground.known)
    ignored = _bytes(ground.ignored).reshape(ground.ignored.shape)
    counts = np.empty(len(values), np.int64)
    count = levels.count_fitted(here, known, ignored, (m1 << 16) + m2, counts)
    everything = count == 0
    count = count or int(np.count_nonzero(covered))
    step = max(1, count // plain.MOST_FITTED)
    out = np.empty((3, -(-count // step)))
    levels.pick_fitted(
        values.reshape(-1),
        here,
        known,
        ignored,
        template,
        np.ascontiguousarray(ground.level).reshape(-1),
        planes_of(ground.cells, (m1, m2)),
        step,
        everything,
        counts,
        out,
    )
    return out


def subtract_crystal(
    values: FloatArray,
    covered: BoolArray,
    template: FloatArray,
    line: tuple[float, float],
    ground: Expected,
) -> FloatArray:
    """See `plain.subtract_crystal`."""
    cells = np.empty((3, *ground.ignored.shape), np.float32)
    level, known = np.ascontiguousarray(ground.level).reshape(-1), _bytes(ground.known)
    levels.subtract_crystal(
        values.reshape(-1), _bytes(covered), template, *line, level, known, cells
    )
    return cells


def subtract_cells(values: FloatArray, covered: BoolArray, cells: FloatArray) -> None:
    """See `plain.subtract_cells`."""
    m1, m2 = (length // count for length, count in zip(values.shape, cells.shape, strict=True))
    planes = planes_of(cells, (m1, m2))
    levels.subtract_cells(values.reshape(-1), _bytes(covered), planes, m1, m2)


def smooth_cells(cells: FloatArray, sigma: float) -> FloatArray:
    """See `plain.smooth_cells`."""
    contiguous = np.ascontiguousarray(cells, np.float32)
    out, scratch = np.empty_like(contiguous), np.empty_like(contiguous)
    levels.smooth_cells(contiguous, _cell_taps(sigma), scratch, out)
    return out


@functools.lru_cache(maxsize=8)
def _cell_taps(sigma: float) -> FloatArray:
    """Centre and one side of the Gaussian filter over cells."""
    impulse = np.zeros(2 * int(5 * sigma + 2 + sampling.UNROLLED) + 1)
    impulse[len(impulse) // 2] = 1
    taps = ndimage.gaussian_filter1d(impulse, sigma)[len(impulse) // 2 :]
    taps = taps[: 1 + sampling.UNROLLED * -(-int(np.count_nonzero(taps[1:])) // sampling.UNROLLED)]
    return np.ascontiguousarray(taps, np.float32)


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
