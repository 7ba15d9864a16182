"""Which parts of a frame are judged: borders, region of interest, exclusions, flyback."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.maps import Placement
from livedetect.settings import Settings

BLOCK_PX = 8
LEAST_CELLS = 40.0
"""Unit cells in view from which on the usual look of a cell can be told from its noise."""


def cells_in_view(shape: tuple[int, ...], basis_px: FloatArray) -> float:
    """Number of unit cells with the basis (2, 2), px, that a frame (H, W) shows."""
    return float(np.prod(shape)) / abs(float(np.linalg.det(basis_px)))


def few_cells_warning(cells: float) -> tuple[str, ...]:
    """What to tell the user; nothing if there are enough."""
    if cells >= LEAST_CELLS:
        return ()
    return (
        f"only {cells:.0f} unit cells in view, too few to learn what is usual (at least "
        f"{LEAST_CELLS:.0f} are needed): nothing is marked; zoom out",
    )


def outside_warnings(settings: Settings, shape: tuple[int, ...]) -> tuple[str, ...]:
    """What to tell the user of rectangles to leave out that have no pixel of a frame (H, W)."""
    height, width = shape
    return tuple(
        f"exclude {list(box)} lies outside the frame of {width} x {height} px and leaves nothing "
        "out; check x0, y0, x1, y1"
        for box in settings.exclude
        if box[0] >= width or box[1] >= height
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedArea:
    """The judged part of a frame, in frame pixels."""

    mask: BoolArray
    """(H, W) True where markers are wanted."""
    whole: BoolArray = field(init=False)
    """(H / 8, W / 8) True for blocks all over which they are."""

    def __post_init__(self) -> None:
        """Sum up the blocks."""
        rows, cols = (np.arange(0, length, BLOCK_PX) for length in self.mask.shape)
        whole = np.logical_and.reduceat(self.mask, rows, axis=0)
        object.__setattr__(self, "whole", np.logical_and.reduceat(whole, cols, axis=1))

    @classmethod
    def from_settings(
        cls, settings: Settings, shape: tuple[int, ...], border_px: float, dwell_us: float | None
    ) -> WatchedArea:
        """Everything but a border, the settling flyback and what the user excludes."""
        height, width = shape
        mask = np.zeros((height, width), bool)
        left = border_px
        if dwell_us:
            left = max(left, settings.settle_us / dwell_us)
        edge = int(np.ceil(border_px))
        mask[edge : height - edge, int(np.ceil(left)) : width - edge] = True
        return cls(mask=mask & cls.wanted(settings, shape).mask)

    @classmethod
    def wanted(cls, settings: Settings, shape: tuple[int, ...]) -> WatchedArea:
        """What the user has not left out, up to the edges of the frame."""
        mask = np.full(shape, not settings.roi)
        if settings.roi:
            mask[_slices(settings.roi)] = True
        for rectangle in settings.exclude:
            mask[_slices(rectangle)] = False
        return cls(mask=mask)

    def widened(self, by_px: float) -> WatchedArea:
        """Also all that lies within `by_px` of this area, along either axis."""
        size = 2 * int(np.ceil(by_px)) + 1
        return WatchedArea(mask=ndimage.maximum_filter(self.mask, size, mode="constant"))

    def closed(self) -> WatchedArea:
        """The same frame with nothing judged."""
        return WatchedArea(mask=np.zeros_like(self.mask))

    def contains(self, positions: FloatArray) -> BoolArray:
        """(n,) True for frame positions (n, 2) as (x, y) that are judged."""
        return form(COMPILED).inside(positions, self.mask)

    def keep(self, watched: BoolArray, positions: FloatArray, placement: Placement) -> BoolArray:
        """(H / 8, W / 8) True for blocks within one block of a position that is judged.

        Those of the sample positions (n, 2) that are not are taken out of `watched` (n,).
        """
        blocks = _no_blocks(self.mask.shape)
        pixels = (self.mask, self.whole)
        form(COMPILED).keep_inside(positions, placement, pixels, watched, (BLOCK_PX, blocks))
        return blocks


def block_map(positions: FloatArray, shape: tuple[int, ...]) -> BoolArray:
    """(H / 8, W / 8) True for blocks within one block of a position (n, 2) (x, y) in the frame."""
    blocks = _no_blocks(shape)
    form(COMPILED).mark_blocks(positions, BLOCK_PX, blocks)
    return blocks


def _no_blocks(shape: tuple[int, ...]) -> BoolArray:
    return np.zeros([-(-length // BLOCK_PX) for length in shape], bool)


def _slices(rectangle: tuple[int, ...]) -> tuple[slice, slice]:
    x0, y0, x1, y1 = rectangle
    return slice(y0, y1), slice(x0, x1)
