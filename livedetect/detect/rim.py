"""The rim of a frame: shown, but not judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.phased import SitePatches
from livedetect.detect.regions import InView
from livedetect.detect.residual import FrontEnd

JUDGED_SHARE = 0.5
"""Of the sites of a cell."""
RIM_REACH = 1.6
"""Of the border: so far into it a region is carried on."""


@dataclass(frozen=True, slots=True)
class Rim:
    """What of one frame is shown, and what of that is judged."""

    front: FrontEnd
    """That has registered the frame."""
    patches: SitePatches
    """Of its sites."""
    watched: BoolArray
    """(sites,) that are judged."""
    shift: FloatArray
    """(x, y) drift of the frame, px."""
    border_px: float
    """Width of the rim."""

    def shown(self, points: FloatArray) -> BoolArray:
        """(n,) True for sample positions (n, 2) in the frame."""
        x, y = self.front.to_frame(points, self.shift).T
        height, width = self.front.shape
        return np.asarray((x >= 0) & (y >= 0) & (x < width) & (y < height))

    def in_reach(self, points: FloatArray, distance: FloatArray) -> BoolArray:
        """Points (n, 2) in the frame, as far from a judged site (n,) as the rim is wide."""
        return np.asarray(self.shown(points) & (distance < RIM_REACH * self.border_px))

    def cells(self) -> InView:
        """Unit cells."""
        share = self.patches.share_of_cells(np.flatnonzero(self.watched))
        shown = self.shown(self.front.grid.cell_centres()).reshape(share.shape)
        return InView(judged=np.asarray(share > JUDGED_SHARE), shown=shown)
