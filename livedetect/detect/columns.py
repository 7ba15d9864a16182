"""Atomic columns of the mean unit cell, and the sites at which the detector looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.lattice import Lattice

COLUMN_RADIUS = 0.22
"""A column is the highest point within this many lattice constants."""
COVERING_RADIUS = 0.36
"""No point of the cell may lie farther from a site, in units of the column scale."""
MIN_HEIGHT = 0.06
MAX_COLUMNS = 24
MAX_SITES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Column positions in one unit cell."""

    fractions: FloatArray
    """(n, 2) positions in cell fractions, highest column first."""
    heights: FloatArray
    """(n,) contrast over the darkest point of the cell, data units."""
    bright: bool
    """False for inverted contrast (annular bright field)."""
    scale_px: float
    """Lattice constant of a simple cell with columns this dense: min(a, sqrt(3) nn), px."""


def find_columns(cell: FloatArray, lattice: Lattice) -> Columns:
    """Columns of a mean cell (n, n) sampled on a regular grid of cell fractions."""
    bright = cell.max() - np.median(cell) >= np.median(cell) - cell.min()
    height = cell - cell.min() if bright else cell.max() - cell
    radius = COLUMN_RADIUS * lattice.constant_px
    for _ in range(2):  # a dense cell needs a smaller disk than its lattice constant suggests
        fractions, heights = _maxima(height, lattice, radius)
        spacing = _nearest_distance(fractions, lattice)
        scale = min(lattice.constant_px, float(np.sqrt(3) * spacing))
        smaller = max(0.4 * radius, 1.5)
        radius = radius if len(cell) < 48 else min(radius, smaller)
    return Columns(fractions=fractions, heights=heights, bright=bool(bright), scale_px=scale)


def covering_sites(columns: Columns, lattice: Lattice, samples: tuple[int, int]) -> IntArray:
    """(s, 2) sample indices within the cell: the columns, then hollows until all is covered."""
    sites = list(dict.fromkeys(map(tuple, _to_samples(columns.fractions, samples).tolist())))
    points = np.indices(samples).reshape(2, -1).T
    distance = _cell_distance(points, np.array(sites), lattice, samples).min(axis=1)
    limit = COVERING_RADIUS * columns.scale_px * 1.05
    while distance.max() > limit and len(sites) < MAX_SITES:
        hollow = points[distance.argmax()]
        sites.append(tuple(hollow.tolist()))
        extra = _cell_distance(points, hollow[None], lattice, samples)[:, 0]
        distance = np.minimum(distance, extra)
    return np.array(sites, dtype=np.int64)


def _maxima(height: FloatArray, lattice: Lattice, radius: float) -> tuple[FloatArray, FloatArray]:
    n = len(height)
    grid = np.indices((n, n)).reshape(2, -1).T
    distance = _cell_distance(grid, np.zeros((1, 2), int), lattice, (n, n)).reshape(n, n)
    footprint = np.fft.fftshift(distance <= radius)
    highest = ndimage.maximum_filter(height, footprint=footprint, mode="wrap")
    rows, cols = np.nonzero((height >= highest) & (height > MIN_HEIGHT * height.max()))
    order = np.argsort(-height[rows, cols])[:MAX_COLUMNS]
    return np.stack([rows, cols], axis=1)[order] / n, height[rows, cols][order]


def _nearest_distance(fractions: FloatArray, lattice: Lattice) -> float:
    """Shortest distance between two columns, periodic images included, px."""
    neighbours = _shifts()
    delta = fractions[:, None, None] - fractions[None, :, None] + neighbours
    length = np.hypot(*np.moveaxis(delta @ lattice.basis_px, -1, 0))
    return float(length[length > 1e-6].min())


def _cell_distance(
    points: IntArray,
    sites: IntArray,
    lattice: Lattice,
    samples: tuple[int, int],
) -> FloatArray:
    """(points, sites) shortest periodic distance, px; both in sample indices."""
    delta = (points[:, None, None] - sites[None, :, None]) / np.array(samples) + _shifts()
    lengths = np.hypot(*np.moveaxis(delta @ lattice.basis_px, -1, 0))
    return np.asarray(lengths.min(axis=2))


def _shifts() -> FloatArray:
    return np.stack(np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]), axis=-1).reshape(-1, 2)


def _to_samples(fractions: FloatArray, samples: tuple[int, int]) -> IntArray:
    scaled = np.round(fractions * np.array(samples)).astype(np.int64)
    return np.asarray(scaled % np.array(samples))
