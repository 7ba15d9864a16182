"""Continuing a map of cells beyond where it is known: by a plane through what lies nearest.

Local linear regression (Cleveland, J. Am. Stat. Assoc. 74, 829, 1979): a mean of what is known
nearby lags behind a slope, and every cell cut by the edge of the frame would have the level
that lies some cells inside.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray

FLAT = 0.05
"""Weight that a plane without slope has, in units of what the smoothing's width sees."""
FAR_SHARE = 1e-3
"""Share of what is known nearby that weighs as much as everything else."""

Smooth = Callable[[FloatArray], FloatArray]


class LocalPlane:
    """Planes through the known cells around each cell, and their heights in it."""

    def __init__(self, known: BoolArray, smooth: Smooth, sigma: float) -> None:
        """`smooth` weighs the cells nearby, a Gaussian of `sigma` cells; known (n1, n2)."""
        self.known = known
        weight = known.astype(float)
        self._row, self._col = np.indices(known.shape, dtype=float)
        self._row -= known.shape[0] / 2  # small numbers: they are smoothed in single precision
        self._col -= known.shape[1] / 2
        row, col = self._row, self._col
        mass, along_row, along_col = smooth(weight), smooth(weight * row), smooth(weight * col)
        first, second = along_row - row * mass, along_col - col * mass
        rows = smooth(weight * row**2) - row * (along_row + first)
        cols = smooth(weight * col**2) - col * (along_col + second)
        mixed = smooth(weight * row * col) - row * along_col - col * first
        mass = mass + FAR_SHARE
        rows, cols = (entry + FLAT * sigma**2 * mass for entry in (rows, cols))
        # first row of the inverse of the normal equations
        height, by_row = rows * cols - mixed**2, mixed * second - first * cols
        by_col = first * mixed - rows * second
        determinant = mass * height + first * by_row + second * by_col
        self._height, self._by_row, self._by_col = (
            entry / determinant for entry in (height, by_row, by_col)
        )

    def through(self, values: FloatArray, smooth: Smooth) -> FloatArray:
        """(n1, n2) heights; far from all known `values` (n1, n2) the mean of them."""
        usual = float(values[self.known].mean())
        off = np.where(self.known, values - usual, 0.0)
        total = smooth(off)
        along_row = smooth(off * self._row) - self._row * total
        along_col = smooth(off * self._col) - self._col * total
        slope = self._by_row * along_row + self._by_col * along_col
        return np.asarray(usual + self._height * total + slope)
