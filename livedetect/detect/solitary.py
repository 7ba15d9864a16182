"""Point defects that stand alone: what they flag is theirs and makes no region.

Where many columns have gone one by one, flagged cells touch each other by chance; without
this they would be taken for one large region that swallows the crystal between them.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.crowds import COMPANY_RADIUS, company, may_be_wide, middle_of_wide
from livedetect.detect.grid import Grid, shifted
from livedetect.detect.kernels.maps import NEIGHBOURS
from livedetect.detect.regions import EVERYWHERE, MIN_CELLS

OWN_FRAMES = 12
"""A point that has stood alone for so long is no first sign of a region."""
COMPANY = 3
"""Points in a chain of neighbours that are part of something larger."""
ENCLOSED = 5
"""Of a cell's eight neighbours: a region that has come around a point takes it in."""


class Solitary:
    """Unit cells that lone point defects account for."""

    def __init__(self, grid: Grid, scale_px: float) -> None:
        self._reach_px = COMPANY_RADIUS * scale_px
        self._age = np.zeros(grid.cells, np.int64)
        """(n1, n2) frames for which a lone point has stood within one cell."""

    @property
    def cells(self) -> BoolArray:
        """(n1, n2) True within one cell of a point that has been alone for a while."""
        return np.asarray(self._age >= OWN_FRAMES)

    def follow(self, cells: IntArray, positions: FloatArray) -> None:
        """Note the known point defects after a frame.

        Parameters
        ----------
        cells : (n, 2) unit cell of each.
        positions : (n, 2) sample coordinates, px.
        """
        alone = company(positions, self._reach_px) < COMPANY
        last = np.array(self._age.shape) - 1
        around = np.clip(cells[alone][:, None] + NEIGHBOURS, 0, last).reshape(-1, 2)
        near = np.zeros(self._age.shape, bool)
        near[around[:, 0], around[:, 1]] = True
        self._age = np.where(near, self._age + 1, 0)

    def without(self, flagged: BoolArray, score: FloatArray) -> BoolArray:
        """Flagged cells (n1, n2) that no lone point accounts for, and points they enclose.

        `score` (n1, n2) is the best of each cell's flagged sites. A hole that grows around its
        first vacancy goes beyond what the fringe of a point could be.
        """
        theirs = flagged & self.cells
        if not theirs.any():
            return flagged
        if may_be_wide(flagged) and _largest(flagged) >= MIN_CELLS:
            theirs &= ~ndimage.binary_dilation(middle_of_wide(score), EVERYWHERE)
        left = flagged & ~theirs
        while left.any():
            around = np.round(9 * ndimage.uniform_filter(left.astype(float), 3, mode="constant"))
            enclosed = theirs & ~left & (around >= ENCLOSED)
            if not enclosed.any():
                break
            left |= enclosed
        return left

    def move(self, cells: tuple[int, int]) -> None:
        """Follow a grid that has moved by whole cells."""
        self._age = shifted(self._age, cells)


def _largest(flagged: BoolArray) -> int:
    """Cells of the largest connected set."""
    labels, _ = ndimage.label(flagged, EVERYWHERE)
    return int(np.bincount(labels.ravel())[1:].max(initial=0))
