"""Changes as wide as several cells: something that settles on the crystal, not a column of it."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, nan_quantile
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
FAINT_SHARE = 0.8
"""The same of a patch that would not be told of without it: noise may have lifted a hump."""
NOISE_QUARTILE = 0.6745
"""Upper quartile of normal noise, standard deviations."""
AROUND = np.delete(np.indices((3, 3)).reshape(2, -1).T - 1, 4, axis=0)
"""(8, 2) from a cell to its neighbours."""


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
    threshold: float,
) -> Patches:
    """Those of `patches` that say more than what lies around them, or belong to a known defect.

    Parameters
    ----------
    patches : scored by `judgement` above `threshold`, in the windows `at_hand`.
    known : (n, 2) sample coordinates of defects, px.
    radius_px : how far they reach.
    """
    places = at_hand.patches.positions[patches.site]
    new = np.flatnonzero(apart_from(known, places, radius_px))
    fresh = patches.select(new)
    left = _own_scores(fresh, at_hand, judgement)
    humps = left < np.where(left < threshold, FAINT_SHARE, OWN_SHARE) * fresh.score
    return patches.select(np.delete(np.arange(len(places)), new[humps]))


def _own_scores(patches: Patches, at_hand: Surroundings, judgement: Judgement) -> FloatArray:
    """(n,) what patches score without the change that the cells around them share.

    The higher of two: cells as a whole know a spot of contamination and its flank, the same
    places of them also a second phase, in which a column may still go by itself.
    """
    left = patches.score.astype(float)
    sublattices = at_hand.patches.sublattices(patches.site)
    for window in at_hand.windows:
        here = np.flatnonzero(patches.window_frames == window.frames)
        if not len(here):
            continue
        chosen = patches.select(here)
        left[here] = np.max(
            [
                judgement.surprise(Training(sublattices[here], chosen.z - shared, window.frames))
                for shared in _shared(window, chosen, at_hand)
            ],
            axis=0,
        )
    return left


def _shared(
    window: Window, patches: Patches, at_hand: Surroundings
) -> tuple[FloatArray, FloatArray]:
    """(n, 1) and (n, d) float32 change of z that 3 x 3 cells, and the same places of them, share.

    A quarter of the samples, or two of the eight places around, go at least so far in the
    direction of the patch, less what noise does. Sites lie two cells and more from the edge of
    the map.
    """
    m1, m2 = at_hand.grid.samples
    around = AROUND @ (m1 * at_hand.grid.shape[1], m2)
    samples = at_hand.patches.samples(patches.site)[..., None] + around
    direction = np.sign(patches.z.mean(axis=1)).astype(np.float32)[:, None]
    covered = window.cover.ravel()[samples] >= window.least
    z = np.where(covered, window.z.ravel()[samples] * direction[..., None], np.nan)
    usual = np.where(covered.any(axis=-1), NOISE_QUARTILE, 0)
    places = (nan_quantile(z, 0.75) - usual) * direction
    return _shared_by_cells(window, patches, at_hand, direction), np.asarray(places, np.float32)


def _shared_by_cells(
    window: Window, patches: Patches, at_hand: Surroundings, direction: FloatArray
) -> FloatArray:
    """(n, 1) float32 what 3 x 3 cells as a whole share, in a `direction` (n, 1)."""
    here = np.stack(at_hand.patches.cells_with(patches.site), axis=1)[:, None]
    rows, cols = np.concatenate([here, here + AROUND], axis=1).transpose(2, 0, 1)
    z, cover = (
        at_hand.grid.by_cell(entry)[rows, :, cols].reshape(len(here), -1)
        for entry in (window.z, window.cover)
    )
    around = np.where(cover >= window.least, z * direction, np.nan)
    shared = np.maximum(nan_quantile(around, 0.75) - NOISE_QUARTILE, 0)[:, None]
    return np.asarray(shared * direction, np.float32)
