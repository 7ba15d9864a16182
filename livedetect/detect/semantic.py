"""Scheme 1 of Guo et al. (2021): a semantic image that holds column positions only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage
from skimage.feature import peak_local_max

from livedetect.detect.arrays import FloatArray
from livedetect.detect.columns import Columns
from livedetect.detect.lattice import hann_window
from livedetect.detect.residual import FrontEnd
from livedetect.detect.segments import SegmentMethod, patterson
from livedetect.errors import LatticeNotFoundError

SEGMENT_CELLS = 3.0
LAG_CELLS = 1.5
COLUMN_SIGMA = 0.08
"""Width of a drawn column and of the smoothing before columns are sought, in column scales."""
MIN_DISTANCE = 0.26
LOWEST_COLUMN = 0.2
"""Peaks lower than this share of the crystal's lowest column are noise."""


class SemanticMethod(SegmentMethod):
    """Finds the atomic columns, redraws them all alike, compares segments around them."""

    def _place(self, frames: Sequence[FloatArray]) -> None:
        if self.lattice is None:
            raise LatticeNotFoundError("the semantic scheme needs atomic columns")
        columns: Columns = FrontEnd(frames).columns
        self._bright = columns.bright
        scale = columns.scale_px
        self._sigma = max(1.0, COLUMN_SIGMA * scale)
        self._distance = max(2, int(MIN_DISTANCE * scale))
        self._size = 2 * int(SEGMENT_CELLS * self.lattice.constant_px / 2) + 1
        self._lag = round(LAG_CELLS * self.lattice.constant_px)
        self._taper = hann_window((self._size, self._size))
        self.merge_radius_px = self._size / 2
        self.border_px = self._size / 2
        self._lowest = LOWEST_COLUMN * float(columns.heights.min() / columns.heights.max())

    def describe(self, frame: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Column positions (n, 2) and the Patterson functions (n, d) of segments around them."""
        columns = self._find_columns(frame)
        drawn = self._draw(columns, frame.shape)
        half = self._size // 2
        row, col = np.round(columns[:, 1]).astype(int), np.round(columns[:, 0]).astype(int)
        height, width = frame.shape
        inside = (row >= half) & (col >= half) & (row < height - half) & (col < width - half)
        windows = sliding_window_view(drawn, (self._size, self._size))
        segments = windows[row[inside] - half, col[inside] - half]
        level = segments.mean(axis=(1, 2), keepdims=True)
        return columns[inside], patterson((segments - level) * self._taper, self._lag)

    def _find_columns(self, frame: FloatArray) -> FloatArray:
        """(n, 2) column positions (x, y), to a fraction of a pixel."""
        smooth = ndimage.gaussian_filter(frame if self._bright else -frame, self._sigma)
        smooth = smooth - ndimage.gaussian_filter(smooth, 8 * self._sigma)
        floor = self._lowest * float(np.quantile(smooth, 0.98))
        peaks = peak_local_max(
            smooth, min_distance=self._distance, threshold_abs=floor, exclude_border=2
        )
        row, col = peaks.T
        down = _vertex(smooth[row - 1, col], smooth[row, col], smooth[row + 1, col])
        right = _vertex(smooth[row, col - 1], smooth[row, col], smooth[row, col + 1])
        return np.stack([col + right, row + down], axis=1)

    def _draw(self, columns: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        """(H, W) image of identical Gaussians: no species, no intensity."""
        image = np.zeros(shape, np.float32)
        col, row = columns.T
        left, top = np.floor(col).astype(int), np.floor(row).astype(int)
        for down in (0, 1):
            for right in (0, 1):
                weight = np.abs(1 - down - (row - top)) * np.abs(1 - right - (col - left))
                y, x = np.clip(top + down, 0, shape[0] - 1), np.clip(left + right, 0, shape[1] - 1)
                np.add.at(image, (y, x), weight)
        return np.asarray(ndimage.gaussian_filter(image, self._sigma))


def _vertex(before: FloatArray, centre: FloatArray, after: FloatArray) -> FloatArray:
    """Offset of a parabola's maximum from the middle of three samples."""
    curvature = before - 2 * centre + after
    offset = 0.5 * (before - after) / np.where(curvature < 0, curvature, -1.0)
    return np.where(curvature < 0, offset, 0.0).clip(-0.5, 0.5)
