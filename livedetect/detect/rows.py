"""Lines: rows of columns that change together, each too little or too late to be a marker.

Lost atoms of WS2 line up. The output of every column's matched filter is summed along the
lattice's short vectors; clipped first, so that one or two strong defects are no row. What
stands beside a row must be unchanged, else it is the rim of something wider.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.decision import Tail, fit_tail, strictest
from livedetect.detect.grid import Grid, shifted
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.plain_lines import LENGTHS, sums
from livedetect.detect.matched import MatchedFilters
from livedetect.detect.method import Candidate
from livedetect.detect.phased import SitePatches
from livedetect.detect.regions import Region
from livedetect.detect.time_window import Window

ROW_CELLS = 10
"""Columns from which on a row is a line."""
SURE_CELLS = 8
"""Of them must have changed by the clearest of the time windows alone."""
ANY_WINDOW = 2.0
"""By how much the log likelihood of a column must be better in another window than the clearest."""
ROW_WINDOWS = (2, 4, 8)
LIMIT = 3.0
"""Standard deviations at which a column's share in a row ends."""
DIAGONAL = 1.5
"""In units of the longer basis vector: no farther apart are columns of a row."""
BESIDE = 0.4
"""Change of a neighbouring row, relative to the row's, that makes it part of something wider."""
RESTLESS, RESTLESS_SHARE = 3.0, 0.3
"""What goes up and down beside a row, in deviations of noise and of the row's own change: of
another phase the means of rows say little."""
SEEN_BESIDE = 0.5
"""Of the rows on both sides that must be watched: at the rim of the view nobody knows."""
COMPANIONS = 4.5
"""Standard deviations by which the others of a row must differ to keep a marker back."""
ALIKE = 0.5
"""Change of the others relative to a marker's own."""
AHEAD = 5
"""Columns in front of a line that will be the next to change."""
NEARBY = 8
BUSY_FRAMES = 8
PATIENCE_FRAMES = 6
"""Markers in a row become point defects after all when no line has been found by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Columns of one kind along a lattice vector."""

    column: int
    """Index in the cell."""
    cells: IntArray
    """(n, 2) unit cells, in order."""
    step: tuple[int, int]
    """Cells from one to the next."""

    def ahead(self, grid: Grid) -> IntArray:
        """(n, 2) cells of the grid into which the row may grow next."""
        steps = np.arange(1, AHEAD + 1)[:, None] * np.array(self.step)
        cells = np.concatenate([self.cells[-1] + steps, self.cells[0] - steps])
        return cells[((cells >= 0) & (cells < np.array(grid.cells))).all(axis=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What a frame shows; its maps are overwritten by the next one."""

    windows: Sequence[Window]
    """Of the lengths that rows are looked for in."""
    patches: SitePatches
    """Sites of the grid."""
    watched: BoolArray
    """(sites,) that are judged."""
    frozen: BoolArray
    """(P, Q) True under known defects."""


class RowSearch:
    """Looks for rows in the time windows of every frame."""

    DERIVED = ("_view",)

    def __init__(self, grid: Grid, patches: SitePatches, filters: MatchedFilters) -> None:
        self._steps = _short_steps(grid)
        self._columns = [s for s in range(patches.sites_per_cell) if patches.is_column(s)]
        self._filters = [filters.at(column).filters[:, 0] for column in self._columns]
        self._spread = np.ones(len(self._columns))
        self._tail = Tail(start=0.0, scale=1.0)
        self._waited = np.zeros(grid.cells, np.int64)
        self._deviates = np.zeros((0, len(self._columns), *grid.cells), np.float32)
        self._looks = self._busy_until = 0
        self._news = self._deviates  # without those of known defects
        self.restore_derived()

    def restore_derived(self) -> None:
        """A frame is looked at when it is asked for."""
        self._view: _View | None = None

    @property
    def tests(self) -> int:
        """Rows that begin in one cell."""
        return len(self._steps) * len(self._columns) * len(LENGTHS)

    def calibrate(
        self, windows: Iterable[Window], patches: SitePatches, probability: float
    ) -> None:
        """Learn from held-out warm-up frames how rows of an unchanged crystal scatter."""
        watched = np.ones(len(patches), bool)
        outputs = [self._outputs([window], patches, watched)[0] for window in windows]
        if not outputs:
            return
        pooled = np.stack(outputs)
        present = [pooled[:, index][pooled[:, index] != 0] for index in range(len(self._columns))]
        self._spread = np.array(
            [max(1.0, float(np.std(entry)) if len(entry) else 1.0) for entry in present]
        )
        tails = []
        for output in outputs:
            found = sums(self._clipped(output[None]), self._steps)
            energy = np.concatenate([(entry[entry != 0] ** 2) / 2 for _, _, entry in found])
            tails.append(fit_tail(energy))
        self._tail = strictest(tails, probability)

    def look(
        self,
        windows: Sequence[Window],
        patches: SitePatches,
        watched: BoolArray,
        frozen: BoolArray,
    ) -> None:
        """Take in the windows of a frame.

        `watched` (sites,) are judged, `frozen` (P, Q) lies under known defects.
        """
        used = [window for window in windows if window.frames in ROW_WINDOWS]
        self._looks += 1
        self._view = _View(windows=used, patches=patches, watched=watched, frozen=frozen)

    def _work_out(self) -> None:
        """Deviates of the latest frame: not every frame needs them."""
        if self._view is None:
            return
        view, self._view = self._view, None
        self._deviates = self._outputs(view.windows, view.patches, view.watched)
        known = [view.patches.at_sites(view.frozen, column) for column in self._columns]
        self._news = np.where(known, 0, self._deviates)

    @property
    def due(self) -> bool:
        """Rows grow slowly: True in every other frame, in every one while one grows."""
        return self._looks % 2 == 0 or self._looks < self._busy_until

    def find(self, probability: float) -> Row | None:
        """The clearest line of the latest frame, if there is one."""
        if not self.due:
            return None
        self._work_out()
        if not len(self._deviates):
            return None
        values = self._clipped(self._deviates)
        energy, length, step, place = form(COMPILED).strongest_row(values, self._steps)
        if energy <= self._tail.score_at(probability / self.tests):
            return None
        row = self._extended(length, step, place)
        self._busy_until = self._looks + BUSY_FRAMES
        return row if row is not None and self._is_alone(row) else None

    def kept_back(
        self, candidates: Sequence[Candidate], cells: IntArray, new: BoolArray
    ) -> BoolArray:
        """(n,) markers that stand in a row of which it is not clear yet how long it is.

        Parameters
        ----------
        cells : (n, 2) unit cell of each marker.
        new : (n,) False for markers of known defects.
        """
        rows = np.array(
            [
                fresh and self._in_a_row(candidate.sublattice, cell)
                for candidate, cell, fresh in zip(candidates, cells, new, strict=True)
            ],
            bool,
        )
        here = np.zeros_like(self._waited, bool)
        here[tuple(cells[rows].T)] = True
        self._waited = np.where(here, self._waited + 1, np.maximum(self._waited - 1, 0))
        return np.asarray(rows & (self._waited[tuple(cells.T)] <= PATIENCE_FRAMES))

    def move(self, cells: tuple[int, int]) -> None:
        """Follow a grid that has moved by whole cells."""
        self._waited = shifted(self._waited, cells)
        self._deviates = self._deviates[:0]

    def _outputs(
        self, windows: Sequence[Window], patches: SitePatches, watched: BoolArray
    ) -> FloatArray:
        """(windows, columns, n1, n2) filtered change of every column, 0 where not watched."""
        return np.array(
            [
                [
                    patches.on_cells(window.z, column, weights, watched) / spread
                    for column, weights, spread in zip(
                        self._columns, self._filters, self._spread, strict=True
                    )
                ]
                for window in windows
            ],
            np.float32,
        ).reshape(-1, len(self._columns), *patches.cells)

    def _clipped(self, outputs: FloatArray) -> FloatArray:
        return np.clip(outputs, -LIMIT, LIMIT)

    def _extended(self, length: int, step: tuple[int, int], place: tuple[int, ...]) -> Row | None:
        """The most likely ends of the row that begins at `place` (window, column, cell).

        None if it is too short for a line.
        """
        column = int(place[1])
        line, start = self._line(np.array([place[2], place[3]], int), step)
        profiles = self._deviates[:, column, line[:, 0], line[:, 1]]
        usual = np.median(profiles[:, start : start + length], axis=1)[:, None]
        gains = profiles * usual - usual**2 / 2
        clearest = gains[:, start : start + length].sum(axis=1).argmax()
        sure_first, sure_last = _best_stretch(gains[clearest])
        # what has only just changed shows in shorter windows, and noise in one of several
        gains[np.arange(len(gains)) != clearest] -= ANY_WINDOW
        first, last = _best_stretch(gains.max(axis=0))
        sure = min(last, sure_last) - max(first, sure_first)
        if last - first < ROW_CELLS or sure < SURE_CELLS:
            return None
        return Row(column=self._columns[column], cells=line[first:last], step=step)

    def _line(self, cell: IntArray, step: tuple[int, int]) -> tuple[IntArray, int]:
        """All cells (n, 2) of the grid along `step` through `cell`, and where that one is."""
        shape = np.array(self._waited.shape)
        reach = np.arange(-int(shape.max()), int(shape.max()))
        line = cell + reach[:, None] * np.array(step)
        inside = ((line >= 0) & (line < shape)).all(axis=1)
        return line[inside], int((reach[inside] < 0).sum())

    def _is_alone(self, row: Row) -> bool:
        """True if the rows of the same column on both sides have not changed as well."""
        column = self._columns.index(row.column)
        own = self._mean(column, row.cells)
        steps = [np.array(step) for step in self._steps if step != row.step]
        sides = [row.cells + sign * step for step in steps for sign in (-1, 1)]
        if min(self._watched_share(column, side) for side in sides) < SEEN_BESIDE:
            return False
        beside = [self._mean(column, side) for side in sides]
        relative = np.array([entry[own != 0] / own[own != 0] for entry in beside])
        if np.abs(relative).max(initial=0.0) >= BESIDE:
            return False
        energy, _ = self._energy(self._deviates, column, row.cells)
        for side in sides:
            restless, count = self._energy(self._news, column, side)
            chance = RESTLESS * np.sqrt(2 / np.maximum(count, 1))
            if (restless >= np.maximum(RESTLESS_SHARE * energy, chance)).any():
                return False
        return True

    def _watched_share(self, column: int, cells: IntArray) -> float:
        """Part of the cells (n, 2) in which a column is watched."""
        inside = self._inside(cells)
        judged = (self._deviates[:, column, inside[:, 0], inside[:, 1]] != 0).any(axis=0)
        return float(judged.sum()) / len(cells)

    def _mean(self, column: int, cells: IntArray) -> FloatArray:
        """(windows,) mean change of a column over cells (n, 2), those of the grid."""
        inside = self._inside(cells)
        if not len(inside):
            return np.zeros(len(self._deviates))
        return np.asarray(self._deviates[:, column, inside[:, 0], inside[:, 1]].mean(axis=1))

    def _energy(
        self, deviates: FloatArray, column: int, cells: IntArray
    ) -> tuple[FloatArray, IntArray]:
        """(windows,) mean square change of a column over cells (n, 2) beyond noise; of how many."""
        inside = self._inside(cells)
        clipped = self._clipped(deviates[:, column, inside[:, 0], inside[:, 1]])
        watched = (clipped != 0).sum(axis=1)
        return (clipped**2).sum(axis=1) / np.maximum(watched, 1) - 1, watched

    def _inside(self, cells: IntArray) -> IntArray:
        """Those of the cells (n, 2) that the grid has."""
        return cells[((cells >= 0) & (cells < np.array(self._waited.shape))).all(axis=1)]

    def _in_a_row(self, sublattice: int, cell: IntArray) -> bool:
        """Whether the columns beside one have changed alike, though less surely."""
        if sublattice not in self._columns:
            return False
        self._work_out()
        if not len(self._deviates):
            return False
        column = self._columns.index(sublattice)
        for step in self._steps:
            line, place = self._line(cell, step)
            first = max(0, place - NEARBY + 1)
            near = line[first : place + NEARBY]
            for profile in self._news[:, column, near[:, 0], near[:, 1]]:
                if _has_company(profile, place - first):
                    return True
        return False


def as_region(row: Row, number: int, grid: Grid, patches: SitePatches) -> Region:
    """The row as a line of the width that one column has to itself."""
    sites = patches.place_in(row.cells, row.column)
    along = np.array(row.step) @ grid.lattice.basis_px
    cell_area = abs(float(np.linalg.det(grid.lattice.basis_px)))
    across = np.array([-along[1], along[0]]) * cell_area / float(along @ along) / 2
    first, last = sites[0] - along / 2, sites[-1] + along / 2
    return Region(
        number=number,
        kind="line",
        outline=np.array([first - across, last - across, last + across, first + across]),
        centre=sites[len(sites) // 2],
        area_px2=cell_area * len(sites),
    )


def _has_company(profile: FloatArray, place: int) -> bool:
    """Whether a stretch of 4 to 8 columns around `place` has changed like that one."""
    own = abs(float(profile[place]))
    signed = np.minimum(profile * np.sign(profile[place]), 2 * LIMIT)
    total = [0.0, *np.cumsum(signed).tolist()]
    here = float(signed[place])
    for first in range(place + 1):
        for last in range(max(place + 1, first + 4), min(len(profile), first + NEARBY) + 1):
            others, count = total[last] - total[first] - here, last - first - 1
            if others > max(COMPANIONS * math.sqrt(count), ALIKE * own * count):
                return True
    return False


def _best_stretch(gain: FloatArray) -> tuple[int, int]:
    """First and one past the last entry of the stretch with the largest sum (Kadane)."""
    best, current, start, found = -np.inf, 0.0, 0, (0, 0)
    for index, value in enumerate(gain.tolist()):
        if current <= 0:
            current, start = 0.0, index
        current += value
        if current > best:
            best, found = current, (start, index + 1)
    return found


def _short_steps(grid: Grid) -> list[tuple[int, int]]:
    """Steps between neighbouring cells along the short lattice vectors."""
    steps = [(1, 0), (0, 1), (1, -1), (1, 1)]
    lengths = [float(np.hypot(*(np.array(step) @ grid.lattice.basis_px))) for step in steps]
    return [
        s for s, length in zip(steps, lengths, strict=True) if length <= DIAGONAL * max(lengths[:2])
    ]
