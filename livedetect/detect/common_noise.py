"""Frames that are noisier everywhere than the model expects.

The noise of a place is followed over many frames; what blurs or shakes one frame as a whole,
such as a displacement that could not be measured well, is over before that. Without allowance
for it such a frame brings several markers at once.
"""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, middle

LEAST_CELLS = 20
JUDGED_SHARE = 0.5
"""Of the samples of a cell that takes part."""
UNUSUAL = 2.0
"""Cells this much above the median do not take part: something may be there."""
NOTABLE = 1.03
"""Ratios of variance below this are chance."""
MOST_CHANGED = 1.3
"""Ratio beyond which most of the crystal has changed, not only a place in it."""
CLIPPED_Z2_MEAN = 0.97
"""Mean of z² clipped at 9 for a normal z."""


class CommonNoise:
    """Variance of the latest frames relative to what was expected of them."""

    def __init__(self, frames: int) -> None:
        """Remember so many."""
        self._ratios = np.ones(frames)

    def take_in(self, cells: FloatArray, samples: int) -> None:
        """Next frame: `cells` (2, n1, n2) sums over `samples` of validity and of clipped z²."""
        self._ratios = np.roll(self._ratios, 1)
        self._ratios[0] = _usual(cells, samples)

    @property
    def is_everywhere(self) -> bool:
        """Whether the usual cell of the latest frame differs from what was expected of it."""
        return bool(self._ratios[0] > MOST_CHANGED)

    def excess(self, frames: int) -> float:
        """By which mean z over the latest `frames` are too large, 1 or more."""
        ratio = float(self._ratios[:frames].mean())
        return float(np.sqrt(ratio)) if ratio > NOTABLE else 1.0


def _usual(cells: FloatArray, samples: int) -> float:
    """Mean z² in most cells, 1 or more."""
    weight, square = cells
    judged = weight > JUDGED_SHARE * samples
    if np.count_nonzero(judged) < LEAST_CELLS:
        return 1.0
    mean = square[judged] / weight[judged] / CLIPPED_Z2_MEAN
    usual = mean[mean < UNUSUAL * middle(mean)]
    return max(1.0, float(usual.mean()))
