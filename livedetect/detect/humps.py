"""Changes as wide as several cells: something that settles on the crystal, not a column of it."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray, nan_quantile
from livedetect.detect.candidates import apart_from
from livedetect.detect.grid import Grid
from livedetect.detect.judgement import Judgement, Training
from livedetect.detect.kernels.planes import at_samples, planes_of
from livedetect.detect.outlines import Surroundings
from livedetect.detect.phased import Patches
from livedetect.detect.plane import LocalPlane
from livedetect.detect.time_window import Window

HUMP_CELLS = 0.7
"""What is wider lies on the crystal, or is a bend of it, and is no defect."""
HUMP_ROUNDS = 3
"""Planes cut off the top of a hump; what they left is smoothed again."""
OWN_SHARE = 2 / 3
"""Of its score that a patch keeps without what the cells around it have in common."""
AROUND = np.indices((3, 3)).reshape(2, -1).T - 1
"""(9, 2) a cell and its neighbours."""


def humps_of(difference: FloatArray, known: BoolArray, grid: Grid) -> FloatArray:
    """(P, Q) what wide humps add to a `difference` (P, Q) from the crystal, where it is `known`.

    A spot of contamination that was there from the start is steeper than the background that is
    followed from frame to frame. The median of a cell knows it and no single column.
    """
    telling = 2 * grid.by_cell(known).sum(axis=(1, 3)) > np.prod(grid.samples)
    if not telling.any():
        return np.zeros_like(difference)
    by_cell = grid.by_cell(np.where(known, difference, np.nan)).transpose(0, 2, 1, 3)
    medians = np.zeros(grid.cells)
    medians[telling] = nan_quantile(by_cell[telling].reshape(int(telling.sum()), -1), 0.5)
    smooth = partial(ndimage.gaussian_filter, sigma=HUMP_CELLS)
    plane = LocalPlane(telling, smooth, HUMP_CELLS)
    heights = np.zeros_like(medians)
    for _ in range(HUMP_ROUNDS):
        heights += plane.through(medians - heights, smooth)
    return at_samples(planes_of(heights, grid.samples), grid.samples)


def without_humps(
    patches: Patches,
    known: FloatArray,
    radius_px: float,
    at_hand: Surroundings,
    judgement: Judgement,
) -> Patches:
    """Those of `patches` that say more than what lies around them, or belong to a known defect.

    Parameters
    ----------
    patches : scored by `judgement`, in the windows `at_hand`.
    known : (n, 2) sample coordinates of defects, px.
    radius_px : how far they reach.
    """
    places = at_hand.patches.positions[patches.site]
    new = np.flatnonzero(apart_from(known, places, radius_px))
    humps = _are_humps(patches.select(new), at_hand, judgement)
    return patches.select(np.delete(np.arange(len(places)), new[humps]))


def _are_humps(patches: Patches, at_hand: Surroundings, judgement: Judgement) -> BoolArray:
    """(n,) True for patches whose change the cells around them share.

    The median over 3 x 3 cells knows a spot of contamination that outruns the background, and
    no change of single columns.
    """
    humps = np.zeros(len(patches.site), bool)
    sublattices = at_hand.patches.sublattices(patches.site)
    for window in at_hand.windows:
        here = np.flatnonzero(patches.window_frames == window.frames)
        if len(here):
            own = patches.z[here] - _medians(window, patches.site[here], at_hand)[:, None]
            left = judgement.surprise(Training(sublattices[here], own, window.frames))
            humps[here] = left < OWN_SHARE * patches.score[here]
    return humps


def _medians(window: Window, sites: IntArray, at_hand: Surroundings) -> FloatArray:
    """(n,) float32 of the valid z of a window in 3 x 3 cells around `sites` (n,).

    Sites lie two cells and more from the edge of the map.
    """
    cells = np.stack(at_hand.patches.cells_with(sites), axis=1)
    asked, which = np.unique(cells, axis=0, return_inverse=True)
    rows, cols = (asked[:, None] + AROUND).transpose(2, 0, 1)
    z, cover = (
        at_hand.grid.by_cell(entry)[rows, :, cols].reshape(len(asked), -1)
        for entry in (window.z, window.cover)
    )
    around = np.where(cover >= window.least, z, np.nan)
    return np.asarray(nan_quantile(around, 0.5)[which.ravel()], np.float32)
