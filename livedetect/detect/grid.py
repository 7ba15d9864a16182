"""The lattice-commensurate grid on which everything after registration lives.

The grid has a whole number of samples per unit cell, so the same place of every cell
falls on the same sample and a cell is a slice. It follows the specimen: when drift
carries the view towards its margin, it is moved by whole cells (`Grid.follow`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.lattice import Lattice

SAMPLE_SPACING_PX = 2.0
"""Fine enough for columns of any width that a frame can show."""
LEAST_SAMPLES = 4
"""Of a unit cell, along each axis."""
MARGIN_CELLS = 4
"""Cells kept beyond the view on every side, room for drift before the grid must move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Sample positions ``origin + p a1 / m1 + q a2 / m2`` for p < m1 n1 and q < m2 n2."""

    lattice: Lattice
    """Lattice that the grid divides."""
    cells: tuple[int, int]
    """(n1, n2) number of unit cells."""
    samples: tuple[int, int]
    """(m1, m2) samples per unit cell."""
    origin: FloatArray
    """(x, y) of sample (0, 0), sample coordinates, px."""
    anchor: FloatArray
    """(x, y) drift for which the grid is centred, px."""

    @classmethod
    def covering(
        cls,
        lattice: Lattice,
        shape: tuple[int, ...],
        origin: FloatArray | None = None,
        spacing_px: float = SAMPLE_SPACING_PX,
    ) -> Grid:
        """The grid that covers frames of `shape` (H, W); cell corners lie on `origin` (x, y).

        Samples lie about `spacing_px` apart, a whole number of them to a lattice vector.
        """
        height, width = shape
        centre = np.array([width / 2, height / 2]) if origin is None else origin
        corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) - centre
        index = corners @ lattice.reciprocal.T
        low = np.floor(index.min(axis=0)).astype(int) - MARGIN_CELLS
        high = np.ceil(index.max(axis=0)).astype(int) + MARGIN_CELLS
        lengths = np.hypot(*lattice.basis_px.T)
        samples = np.maximum(LEAST_SAMPLES, np.round(lengths / spacing_px)).astype(int)
        return cls(
            lattice=lattice,
            cells=(int(high[0] - low[0]), int(high[1] - low[1])),
            samples=(int(samples[0]), int(samples[1])),
            origin=centre + low @ lattice.basis_px,
            anchor=np.zeros(2),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(P, Q) number of samples."""
        return self.cells[0] * self.samples[0], self.cells[1] * self.samples[1]

    @property
    def steps(self) -> FloatArray:
        """(2, 2) rows: displacement (x, y) of one sample along p and q, px."""
        return np.asarray(self.lattice.basis_px / np.array(self.samples)[:, None])

    def positions(self) -> tuple[FloatArray, FloatArray]:
        """(x, y) of all samples, each (P, Q), sample coordinates, px."""
        p, q = np.indices(self.shape, dtype=np.float32)
        (ax, ay), (bx, by) = self.steps
        x = self.origin[0] + p * ax + q * bx
        y = self.origin[1] + p * ay + q * by
        return x.astype(np.float32), y.astype(np.float32)

    def cell_centres(self) -> FloatArray:
        """(n1 n2, 2) centres (x, y) of the cells, sample coordinates, px."""
        cells = np.indices(self.cells).reshape(2, -1).T + 0.5
        return np.asarray(self.origin + cells @ self.lattice.basis_px)

    def thinned(self, least_cells: int) -> tuple[Grid, IntArray]:
        """A grid of every so many cells, at least `least_cells`, and where its samples are.

        The second are flat indices (P', Q') of maps of this grid; without neighbours, places
        within the cell are all there is to the first.
        """
        step = max(1, int(np.sqrt(self.cells[0] * self.cells[1] / least_cells)))
        return self._part(slice(None, None, step), slice(None, None, step))

    def middle(self, most_cells: int) -> tuple[Grid, IntArray]:
        """The grid's middle, at most so many cells along each axis, and where its samples are."""
        within = [slice(max(0, (n - most_cells) // 2), (n + most_cells) // 2) for n in self.cells]
        return self._part(*within)

    def _part(self, first: slice, second: slice) -> tuple[Grid, IntArray]:
        places = self.by_cell(np.arange(self.shape[0] * self.shape[1]))[first, :, second]
        part = replace(self, cells=(places.shape[0], places.shape[2]))
        return part, places.reshape(part.shape)

    def by_cell(self, values: FloatArray) -> FloatArray:
        """View (P, Q) as (n1, m1, n2, m2)."""
        return values.reshape(self.cells[0], self.samples[0], self.cells[1], self.samples[1])

    def whole_cells(self, mask: BoolArray) -> BoolArray:
        """(n1, n2) True for cells whose every sample is in `mask` (P, Q)."""
        # one axis after the other: five times as fast as both at once
        return np.asarray(np.all(np.all(self.by_cell(mask), axis=1), axis=2))

    def tiled(self, cell: FloatArray) -> FloatArray:
        """One cell (m1, m2) repeated over the grid, (P, Q)."""
        return np.tile(cell, self.cells)

    def read(self, values: FloatArray, positions: FloatArray) -> FloatArray:
        """(n,) a map (P, Q) between its samples, at sample coordinates (n, 2); NaN outside."""
        index = (positions - self.origin) @ self.lattice.reciprocal.T * self.samples
        return np.asarray(ndimage.map_coordinates(values, index.T, order=1, cval=np.nan))

    def spread(self, per_cell: FloatArray) -> FloatArray:
        """One value per cell (n1, n2) repeated over its samples, (P, Q)."""
        m1, m2 = self.samples
        return np.repeat(np.repeat(per_cell, m1, axis=0), m2, axis=1)

    def shifted(self, values: FloatArray, cells: tuple[int, int]) -> FloatArray:
        """A map (P, Q) after the grid has moved by `cells`; what enters is zero."""
        return shifted(values, (cells[0] * self.samples[0], cells[1] * self.samples[1]))

    def follow(self, drift: FloatArray) -> tuple[Grid, tuple[int, int]]:
        """Move the grid by whole cells when `drift` (x, y) has used up half its margin.

        Returns the grid and the number of cells (c1, c2) by which maps on it must be
        shifted with `shifted`; (0, 0) as long as nothing changes.
        """
        off = (drift - self.anchor) @ self.lattice.reciprocal.T
        if np.abs(off).max() < MARGIN_CELLS - 1:
            return self, (0, 0)
        whole = np.round(off).astype(int)
        move = whole @ self.lattice.basis_px
        moved = replace(self, origin=self.origin - move, anchor=self.anchor + move)
        return moved, (int(whole[0]), int(whole[1]))


def shifted(values: FloatArray, offset: tuple[int, int]) -> FloatArray:
    """Shift an array's first two axes by `offset`, filling what enters with zeros."""
    result = np.zeros_like(values)
    sources, targets = [], []
    for length, step in zip(values.shape, offset, strict=False):
        sources.append(slice(max(0, -step), max(0, min(length, length - step))))
        targets.append(slice(max(0, step), max(0, min(length, length + step))))
    result[tuple(targets)] = values[tuple(sources)]
    return result
