"""What one atomic column looks like in the mean unit cell, behind the matched filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from livedetect.detect.arrays import FloatArray
from livedetect.detect.columns import Columns
from livedetect.detect.lattice import Lattice

WIDTHS = (0.08, 0.4)
"""Range of the column's standard deviation, in units of the column scale."""
REACH = 2
"""Neighbouring cells whose columns still shine into a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """A Gaussian column on a flat ground; ``height * exp(-r² / (2 width_px²))``."""

    width_px: float
    """Standard deviation, px."""
    heights: FloatArray
    """(columns,) signed height of each column of the cell, units of the template."""

    def at(self, offsets: FloatArray) -> FloatArray:
        """Profile of unit height at `offsets` (..., 2) from the column, px."""
        return np.asarray(np.exp(-(offsets**2).sum(axis=-1) / (2 * self.width_px**2)))

    def slope(self, offsets: FloatArray) -> FloatArray:
        """(..., 2) change of the profile per px by which the column moves along (x, y)."""
        return np.asarray(offsets * self.at(offsets)[..., None] / self.width_px**2)


def fit_profile(template: FloatArray, columns: Columns, lattice: Lattice) -> ColumnProfile:
    """Least-squares fit of equal Gaussians to the mean cell (m1, m2), overlap included."""
    samples = np.moveaxis(np.indices(template.shape), 0, -1) / np.array(template.shape)
    offsets = (samples[..., None, :] - columns.fractions) @ lattice.basis_px
    shifts = np.indices((2 * REACH + 1, 2 * REACH + 1)).reshape(2, -1).T - REACH
    images = offsets[..., None, :] + shifts @ lattice.basis_px
    data = template.ravel().astype(float)

    def fitted(width_px: float) -> tuple[float, FloatArray]:
        overlap = np.exp(-(images**2).sum(axis=-1) / (2 * width_px**2)).sum(axis=-1)
        design = np.column_stack([np.ones(len(data)), overlap.reshape(len(data), -1)])
        heights = np.linalg.lstsq(design, data, rcond=None)[0]
        return float(((design @ heights - data) ** 2).sum()), heights[1:]

    low, high = (share * columns.scale_px for share in WIDTHS)
    width = optimize.minimize_scalar(
        lambda width_px: fitted(width_px)[0], bounds=(low, high), method="bounded"
    )
    width_px = float(width.x)
    return ColumnProfile(width_px=width_px, heights=fitted(width_px)[1])
