"""The mean of the crystal as a segment has seen it, kept to recognise the place later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.detect.affine import Affine
from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.binned import binned
from livedetect.detect.kernels import COMPILED, form

MEMORY_FRAMES = 8
"""Frames of each half that the running mean remembers."""
COARSEST_CELL_PX = 8.0
"""Pixels that a lattice constant keeps after binning."""
MARGIN = 0.5
"""Room for drift on each side, in frames."""
DENSE_FRAMES = 32
"""A young mean takes in every frame: a place may be left, and come back, after a few."""
EVERY_FRAMES = 4
"""Later it is as good with a few of them."""
FRAME_PIXELS = 1 << 17
"""For each so many pixels the wait is one frame longer: all sizes cost the same share."""


class StoredMean:
    """Two running means, of alternate frames, in sample coordinates.

    Each (binned) frame enters at its drift, with zero mean and unit standard deviation.
    What both halves agree on is specimen and not noise.
    """

    def __init__(self, shape: tuple[int, int], cell_px: float | None) -> None:
        self._factor = max(1, int((cell_px or COARSEST_CELL_PX) / COARSEST_CELL_PX))
        height, width = shape[0] // self._factor, shape[1] // self._factor
        rows, cols = round(MARGIN * height), round(MARGIN * width)
        self._margin = np.array([rows, cols], np.int64)
        canvas = (height + 2 * rows, width + 2 * cols)
        self._halves = np.zeros((2, *canvas), np.float32)
        self._counts = np.zeros((2, *canvas), np.uint8)
        self._stride = max(EVERY_FRAMES, -(-shape[0] * shape[1] // FRAME_PIXELS))
        self._offered = 0
        self._taken = 0
        self._anchor = np.zeros(2, np.int64)
        self.field_px = height * width
        """Binned pixels of one frame."""

    @classmethod
    def of(
        cls, frames: Sequence[FloatArray], shifts: FloatArray, cell_px: float | None
    ) -> StoredMean:
        """Mean of `frames` (H, W) with drifts (n, 2), every one of them."""
        height, width = frames[0].shape
        mean = cls((height, width), cell_px)
        for frame, shift in zip(frames, shifts, strict=True):
            mean.add_always(frame, shift)
        return mean

    @property
    def to_sample(self) -> Affine:
        """From (x, y) on the canvas to sample coordinates."""
        half = (self._factor - 1) / 2
        origin = half + self._factor * (self._anchor - self._margin)[::-1].astype(float)
        return Affine(self._factor * np.eye(2), origin)

    @property
    def known(self) -> BoolArray:
        """(h, w) True where both halves have data, and not much less than elsewhere."""
        fewer = self._counts.min(axis=0)
        return np.asarray((fewer > 0) & (2 * fewer >= self._counts.max()))

    @property
    def image(self) -> FloatArray:
        """(h, w) mean of both halves, 0 where not known."""
        return np.asarray(self._halves.mean(axis=0) * self.known)

    @property
    def halves(self) -> FloatArray:
        """(2, h, w)."""
        return self._halves * self.known

    def add(self, frame: FloatArray, shift: FloatArray) -> None:
        """Take in a frame, float32 (H, W), of drift (x, y); large frames not every time."""
        self._offered += 1
        if self._taken < DENSE_FRAMES or self._offered % self._stride == 0:
            self.add_always(frame, shift)

    def add_always(self, frame: FloatArray, shift: FloatArray) -> None:
        """Take in a frame, float32 (H, W), of drift (x, y), whatever its size."""
        half = self._taken % 2
        self._taken += 1
        small = binned(frame, self._factor) if self._factor > 1 else frame
        mean, spread = form(COMPILED).mean_and_spread(small)
        level = np.array([mean, 1 / max(spread, 1e-12)])
        self._follow(-shift[::-1] / self._factor)
        place = self._margin - self._anchor - shift[::-1] / self._factor
        whole = np.floor(place).astype(np.int64)
        canvas = self._halves[half], self._counts[half]
        form(COMPILED).blend(small, level, place - whole, whole + 1, canvas, MEMORY_FRAMES)

    def _follow(self, field: FloatArray) -> None:
        """Keep the canvas around a field (y, x) that has drifted far, binned px."""
        if (np.abs(field - self._anchor) < self._margin / 2).all():
            return
        moved = np.round(field - self._anchor).astype(np.int64)
        self._anchor = self._anchor + moved
        self._halves = np.stack([shifted(half, moved) for half in self._halves])
        self._counts = np.stack([shifted(count, moved) for count in self._counts])


def shifted(image: NDArray[Any], moved: NDArray[np.int64]) -> NDArray[Any]:
    """(h, w) with pixel ``moved`` (y, x) at the origin, 0 where nothing was."""
    result = np.zeros_like(image)
    spans = [
        _overlap(-int(by), length, length) for by, length in zip(moved, image.shape, strict=True)
    ]
    result[spans[0][0], spans[1][0]] = image[spans[0][1], spans[1][1]]
    return result


def _overlap(first: int, length: int, room: int) -> tuple[slice, slice]:
    """Slices of a canvas and of what is laid on it from index `first`."""
    low, high = max(first, 0), min(first + length, room)
    high = max(high, low)
    return slice(low, high), slice(low - first, high - first)
