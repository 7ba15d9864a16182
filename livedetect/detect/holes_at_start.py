"""Holes that the first frames already hold: no defects that form, and no crystal either."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.background import Background
from livedetect.detect.baseline import Baseline
from livedetect.detect.region_kinds import kind_of_change
from livedetect.detect.regions import EVERYWHERE, MIN_CELLS, InView, Region, Regions
from livedetect.detect.residual import FrontEnd
from livedetect.detect.warm_up import first_residuals

LOST = 0.5
"""Share of the mean cell's contrast, over 3 x 3 cells, below which a cell shows no crystal."""
MOST = 0.4
"""Of the cells: of more the mean cell is no measure, they are a phase."""


def first_look(
    front: FrontEnd, frames: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray, Baseline, list[BoolArray]]:
    """Residuals (K, P, Q) of the first frames (H, W), latest drift (x, y), baseline, and holes.

    Where they show holes, masks (n1, n2), they are looked at again without: what a hole leaves
    of the background beside it would make all its surroundings unlike their equivalents.
    """
    values, covered, shift = first_residuals(front, frames)
    baseline = Baseline(front.grid, values, covered)
    holes = _holes(front, baseline)
    if holes:
        front.ignored_cells = ndimage.binary_dilation(np.any(holes, axis=0), EVERYWHERE)
        front.background = Background(front.grid.cells)  # it has taken the holes in
        values, covered, shift = first_residuals(front, frames)
        baseline = Baseline(front.grid, values, covered)
        holes = _holes(front, baseline)
    return values, shift, baseline, holes


def as_regions(
    holes: Sequence[BoolArray], front: FrontEnd, baseline: Baseline, regions: Regions
) -> list[Region]:
    """Make `regions` of `holes`, masks (n1, n2): they are told once, and pull at nothing."""
    found, change = [], _difference(front, baseline)
    for mask in holes:
        number = regions.claim(np.argwhere(mask), np.zeros((0, 2), np.int64))
        everywhere = InView(judged=np.ones_like(mask), shown=np.ones_like(mask))
        found.append(regions.describe(number, mask, change, front.template, everywhere))
    front.ignored_cells = regions.surroundings
    return found


def _holes(front: FrontEnd, baseline: Baseline) -> list[BoolArray]:
    """(n1, n2) each: what shows neither crystal nor brightness in the mean of the first frames."""
    cells = front.grid.by_cell(_difference(front, baseline)).transpose(0, 2, 1, 3)
    shown = front.grid.whole_cells(baseline.known)
    masks = _without_crystal(cells, shown, front.template)
    return [mask for mask in masks if kind_of_change(cells[mask], front.template) == "hole"]


def _difference(front: FrontEnd, baseline: Baseline) -> FloatArray:
    """(P, Q) of the first frames from the mean cell, with what the background has taken in."""
    return np.asarray(baseline.level + front.grid.spread(front.background.expected))


def _without_crystal(cells: FloatArray, shown: BoolArray, template: FloatArray) -> list[BoolArray]:
    """(n1, n2) each: `shown` cells of (n1, n2, m1, m2) that hang together without contrast."""
    off = template - template.mean()
    power = float((off**2).sum())
    if power == 0:
        return []
    contrast = np.where(shown, 1 + np.tensordot(cells, off, 2) / power, 1.0)
    lost = shown & (ndimage.uniform_filter(contrast, 3, mode="nearest") < LOST)
    if lost.sum() > MOST * shown.sum():
        return []
    labels, count = ndimage.label(lost, EVERYWHERE)
    sizes = ndimage.sum_labels(lost, labels, np.arange(1, count + 1))
    return [labels == number for number in np.flatnonzero(sizes >= MIN_CELLS) + 1]
