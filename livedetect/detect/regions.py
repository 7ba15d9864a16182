"""Extended changes: holes, lines, domains, phases; one event each instead of a shower.

Cells of the lattice whose sites are flagged are joined; what is larger and more compact
than point defects can be is a region. It keeps its place, may grow, and what happens
inside it is no news.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage import measure

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.fringe import changed_themselves
from livedetect.detect.grid import Grid, shifted
from livedetect.detect.region_kinds import kind_of_change
from livedetect.detect.time_window import Window

MIN_CELLS = 12
"""Unit cells from which on a connected change is a region."""
CORE_CELLS = 9
"""A 3 x 3 block is more than neighbouring point defects flag completely."""
NEAR = 1.5
"""Lengths of the longer lattice vector as far away as which a cell is still a neighbour: on a
hexagonal lattice a round change holds blocks of seven cells, and hardly ever one of 3 x 3."""
NEAR_CELLS = 10
"""Cells in such blocks, two of them side by side, that have changed by themselves."""
EVEN_SHARE = 0.25
"""Of the best score nearby, which they reach: several vacancies side by side are less even."""
FAINT = 0.1
"""Of the usual score inside a region, which cells that join it must reach."""
SOLID_SHARE = 0.5
"""Of a cell's sites: at its rim a region reaches into cells that are still crystal."""
INSIDE_SHARE = 0.25
"""Of a region: of a faint phase fewer cells are flagged by their own sites, here and there."""
LINE_ELONGATION = 4.0
"""Length over width from which on a region is a line."""
LINE_CELLS = 10.0
"""Length of a line at least: a few vacancies in a row are point defects."""
FINE = 4
"""Steps per cell in which an outline is drawn, so that it does not cut corners."""
SETTLING_FRAMES = 2
"""A region is told of so many frames after it was found: its outline is better by then."""
BEGINNING_FRAMES = 1
"""And so many more if it was neither filled nor a line yet."""
LASTING_SHARE = 0.25
"""Of its mean change that the latest frame must show: a block that was missing in one frame stays
in the longest window for seven more."""
ENTERING_REACH = 3
"""Cells around what moves into the view: its front shows piece by piece."""
SETTLING_REACH = 5
"""Cells around a region that has just been found, in which no marker is set yet."""
RIM_CELLS = 3
"""So far into what cannot be judged a region is taken to go on."""
ENTERING_SHARE = 0.3
"""Of an elongated region that lies along the rim: what enters the view there is no line."""
EVERYWHERE = np.ones((3, 3), bool)
"""Cells that touch each other, corners included."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class InView:
    """Which unit cells lie in the frame, and which of them are judged."""

    judged: BoolArray
    """(n1, n2)."""
    shown: BoolArray
    """(n1, n2), the rim of the frame included."""

    def continued(self, mask: BoolArray) -> BoolArray:
        """A mask (n1, n2) of judged cells, carried on into the rim beside it."""
        if not self.judged.any():
            return mask
        distance, nearest = ndimage.distance_transform_edt(~self.judged, return_indices=True)
        rim = self.shown & ~self.judged & (distance <= RIM_CELLS)
        return np.asarray(mask | (rim & mask[tuple(nearest)]))


class Regions:
    """All regions of a grid, by unit cell."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self.number = np.full(grid.cells, -1)
        """(n1, n2) number of the region a cell belongs to, -1 for the crystal."""
        self._fringe = np.zeros(grid.cells, bool)
        """(n1, n2) cells of regions that are flagged beside what has changed, and no more."""
        self._usual: list[float] = []
        """Median score in each region, of the latest frame in which it had any."""
        self._settling: list[tuple[int, int]] = []  # number, frames until it is told of
        self._entering: list[int] = []
        self._ahead = np.zeros(grid.cells, bool)

    @property
    def cells(self) -> BoolArray:
        """(n1, n2) True inside any region."""
        return np.asarray(self.number >= 0)

    @property
    def _count(self) -> int:
        return len(self._usual)

    @property
    def surroundings(self) -> BoolArray:
        """(n1, n2) True inside a region or within one cell of it."""
        if self._count == 0:
            return np.zeros(self._grid.cells, bool)
        return np.asarray(ndimage.binary_dilation(self.cells, EVERYWHERE))

    @property
    def doubtful(self) -> BoolArray:
        """(n1, n2) True where a marker may turn out to belong to a region that fills in."""
        unsettled = [number for number, left in self._settling if left > 0]
        near = self.surroundings | self._ahead
        for numbers, reach in ((unsettled, SETTLING_REACH), (self._entering, ENTERING_REACH)):
            if numbers:
                cells = np.isin(self.number, numbers)
                near = near | ndimage.binary_dilation(cells, EVERYWHERE, iterations=reach)
        return near

    def grow(self, flagged: BoolArray, score: FloatArray) -> list[int]:
        """Take in the flagged cells (n1, n2) of a frame; returns the numbers of new regions.

        A region is told of a little after it was found, when its outline has filled in. `score`
        (n1, n2) is the best of each cell's flagged sites: what is much fainter than a region is
        no part of it, or beside a hole a contamination would be lost to it cell by cell.
        """
        in_view = np.unique(self.number[self.cells])
        self._settling = [
            (number, left - 1) for number, left in self._settling if left > 0 and number in in_view
        ]
        if flagged.any():
            self._take_in(flagged, score)
        return [number for number, left in self._settling if left == 0]

    def take_back(self, windows: Sequence[Window]) -> bool:
        """Forget what has not been told of yet, if the latest frame alone shows it no more.

        True if there was such: a block that was missing in one frame only. `windows` are those
        of the latest frame, the shortest first.
        """
        over = any(left > 0 and not self._lasts(number, windows) for number, left in self._settling)
        if over:
            self.disown([])
        return over

    def _lasts(self, number: int, windows: Sequence[Window]) -> bool:
        """Whether the latest frame shows enough of what the longest window has on average."""
        latest, longest = windows[0], windows[-1]
        inside = self._grid.spread(self.number == number) & latest.valid & longest.valid
        mean, count = longest.z[inside], np.count_nonzero(inside)
        # both hold the noise of the latest frame, which is no part of the change
        both = float(latest.z[inside] @ mean) * math.sqrt(longest.frames / latest.frames) - count
        return bool(both >= LASTING_SHARE * (float(mean @ mean) - count))

    def _take_in(self, flagged: BoolArray, score: FloatArray) -> None:
        changed = changed_themselves(score)
        if self.cells.any():
            self._extend(flagged, score, changed)
            labels, _ = ndimage.label(flagged | self.surroundings, EVERYWHERE)
            # what hangs together with a region by its fringe only is none of its own by that
            beside = np.isin(labels, labels[self.cells])
            flagged = flagged & ~self.surroundings & (changed | ~beside)
        labels, _ = ndimage.label(flagged, EVERYWHERE)
        large = np.bincount(labels.ravel()) >= MIN_CELLS
        large[0] = False
        for label in np.flatnonzero(large).tolist():
            component = labels == label
            if is_extended(component, score, self._grid.lattice.basis_px):
                more = 0 if _is_filled(component) else BEGINNING_FRAMES
                self._settling.append((self._count, SETTLING_FRAMES + more))
                self._add(component)

    def _extend(self, flagged: BoolArray, score: FloatArray, changed: BoolArray) -> None:
        """Let known regions take in what has `changed` by itself and touches them, (n1, n2) each.

        Flagged cells around that join as well, but nothing spreads from them: from the fringe of
        one point defect to the next a region would reach them all. A cell belongs to the region
        nearest to it, unless it is much fainter than that one usually is.
        """
        nearest = ndimage.distance_transform_edt(
            ~self.cells, return_distances=False, return_indices=True
        )
        number = self.number[tuple(nearest)]
        enough = flagged & (score >= FAINT * self._usual_scores(score)[number])
        inside = self.cells & ~self._fringe
        labels, _ = ndimage.label((enough & changed) | inside, EVERYWHERE)
        grown = (labels > 0) & np.isin(labels, labels[inside])
        taken = ndimage.binary_dilation(grown, EVERYWHERE) & enough & ~self.cells
        self.number[taken] = number[taken]
        self._fringe = (self._fringe | taken) & ~grown

    def _usual_scores(self, score: FloatArray) -> FloatArray:
        """(regions,) see `_usual`, 0 for those that have never had any."""
        scored = np.where(score > 0, self.number, -1)
        for number in np.unique(scored[scored >= 0]).tolist():
            self._usual[number] = float(np.median(score[scored == number]))
        return np.array(self._usual)

    def _add(self, cells: BoolArray) -> int:
        """Make `cells` (n1, n2) a region; returns its number."""
        self.number[cells] = number = self._count
        self._fringe[cells] = False
        self._usual.append(0.0)
        return number

    def claim(self, cells: IntArray, ahead: IntArray) -> int:
        """Make cells (n, 2) a region; returns its number, -1 if a known one has grown.

        Where it is going to grow, in the cells `ahead` (n, 2), markers are doubtful.
        """
        self._ahead[tuple(ahead.T)] = True
        theirs = self.number[tuple(cells.T)]
        known, free = int(theirs.max()), np.zeros(self._grid.cells, bool)
        free[tuple(cells[theirs < 0].T)] = True
        if known < 0:
            return self._add(free)
        self.number[free] = known
        return -1

    def move(self, grid: Grid, cells: tuple[int, int]) -> None:
        """Follow a grid that has moved by whole cells."""
        self._grid = grid
        self.number = shifted(self.number + 1, cells) - 1
        self._fringe, self._ahead = shifted(self._fringe, cells), shifted(self._ahead, cells)

    def solid(self, number: int, share: FloatArray) -> BoolArray:
        """(n1, n2) cells of a region that are flagged for the most part, by their `share`."""
        return _solid(self.number == number, share)

    def disown(self, numbers: Sequence[int]) -> None:
        """Forget regions, and those not told of yet; their numbers are not given again."""
        unsettled = [number for number, _ in self._settling]
        self.number[np.isin(self.number, [*numbers, *unsettled])] = -1
        self._fringe &= self.cells
        self._settling = []
        self._ahead[...] = False

    def inherit(self, earlier: Regions, offset: FloatArray) -> None:
        """Know the regions of another grid whose sample coordinates, plus `offset`, are ours."""
        cells = np.moveaxis(np.indices(self._grid.cells), 0, -1)
        places = self._place(cells.astype(float)) - offset - earlier._grid.origin
        there = np.floor(places @ earlier._grid.lattice.reciprocal.T).astype(np.int64)
        inside = ((there >= 0) & (there < earlier.number.shape)).all(axis=-1)
        found = tuple(there[inside].T)
        self.number[inside] = earlier.number[found]
        self._fringe[inside], self._ahead[inside] = earlier._fringe[found], earlier._ahead[found]
        self._usual = list(earlier._usual)
        self._settling, self._entering = list(earlier._settling), list(earlier._entering)

    def describe(
        self,
        number: int,
        mask: BoolArray,
        change: FloatArray,
        template: FloatArray,
        view: InView,
    ) -> Region:
        """A region's shape and kind.

        Parameters
        ----------
        mask : (n1, n2) its cells, see `solid`.
        change : (P, Q) what differs from the baseline now, in units of the template.
        template : (m1, m2) mean unit cell.
        view : which cells can be judged.
        """
        whole = view.continued(mask)
        cell_area = abs(float(np.linalg.det(self._grid.lattice.basis_px)))
        changed = self._grid.by_cell(change).transpose(0, 2, 1, 3)[mask]
        kind = kind_of_change(changed, template)
        if _enters(mask, whole):
            self._entering.append(number)
        elif _is_line(mask):
            kind = "line"
        return Region(
            number=number,
            kind=kind,
            outline=self._outline(whole),
            centre=self._place(np.array(_innermost(mask), float)),
            area_px2=float(whole.sum()) * cell_area,
        )

    def _outline(self, mask: BoolArray) -> FloatArray:
        """Longest contour of a mask (n1, n2) as polygon (x, y) in sample coordinates."""
        fine = np.kron(np.pad(mask, 1), np.ones((FINE, FINE)))
        longest = max(measure.find_contours(fine, 0.5), key=len)
        corners = measure.approximate_polygon(longest, FINE / 4)
        return self._place((corners + 0.5) / FINE - 1.5)

    def _place(self, cells: FloatArray) -> FloatArray:
        """Sample positions (..., 2) of the centres of cells (..., 2)."""
        return np.asarray(self._grid.origin + (cells + 0.5) @ self._grid.lattice.basis_px)


def is_extended(component: BoolArray, score: FloatArray, basis_px: FloatArray) -> bool:
    """True for a connected set of cells that no group of point defects explains.

    Parameters
    ----------
    component : (n1, n2) the set.
    score : (n1, n2) the best of each cell's flagged sites, 0 without any.
    basis_px : (2, 2) lattice vectors (x, y).
    """
    if component.sum() < MIN_CELLS:
        return False
    rows, cols = np.nonzero(component)
    box = slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1)
    if _is_filled(component[box]):
        return True
    even = component & changed_themselves(score, EVEN_SHARE)
    near = ndimage.binary_opening(even[box], _neighbours(basis_px))
    return bool(near.sum() >= NEAR_CELLS)


def _is_filled(mask: BoolArray) -> bool:
    """True for a set of cells with a block of 3 x 3, or in a line."""
    return bool(ndimage.binary_opening(mask, EVERYWHERE).sum() >= CORE_CELLS or _is_line(mask))


def _neighbours(basis_px: FloatArray) -> BoolArray:
    """(3, 3) a cell and those of its eight neighbours that lie near, on an oblique lattice."""
    steps = np.moveaxis(np.indices((3, 3)) - 1, 0, -1) @ basis_px
    return np.asarray(np.hypot(*np.moveaxis(steps, -1, 0)) <= NEAR * np.hypot(*basis_px.T).max())


def _solid(mask: BoolArray, share: FloatArray) -> BoolArray:
    """The cells of a mask (n1, n2) that are flagged for the most part, if they are its inside."""
    solid = mask & (share >= SOLID_SHARE)
    inside = solid.sum() >= max(CORE_CELLS, INSIDE_SHARE * mask.sum())
    return solid if inside else mask


def _innermost(mask: BoolArray) -> tuple[int, ...]:
    """The cell of a mask that lies farthest from its rim."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return int(row) - 1, int(col) - 1


def _axes(mask: BoolArray) -> tuple[float, float]:
    """Full length and width of a set of cells, in cells, from its second moments."""
    row, col = np.nonzero(mask)
    off = np.stack([row - row.mean(), col - col.mean()])
    (a, c), (_, b) = (off @ off.T / max(len(row) - 1, 1) + np.eye(2) / 12).tolist()
    middle, apart = (a + b) / 2, math.hypot((a - b) / 2, c)
    return math.sqrt(12 * (middle + apart)), math.sqrt(12 * max(middle - apart, 0.0))


def _is_line(mask: BoolArray) -> bool:
    length, width = _axes(mask)
    return length >= LINE_CELLS and length >= LINE_ELONGATION * width


def _enters(mask: BoolArray, whole: BoolArray) -> bool:
    """True if much of a mask (n1, n2) lies beside its part `whole` that nobody can judge."""
    beside = ndimage.binary_dilation(whole & ~mask, EVERYWHERE)
    return float((mask & beside).sum()) > ENTERING_SHARE * float(mask.sum())
