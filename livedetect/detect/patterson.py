"""Scheme 2 of Guo et al. (2021): sliding windows on the image itself.

Also the branch that watches frames without a lattice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from livedetect.detect.arrays import FloatArray
from livedetect.detect.lattice import hann_window
from livedetect.detect.segments import SegmentMethod, patterson

WINDOW_CELLS = 3.0
"""Tapered and commensurate: narrower windows hide a vacancy in the lattice's own variation."""
LAG_CELLS = 1.5
WINDOW_WITHOUT_LATTICE_PX = 32
MIN_WINDOW_PX = 12


class PattersonMethod(SegmentMethod):
    """One-class SVM on the Patterson functions of sliding, tapered windows."""

    def _place(self, frames: Sequence[FloatArray]) -> None:
        size = WINDOW_WITHOUT_LATTICE_PX
        lag = size // 2
        if self.lattice is not None:
            size = max(MIN_WINDOW_PX, round(WINDOW_CELLS * self.lattice.constant_px))
            lag = round(LAG_CELLS * self.lattice.constant_px)
        self._size = min(size, min(frames[0].shape) // 3)
        self._lag = min(lag, self._size // 2)
        self._stride = max(2, self._size // 6)
        self._taper = hann_window((self._size, self._size))
        self.merge_radius_px = self._size / 2
        self.border_px = 2.0

    def describe(self, frame: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Window centres (n, 2) in the frame and their Patterson functions (n, d)."""
        windows = sliding_window_view(frame, (self._size, self._size))
        windows = windows[:: self._stride, :: self._stride]
        rows, cols = np.indices(windows.shape[:2]).reshape(2, -1) * self._stride
        flat = windows.reshape(-1, self._size, self._size)
        level = flat.mean(axis=(1, 2), keepdims=True)
        positions = np.stack([cols, rows], axis=1) + (self._size - 1) / 2
        return positions, patterson((flat - level) * self._taper, self._lag)
