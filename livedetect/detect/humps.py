"""Changes as wide as several cells: something that settles on the crystal, not a column of it."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.candidates import apart_from
from livedetect.detect.judgement import Judgement, Training
from livedetect.detect.outlines import Surroundings
from livedetect.detect.phased import Patches

OWN_SHARE = 2 / 3
"""Of its score that a patch keeps without what the cells around it have in common."""
AROUND = np.indices((3, 3)).reshape(2, -1).T - 1
"""(9, 2) a cell and its neighbours."""


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
    known : (n, 2) sample coordinates of defects; they reach `radius_px` far.
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
        if not len(here):
            continue
        common = _medians(np.where(window.valid, window.z, np.nan), patches.site[here], at_hand)
        own = patches.z[here] - common[:, None]
        left = judgement.surprise(Training(sublattices[here], own, window.frames))
        humps[here] = left < OWN_SHARE * patches.score[here]
    return humps


def _medians(z: FloatArray, sites: IntArray, at_hand: Surroundings) -> FloatArray:
    """(n,) of a map (P, Q) with NaN around `sites` (n,), which lie away from the map's edge."""
    cells = at_hand.patches.cell_of(at_hand.patches.positions[sites])
    asked, which = np.unique(cells, axis=0, return_inverse=True)
    rows, cols = (asked[:, None] + AROUND).transpose(2, 0, 1)
    around = at_hand.grid.by_cell(z)[rows, :, cols].reshape(len(asked), -1)
    return np.asarray(np.nan_to_num(np.nanmedian(around, axis=1))[which.ravel()], np.float32)
