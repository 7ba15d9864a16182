"""Extended changes: holes, lines, domains, phases; one event each instead of a shower.

Cells of the lattice whose sites are flagged are joined; what is larger and more compact
than point defects can be is a region. It keeps its place, may grow, and what happens
inside it is no news.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage import measure

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.grid import Grid, shifted

MIN_CELLS = 12
"""Unit cells from which on a connected change is a region."""
CORE_CELLS = 9
"""A 3 x 3 block is more than neighbouring point defects flag completely."""
SOLID_SHARE = 0.5
"""Of a cell's sites: at its rim a region reaches into cells that are still crystal."""
CROWD_MARKERS = 3
HELD_FRAMES = 4
"""A region shows itself within so many frames of its first markers."""
LINE_ELONGATION = 4.0
LINE_CELLS = 10.0
HOLE_SHARE = 0.6
"""Of the mean signal above the darkest place of the cell that has to be gone."""
PERIODIC_SHARE = 0.15
"""Contrast of the mean changed cell, relative to the crystal's, that makes a domain."""
EVERYWHERE = np.ones((3, 3), bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """An extended change, in sample coordinates."""

    number: int
    """Index in the order of appearance."""
    kind: str
    """hole, line, domain, phase or object."""
    outline: FloatArray
    """(n, 2) polygon (x, y), px."""
    centre: FloatArray
    """(x, y) of the place farthest from its rim, px."""
    area_px2: float
    """Area, px²."""


class Regions:
    """All regions of a grid, by unit cell."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self.number = np.full(grid.cells, -1)
        """(n1, n2) number of the region a cell belongs to, -1 for the crystal."""
        self._count = 0

    @property
    def cells(self) -> BoolArray:
        """(n1, n2) True inside any region."""
        return np.asarray(self.number >= 0)

    @property
    def surroundings(self) -> BoolArray:
        """(n1, n2) True inside a region or within one cell of it."""
        if self._count == 0:
            return np.zeros(self._grid.cells, bool)
        return np.asarray(ndimage.binary_dilation(self.cells, EVERYWHERE))

    def grow(self, flagged: BoolArray) -> list[int]:
        """Take in the flagged cells (n1, n2) of a frame; returns the numbers of new regions."""
        labels, count = ndimage.label(flagged | self.cells, EVERYWHERE)
        new = []
        for label in range(1, count + 1):
            component = labels == label
            known = self.number[component & self.cells]
            if len(known):
                self.number[component & flagged & ~self.cells] = known[0]
            elif is_extended(component):
                self.number[component] = self._count
                new.append(self._count)
                self._count += 1
        return new

    def claim(self, cells: IntArray) -> int:
        """Make cells (n, 2) a region; returns its number, -1 if a known one has grown."""
        known = self.number[tuple(cells.T)].max()
        number = self._count if known < 0 else int(known)
        self.number[tuple(cells.T)] = number
        self._count += known < 0
        return number if known < 0 else -1

    def move(self, grid: Grid, cells: tuple[int, int]) -> None:
        """Follow a grid that has moved by whole cells."""
        self._grid = grid
        self.number = shifted(self.number + 1, cells) - 1

    def describe(
        self, number: int, share: FloatArray, change: FloatArray, template: FloatArray
    ) -> Region:
        """A region's shape and kind.

        Parameters
        ----------
        share : (n1, n2) part of each cell's sites that are flagged now.
        change : (P, Q) what differs from the baseline now, in units of the template.
        template : (m1, m2) mean unit cell.
        """
        mask = _solid(self.number == number, share)
        cell_area = abs(float(np.linalg.det(self._grid.lattice.basis_px)))
        return Region(
            number=number,
            kind=_kind(mask, self._grid.by_cell(change).transpose(0, 2, 1, 3)[mask], template),
            outline=self._outline(mask),
            centre=self._place(np.array(_innermost(mask), float)),
            area_px2=float(mask.sum()) * cell_area,
        )

    def _outline(self, mask: BoolArray) -> FloatArray:
        """Longest contour of a mask (n1, n2) as polygon (x, y) in sample coordinates."""
        contours = measure.find_contours(np.pad(mask, 1).astype(float), 0.5)
        return self._place(max(contours, key=len) - 1)

    def _place(self, cells: FloatArray) -> FloatArray:
        """Sample positions (..., 2) of the centres of cells (..., 2)."""
        return np.asarray(self._grid.origin + (cells + 0.5) @ self._grid.lattice.basis_px)


class Crowds:
    """Several new markers side by side in one frame are one change until it is clear what.

    A crowd gets one marker; when it has not become a region after a while, its members are
    point defects after all.
    """

    def __init__(self, grid: Grid) -> None:
        self._age = np.zeros(grid.cells, np.int64)

    def silent(self, flagged: BoolArray, cells: IntArray, new: BoolArray) -> BoolArray:
        """(n,) markers that are not to be announced in this frame.

        Parameters
        ----------
        flagged : (n1, n2) cells that hold a flagged site, outside known regions.
        cells : (n, 2) cell of each marker, the most novel first.
        new : (n,) False for markers of known defects.
        """
        labels, _ = ndimage.label(flagged, EVERYWHERE)
        of_marker = labels[tuple(cells.T)]
        solid = ndimage.binary_opening(flagged, EVERYWHERE)
        silent = np.zeros(len(cells), bool)
        crowded = np.zeros(flagged.shape, bool)
        for label in np.unique([*of_marker[new], *labels[self._age > 0]]):
            component = (labels == label) & flagged
            members = np.flatnonzero((of_marker == label) & new)
            age = int(self._age[component].max(initial=0))
            if not (age or len(members) >= CROWD_MARKERS or (solid & component).any()):
                continue
            crowded |= component
            if age < HELD_FRAMES:
                silent[members if age else members[1:]] = True
        self._age = np.where(crowded, self._age + 1, 0)
        return silent

    def move(self, cells: tuple[int, int]) -> None:
        """Follow a grid that has moved by whole cells."""
        self._age = shifted(self._age, cells)


def is_extended(component: BoolArray) -> bool:
    """True for a connected set of cells that no group of point defects explains."""
    size = int(component.sum())
    if size < MIN_CELLS:
        return False
    core = ndimage.binary_opening(component, EVERYWHERE).sum()
    length, width = _axes(component)
    return bool(core >= CORE_CELLS or (length >= LINE_CELLS and length >= LINE_ELONGATION * width))


def _solid(mask: BoolArray, share: FloatArray) -> BoolArray:
    """The cells of a mask (n1, n2) that are flagged for the most part, if there are some."""
    solid = mask & (share >= SOLID_SHARE)
    return solid if solid.sum() >= CORE_CELLS else mask


def _innermost(mask: BoolArray) -> tuple[int, ...]:
    """The cell of a mask that lies farthest from its rim."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return int(row) - 1, int(col) - 1


def _axes(mask: BoolArray) -> tuple[float, float]:
    """Full length and width of a set of cells, in cells, from its second moments."""
    points = np.argwhere(mask).astype(float)
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(points.T) + np.eye(2) / 12))
    return float(spread[1] * np.sqrt(12)), float(spread[0] * np.sqrt(12))


def _kind(mask: BoolArray, cells: FloatArray, template: FloatArray) -> str:
    """Kind of the region from its shape and its changed cells (n, m1, m2)."""
    missing = -float(cells.mean()) / max(float(template.mean() - template.min()), 1e-12)
    length, width = _axes(mask)
    if length >= LINE_CELLS and length >= LINE_ELONGATION * width:
        return "line"
    if missing > HOLE_SHARE:
        return "hole"
    periodic = cells.mean(axis=0)
    share = float(periodic.std()) / max(float(template.std()), 1e-12)
    return "domain" if share > PERIODIC_SHARE else "phase"
