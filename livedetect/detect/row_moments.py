"""Moments of the rows of a frame: how the phases of its reflections turn along them."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray


def rows_down(height: int) -> FloatArray:
    """(H,) where the rows of a frame lie, from -0.5 at its top to 0.5."""
    return (np.arange(height) + 0.5) / height - 0.5


def turns(first: FloatArray, total: FloatArray) -> FloatArray:
    """(n,) cycles by which phases turn from the first row to the last, times the rows' inertia.

    Parameters
    ----------
    first : (n,) complex sums of what every row adds to a reflection, times its `rows_down`.
    total : (n,) the same without that factor, the reflections.
    """
    power = np.maximum(np.abs(total) ** 2, 1e-12)
    return np.asarray((first * np.conj(total)).imag / power / (2 * np.pi))
