"""Phased site patches: the residual around every site of the lattice, as a descriptor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.columns import Columns, covering_sites
from livedetect.detect.grid import Grid
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.experts import Looked
from livedetect.detect.kernels.maps import Around

PATCH_RADIUS = 0.358
"""0.62 nearest-column distances of a honeycomb, in units of the column scale."""
BORDER_CELLS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """Descriptors of selected sites in their most anomalous time window."""

    site: IntArray
    """(n,) index of the site."""
    score: FloatArray
    """(n,) novelty."""
    z: FloatArray
    """(n, d) patch of the window that scored highest."""
    window_frames: IntArray
    """(n,) length of that window."""

    @classmethod
    def empty(cls, sites: IntArray, length: int) -> Patches:
        """No score yet for `sites` (n,) with patches of `length` samples."""
        count = len(sites)
        return cls(
            site=sites,
            score=np.full(count, -np.inf),
            z=np.zeros((count, length), np.float32),
            window_frames=np.ones(count, np.int64),
        )

    def select(self, chosen: BoolArray | IntArray) -> Patches:
        """Only the `chosen` (n,) ones."""
        return Patches(
            site=self.site[chosen],
            score=self.score[chosen],
            z=self.z[chosen],
            window_frames=self.window_frames[chosen],
        )


class SitePatches:
    """Index tables of the patch around every site of a grid."""

    DERIVED = ("positions", "_around", "_disks", "_asked")

    _asked: tuple[FloatArray, IntArray]
    """Positions (n, 2) asked for last, and the sites nearest to them."""

    def __init__(self, grid: Grid, columns: Columns) -> None:
        self._grid = grid
        self._cell_sites = covering_sites(columns, grid.lattice, grid.samples)
        self._columns = columns
        self._disks: dict[float, IntArray] = {}
        self._offsets = self._disk(PATCH_RADIUS * columns.scale_px)
        self.offsets_px = self._offsets @ grid.steps
        """(d, 2) positions (x, y) of the patch's samples relative to its site, px."""
        self._place()

    def __len__(self) -> int:
        """Number of sites."""
        return len(self.positions)

    @property
    def cells(self) -> tuple[int, int]:
        """(n1, n2) of the grid."""
        return self._grid.cells

    @property
    def shape(self) -> tuple[int, int]:
        """(P, Q) of the maps that the patches lie in."""
        return self._grid.shape

    def move(self, grid: Grid) -> None:
        """Follow a grid that has moved by whole cells."""
        self._grid = grid
        self._place()

    def restore_derived(self) -> None:
        """Make the index tables anew, after a state has been restored."""
        self._disks = {}
        self._place()

    def take(self, values: FloatArray, sites: IntArray | None = None) -> FloatArray:
        """Patches (n, d) of a map (P, Q) at `sites`, by default at all."""
        return np.asarray(values.ravel()[self._at(sites).samples])

    def samples(self, sites: IntArray) -> IntArray:
        """(n, d) flat indices of the patches of `sites` (n,) in maps (P, Q)."""
        return self._at(sites).samples

    def all_true(
        self, cover: BoolArray | IntArray, sites: IntArray | None = None, least: int = 1
    ) -> BoolArray:
        """(n,) True for sites whose whole patch lies where `cover` (P, Q) is at least `least`."""
        return form(COMPILED).all_true(cover, self._at(sites), least)

    def nearest(self, positions: FloatArray) -> IntArray:
        """(n,) site nearest to each position (n, 2), sample coordinates.

        The answer is kept: the same defects are asked for in every frame.
        """
        before, sites = self._asked
        if not np.array_equal(before, positions):
            sites = self.sites_at(positions)
            self._asked = positions.copy(), sites
        return sites

    def sites_at(self, positions: FloatArray) -> IntArray:
        """As `nearest`, of positions that are asked for once."""
        n1, n2 = self._grid.cells
        inner = (n1 - 2 * BORDER_CELLS, n2 - 2 * BORDER_CELLS)
        cells = self.cell_of(positions) - BORDER_CELLS
        return form(COMPILED).nearest_site(positions, cells, self.positions, inner)

    def notable(self, bits: IntArray, watched: BoolArray) -> IntArray:
        """(sites,) uint8, the `bits` (P, Q) of time windows set anywhere in the watched patches."""
        return form(COMPILED).any_bits(bits, self._around, watched)

    def looked(self, z: FloatArray, frames: IntArray, sites: IntArray, notable: IntArray) -> Looked:
        """Patches of `sites` (n,) in the maps z (w, P, Q) of windows of `frames` (w,).

        `notable` (n,) uint8 has a bit for each of the windows in which to look at the site.
        """
        return Looked(
            z=z,
            frames=frames,
            patches=self._around.at(sites).samples,
            sublattice=self.sublattices(sites),
            notable=notable,
        )

    def centroids(self, patches: Patches) -> FloatArray:
        """(n, 2) |z|⁴ centroid of each patch, (x, y) in sample coordinates, px."""
        weight = np.abs(patches.z).astype(float) ** 4
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-30)
        return np.asarray(self.positions[patches.site] + weight @ self.offsets_px)

    def share_of_cells(self, sites: IntArray) -> FloatArray:
        """(n1, n2) part of the sites of each unit cell that are among `sites`."""
        result = np.zeros(self._grid.cells, np.float32)
        np.add.at(result, self.cells_with(sites), 1 / self.sites_per_cell)
        return result

    def best_of_cells(self, patches: Patches) -> FloatArray:
        """(n1, n2) highest score of the `patches` of each unit cell, 0 without any."""
        result = np.zeros(self._grid.cells, np.float32)
        np.maximum.at(result, self.cells_with(patches.site), patches.score)
        return result

    def cells_with(self, sites: IntArray) -> tuple[IntArray, IntArray]:
        """Indices (n,), (n,) of the unit cells in which the samples of `sites` (n,) lie."""
        n2 = self._grid.cells[1] - 2 * BORDER_CELLS
        within = sites % self._cells_used
        return within // n2 + BORDER_CELLS, within % n2 + BORDER_CELLS

    def cell_of(self, positions: FloatArray) -> IntArray:
        """(n, 2) unit cell of each position (n, 2), sample coordinates."""
        cells = (positions - self._grid.origin) @ self._grid.lattice.reciprocal.T
        last = np.array(self._grid.cells) - 1
        return np.asarray(np.clip(np.floor(cells), 0, last), dtype=np.int64)

    def of_cell(self, cells: BoolArray | IntArray) -> FloatArray:
        """(sites,) value of a map of unit cells (n1, n2) at every site."""
        inner = cells[BORDER_CELLS:-BORDER_CELLS, BORDER_CELLS:-BORDER_CELLS].ravel()
        return np.tile(inner, len(self._cell_sites))

    def share_in(self, cells: BoolArray, watched: BoolArray) -> float:
        """Share of the `watched` sites (sites,) that lie in `cells` (n1, n2)."""
        if not cells.any() or not watched.any():
            return 0.0
        return float(self.of_cell(cells)[watched].mean())

    def on_cells(
        self, values: FloatArray, sublattice: int, weights: FloatArray, watched: BoolArray
    ) -> FloatArray:
        """(n1, n2) weighted sum (d,) of a map (P, Q) around one site of every cell.

        0 where the site is not `watched` (sites,).
        """
        sites = slice(sublattice * self._cells_used, (sublattice + 1) * self._cells_used)
        result = np.zeros(self._grid.cells, np.float32)
        inner = result[BORDER_CELLS:-BORDER_CELLS, BORDER_CELLS:-BORDER_CELLS]
        sums = form(COMPILED).weighted(values, self._around.at(sites), weights, watched[sites])
        inner[...] = sums.reshape(inner.shape)
        return result

    def at_sites(self, values: BoolArray, sublattice: int) -> BoolArray:
        """(n1, n2) value of a map (P, Q) at one site of every cell."""
        first, second = self._cell_sites[sublattice]
        return np.asarray(self._grid.by_cell(values)[:, first, :, second])

    def place_in(self, cells: IntArray, sublattice: int) -> FloatArray:
        """(n, 2) sample coordinates of a site in unit cells (n, 2), px."""
        samples = cells * np.array(self._grid.samples) + self._cell_sites[sublattice]
        sample_px = self._grid.origin + samples @ self._grid.steps
        return np.asarray(sample_px + self.to_columns[sublattice])

    @property
    def sites_per_cell(self) -> int:
        """Columns and hollows of one cell."""
        return len(self._cell_sites)

    def sublattices(self, sites: IntArray) -> IntArray:
        """(n,) which column of the cell (highest first); hollows count on behind them."""
        return np.asarray(sites // self._cells_used)

    def is_column(self, sublattice: int) -> bool:
        """True if a site of the cell is an atomic column, False for a hollow."""
        return sublattice < len(self._columns.fractions)

    @property
    def to_columns(self) -> FloatArray:
        """(s, 2) from a site's sample to the true place of its column, (x, y), px; 0 in hollows."""
        columns = self._columns.fractions
        off = columns - self._cell_sites[: len(columns)] / np.array(self._grid.samples)
        result = np.zeros((self.sites_per_cell, 2))
        result[: len(columns)] = (off - np.round(off)) @ self._grid.lattice.basis_px
        return result

    def of_site(self, cell: FloatArray, sublattice: int) -> FloatArray:
        """(d,) patch of a periodic map (m1, m2) around a site of the cell."""
        samples = (self._cell_sites[sublattice] + self._offsets) % np.array(cell.shape)
        return np.asarray(cell[tuple(samples.T)])

    def footprint(self, positions: FloatArray, radius_px: float) -> BoolArray:
        """(P, Q) True within `radius_px` of any position (n, 2), sample coordinates."""
        mask = np.zeros(self._grid.shape, bool)
        centres = np.round((positions - self._grid.origin) @ np.linalg.inv(self._grid.steps))
        form(COMPILED).mark_samples(centres.astype(np.int64), self._disk(radius_px), mask)
        return mask

    def _disk(self, radius_px: float) -> IntArray:
        """(d, 2) samples within a radius; the grid's steps never change."""
        if radius_px not in self._disks:
            self._disks[radius_px] = self._new_disk(radius_px)
        return self._disks[radius_px]

    def _new_disk(self, radius_px: float) -> IntArray:
        reach = int(np.ceil(radius_px / np.hypot(*self._grid.steps.T).min() * 1.3)) + 2
        square = np.indices((2 * reach + 1, 2 * reach + 1)).reshape(2, -1).T - reach
        return np.asarray(square[np.hypot(*(square @ self._grid.steps).T) <= radius_px])

    def _place(self) -> None:
        self._asked = (np.zeros((0, 2)), np.zeros(0, np.int64))
        n1, n2 = self._grid.cells
        m1, m2 = self._grid.samples
        cell1, cell2 = np.meshgrid(
            np.arange(BORDER_CELLS, n1 - BORDER_CELLS),
            np.arange(BORDER_CELLS, n2 - BORDER_CELLS),
            indexing="ij",
        )
        self._cells_used = cell1.size
        p = np.concatenate([(cell1 * m1 + site[0]).ravel() for site in self._cell_sites])
        q = np.concatenate([(cell2 * m2 + site[1]).ravel() for site in self._cell_sites])
        self.positions = self._grid.origin + np.stack([p, q], axis=1) @ self._grid.steps
        self._around = Around(
            *(
                cast("IntArray", (rows * self._grid.shape[1] + cols).astype(np.int32))
                for rows, cols in ((p, q), self._offsets.T)
            )
        )

    def _at(self, sites: IntArray | None) -> Around:
        return self._around if sites is None else self._around.at(sites)
