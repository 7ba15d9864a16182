"""What the warm-up frames themselves reveal once a model exists.

Births within the warm-up appear as a step in time at one place; defects that were there
from the start appear as a place unlike its equivalents in other cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray, nan_quantile
from livedetect.detect.baseline import Baseline
from livedetect.detect.decision import TAIL_FRACTION, Tail, fit_tail
from livedetect.detect.grid import Grid
from livedetect.detect.held_out import HeldOut
from livedetect.detect.method import Candidate
from livedetect.detect.residual import FrontEnd
from livedetect.detect.time_window import Window

LOOK_AHEAD = 3
"""Every so many of the frames tell how the levels of the sites differ."""
MIN_BEFORE = 3
MIN_AFTER = 1
OUT_OF_STEP = 2.0
"""Spread of equivalents, relative to the most regular phase, that only another lattice has."""
BULK = (0.5, 0.8)
"""Quantiles between which the scores of a specimen with few defects are defect-free."""


def first_residuals(
    front: FrontEnd, frames: Sequence[FloatArray]
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Residuals (K, P, Q) of the warm-up frames (H, W), their coverage, the latest drift (x, y).

    All on the latest grid.
    """
    few = slice(None, None, LOOK_AHEAD)
    front.look_ahead(frames[few], front.registration.shifts[few])
    values = np.zeros((len(frames), *front.grid.shape), np.float32)
    covered = np.zeros(values.shape, bool)
    nothing = np.zeros(front.grid.shape, np.float32)
    shift: FloatArray = np.zeros(2)
    for index, frame in enumerate(frames):
        residual = front.step(frame, front.locate(frame), nothing, nothing.astype(bool))
        if residual.moved_cells != (0, 0):
            for maps in (values, covered):
                for entry in maps[:index]:
                    entry[...] = front.grid.shifted(entry, residual.moved_cells)
        values[index], covered[index] = residual.values, residual.covered
        shift = residual.shift
    front.end_look_ahead()
    return values, covered, shift


def steps_in_time(held_out: HeldOut, count: int) -> Iterator[tuple[int, Window]]:
    """Difference of the means after and before every moment of a warm-up of `count` frames.

    Yields (frame position, window); the window's z has unit variance where nothing changed.
    """
    for first_after in range(MIN_BEFORE, count - MIN_AFTER + 1):
        yield first_after, held_out.since(first_after)


def births_in(
    held_out: HeldOut,
    count: int,
    changed: Callable[[Window], Sequence[Candidate]],
    radius_px: float,
) -> list[tuple[int, Candidate]]:
    """Births within a warm-up of `count` frames and their frame positions, strongest first.

    `changed` tells what is new in the difference of the means after and before a moment; of
    what it finds within `radius_px` the highest score is the birth.
    """
    steps = steps_in_time(held_out, count)
    found = [(first, candidate) for first, step in steps for candidate in changed(step)]
    kept: list[tuple[int, Candidate]] = []
    for first, candidate in sorted(found, key=lambda birth: -birth[1].score):
        near = [np.hypot(*(other.position - candidate.position)) for _, other in kept]
        if min(near, default=np.inf) >= radius_px:
            kept.append((first, candidate))
    return kept


def against_equivalents(
    grid: Grid, baseline: Baseline, phases: IntArray, usable: BoolArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Baseline of every sample against the same place of the other cells of its phase.

    Returns the difference from their median (P, Q), 0 where unknown, its usual spread
    (P, Q), a robust standard deviation, and the cells (n1, n2) that have equivalents: those
    of a phase that is not in step with the lattice have none. `phases` (n1, n2) are those
    of every cell; only `usable` samples (P, Q) count for median and spread.
    """
    difference = np.zeros(grid.shape, np.float32)
    spread = np.ones(grid.shape, np.float32)
    masks = [grid.spread(phases == phase) for phase in range(int(phases.max(initial=0)) + 1)]
    level = np.where(baseline.known & usable, baseline.level, np.nan)
    usual = [_usual(grid, np.where(mask, level, np.nan)) for mask in masks]
    variances = [float((width**2).mean()) for _, width in usual]
    for mask, (median, width) in zip(masks, usual, strict=True):
        off = baseline.level - grid.tiled(median)
        difference = np.where(mask & baseline.known, off, difference)
        spread = np.where(mask, grid.tiled(np.maximum(width, 1e-12)), spread)
    in_step = [v <= OUT_OF_STEP**2 * min(variances) for v in variances]
    return difference.astype(np.float32), spread.astype(np.float32), np.array(in_step)[phases]


def _usual(grid: Grid, level: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median (m1, m2) over the cells of a map (P, Q) with NaN, and its robust spread."""
    stacked = grid.by_cell(level).transpose(1, 3, 0, 2).reshape(*grid.samples, -1)
    with np.errstate(all="ignore"):
        median = nan_quantile(stacked, 0.5)
        width = (nan_quantile(stacked, 0.75) - nan_quantile(stacked, 0.25)) / 1.349
    return median, width


def bulk_tail(scores: FloatArray) -> Tail:
    """Exponential tail from the bulk of scores that may contain a few per cent defects.

    The bulk is that of the scores above zero: an expert that has nothing to say of most
    patches scores them zero, which tells nothing of how fast the others fall off.
    """
    telling = scores[scores > 0]
    beyond = len(telling) / len(scores) * (1 - BULK[1])
    if beyond < TAIL_FRACTION:
        return fit_tail(scores)
    low, high = np.quantile(telling, BULK)
    scale = max(float(high - low) / float(np.log((1 - BULK[0]) / (1 - BULK[1]))), 1e-6)
    start = float(high + scale * np.log(beyond / TAIL_FRACTION))
    return Tail(start=start, scale=scale)


def away_from(
    births: Sequence[tuple[int, Candidate]], positions: FloatArray, distance_px: float
) -> BoolArray:
    """(n,) True for positions (n, 2) that no birth has touched."""
    away = np.ones(len(positions), bool)
    for _, candidate in births:
        away &= np.hypot(*(positions - candidate.position).T) > distance_px
    return away
