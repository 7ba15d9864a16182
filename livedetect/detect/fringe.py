"""What a defect flags around itself: fainter than itself, and no change of its own."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray

FRINGE_SCORE = 0.1
"""Of the best score nearby, which the fringe of a point defect does not reach."""
FRINGE_REACH = 5
"""Cells across."""


def changed_themselves(score: FloatArray, share: float = FRINGE_SCORE) -> BoolArray:
    """(n1, n2) cells that are no fringe, from the best `score` (n1, n2) of each, 0 if unflagged.

    Their scores exceed a `share` of the best nearby.
    """
    return np.asarray(score > share * ndimage.maximum_filter(score, FRINGE_REACH))
