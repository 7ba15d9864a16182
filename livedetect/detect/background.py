"""Slowly varying background of a crystal, one level per unit cell.

A cumulative map plus a clipped innovation, smoothed twice ("twicing", Tukey 1977): a
plain normalised convolution is biased at the frame's edges, and a clipped one does not
follow growth.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.grid import shifted

MIN_RATE = 0.1
SLOPE_RATE = 0.001
"""Of the growth per frame; without it a steady growth is followed with a lag that clipping
turns into a runaway."""
SETTLED_FRAMES = 6
"""Frames after which the level of new territory is trusted."""


class Background:
    """Level per unit cell (n1, n2), followed from frame to frame."""

    def __init__(self, cells: tuple[int, int], smoothing_cells: float = 3.0) -> None:
        self._sigma = smoothing_cells
        self._level = np.zeros(cells)
        self._slope = np.zeros(cells)
        self._frames = np.zeros(cells)

    @property
    def settled(self) -> BoolArray:
        """(n1, n2) True where the level can be trusted."""
        return np.asarray(self._frames >= SETTLED_FRAMES)

    def step(self, cell_means: FloatArray, coverage: FloatArray) -> FloatArray:
        """Take in the mean residual of each cell and return the background, both (n1, n2).

        `coverage` is the covered fraction of each cell, 0 to 1; cells covered by less
        than half are ignored.
        """
        weight = np.where(coverage > 0.5, coverage, 0.0)
        used = weight > 0
        known = self._frames > 0
        if known.any():
            expected = self._level + self._slope
            level = np.where(known, expected, self._smooth(expected, known.astype(float)))
        else:
            level = self._smooth(cell_means, weight)
            level = level + self._smooth(cell_means - level, weight)
        limit = self._clip_limit(cell_means, weight)
        innovation = np.where(used, np.clip(cell_means - level, -limit, limit), 0.0)
        change = self._smooth(innovation, weight)
        change = change + self._smooth(innovation - change, weight)
        rate = np.where(used, np.maximum(MIN_RATE, 1 / (self._frames + 1)), 0.0)
        self._level = level + rate * change
        self._slope = self._slope + SLOPE_RATE * np.where(self._frames >= SETTLED_FRAMES, change, 0)
        self._frames = self._frames + (coverage > 0.9)
        return level + change

    def move(self, offset: tuple[int, int]) -> None:
        """Follow a grid moved by whole cells."""
        self._level = shifted(self._level, offset)
        self._slope = shifted(self._slope, offset)
        self._frames = shifted(self._frames, offset)

    def _smooth(self, values: FloatArray, weight: FloatArray) -> FloatArray:
        """Normalised Gaussian convolution."""
        mass = ndimage.gaussian_filter(weight, self._sigma)
        return np.asarray(
            ndimage.gaussian_filter(values * weight, self._sigma) / np.maximum(mass, 1e-3)
        )

    def _clip_limit(self, cell_means: FloatArray, weight: FloatArray) -> float:
        full = weight > 0.9
        if not full.any():
            return float(np.abs(cell_means).max(initial=0.0))
        rough = np.abs(cell_means - self._smooth(cell_means, weight))[full]
        return float(3 * 1.4826 * np.median(rough))
