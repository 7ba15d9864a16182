"""New markers side by side: one change, until it is clear what it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage, sparse

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.fringe import changed_themselves
from livedetect.detect.grid import Grid, shifted
from livedetect.detect.method import Candidate
from livedetect.detect.regions import EVERYWHERE

CROWD_MARKERS = 3
"""New ones side by side in one frame; two vacancies next to each other are no rarity."""
HELD_FRAMES = 4
"""A region shows itself within so many frames of its first markers."""
WIDE_CELLS = 7
"""Of a 3 x 3 block; more of it than neighbouring point defects flag."""
WIDE_HELD_FRAMES = 12
"""What is that wide is told as one object if it has not become a region by then."""
LOSSES = ("vacancy", "half_vacancy", "dark")
COMPANY_RADIUS = 1.3
"""Others this close make a point part of something larger, in units of the column scale."""
APART_RADIUS = 2.0
"""In the same units: columns that have changed so far from each other do not make one thing."""
OPENING_MARKERS = 3
"""Lost columns in a chain of neighbours that may be a hole."""
OPENING_FRAMES = 12
"""They are point defects after all if it has not opened by then."""


class Crowds:
    """Several new markers side by side in one frame are one change until it is clear what.

    A crowd gets one marker; when it has not become a region after a while, its members are
    point defects after all. What is too wide for point defects is one object: it gets one
    marker, once it has had its time to become a region. Columns lost one by one in a chain of
    neighbours may be a hole that opens, however old the first of them are, because the edge of a
    hole is bound weakly: the first is told at once, from the third on they wait for a while.
    """

    def __init__(self, grid: Grid, scale_px: float) -> None:
        self._reach_px, self._apart_px = COMPANY_RADIUS * scale_px, APART_RADIUS * scale_px
        self._age = np.zeros(grid.cells, np.int64)
        """(n1, n2) frames for which a crowd has stood there without growing."""
        self._size = np.zeros(grid.cells, np.int64)
        """(n1, n2) most cells that it has had."""
        self._told = np.zeros(grid.cells, bool)
        """(n1, n2) where something wide has had its marker."""
        self._opening = np.zeros(grid.cells, np.int64)
        """(n1, n2) frames for which a marker has waited for a hole to open."""

    def silent(
        self, score: FloatArray, markers: Sequence[Candidate], cells: IntArray, new: BoolArray
    ) -> BoolArray:
        """(n,) markers that are not to be announced in this frame.

        Parameters
        ----------
        score : (n1, n2) best of each cell's flagged sites, 0 without any and in known regions.
        markers : of all defects in view, the most novel first.
        cells : (n, 2) cell of each marker.
        new : (n,) False for markers of known defects.
        """
        silent, crowded = self._in_a_crowd(score, cells, new, self._single(markers))
        return silent | self._of_a_hole(markers, cells, new & ~crowded)

    def _single(self, markers: Sequence[Candidate]) -> BoolArray:
        """(n,) those of one column, far from all others."""
        positions = np.array([marker.position for marker in markers]).reshape(-1, 2)
        of_column = np.array([marker.kind != "unknown" for marker in markers], bool)
        return np.asarray(of_column & (company(positions, self._apart_px) == 1))

    def _of_a_hole(
        self, markers: Sequence[Candidate], cells: IntArray, new: BoolArray
    ) -> BoolArray:
        """(n,) new ones that lengthen a chain of lost columns."""
        waits = np.zeros(len(markers), bool)
        lost = np.flatnonzero([marker.kind in LOSSES for marker in markers])
        if new[lost].any():
            positions = np.array([markers[index].position for index in lost.tolist()])
            chain = chains(positions, self._reach_px)
            for label in np.unique(chain[new[lost]]):
                members = lost[chain == label]
                fresh = members[new[members]]
                if len(members) >= OPENING_MARKERS:
                    waits[fresh if len(fresh) < len(members) else fresh[1:]] = True
        if not (waits.any() or self._opening.any()):
            return waits
        # a faint marker comes and goes, and may lie now in one cell, now in the next
        waited = ndimage.maximum_filter(self._opening, 3)
        here = np.zeros_like(self._opening, bool)
        here[tuple(cells[waits].T)] = True
        self._opening = np.where(here, waited + 1, np.maximum(self._opening - 1, 0))
        return np.asarray(waits & (self._opening[tuple(cells.T)] <= OPENING_FRAMES))

    def _in_a_crowd(
        self, score: FloatArray, cells: IntArray, new: BoolArray, single: BoolArray
    ) -> tuple[BoolArray, BoolArray]:
        """(n,) those of a change about to become a region, but for its first; (n,) all of it.

        What several `single` (n,) columns flag together is no such change.
        """
        silent, crowded = np.zeros((2, len(cells)), bool)
        if not (new.any() or self._age.any()):
            return silent, crowded
        flagged = score > 0
        labels, _ = ndimage.label(flagged, EVERYWHERE)
        of_marker = labels[tuple(cells.T)]
        wide = middle_of_wide(score)
        ages, sizes = np.zeros_like(self._age), np.zeros_like(self._size)
        told = np.zeros_like(self._told)
        for label in np.unique([*of_marker[new], *labels[self._age > 0]]):
            component = (labels == label) & flagged
            theirs = of_marker == label
            if theirs.sum() > 1 and single[theirs].all():
                continue
            size = int(component.sum())
            members = np.flatnonzero((of_marker == label) & new)
            age = int(self._age[component].max(initial=0))
            if not (age or len(members) >= CROWD_MARKERS or (wide & component).any()):
                continue
            crowded[members] = True
            largest = int(self._size[component].max(initial=0))
            # what grows may still become a region, what does not are points after a while
            ages[component] = max(age, 1) if size > largest else age + 1
            sizes[component] = max(size, largest)
            if (wide & component).any():
                known = bool(self._told[component].any())
                due = age >= WIDE_HELD_FRAMES and not known
                silent[members[1:] if due else members] = True
                told[component] = known or (due and len(members) > 0)
            elif age < HELD_FRAMES:
                silent[members if age else members[1:]] = True
        self._age, self._size, self._told = ages, sizes, told
        return silent, crowded

    def move(self, cells: tuple[int, int]) -> None:
        """Follow a grid that has moved by whole cells."""
        self._age, self._size = shifted(self._age, cells), shifted(self._size, cells)
        self._opening, self._told = shifted(self._opening, cells), shifted(self._told, cells)


def may_be_wide(flagged: BoolArray) -> bool:
    """False where `middle_of_wide` finds nothing among the `flagged` cells (n1, n2)."""
    if min(flagged.shape) < 3:
        return False
    rows = np.zeros((len(flagged) - 2, flagged.shape[1]), np.int8)
    for first in range(3):
        rows += flagged[first : first + len(rows)]
    return bool((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]).max(initial=0) >= WIDE_CELLS)


def middle_of_wide(score: FloatArray) -> BoolArray:
    """(n1, n2) True in the middle of 3 x 3 cells most of which have changed by themselves.

    A strong point defect flags as many cells, but its fringe is weaker than itself: `score`
    (n1, n2) is the best of each cell's flagged sites, 0 without any.
    """
    strong = changed_themselves(score).astype(float)
    return np.asarray(9 * ndimage.uniform_filter(strong, 3) > WIDE_CELLS - 0.5)


def chains(positions: FloatArray, reach_px: float) -> IntArray:
    """(n,) number of the chain of each of the positions (n, 2), steps at most `reach_px`."""
    x, y = positions.T
    near = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2 < reach_px**2
    if near.sum() == len(x):
        return np.arange(len(x))
    return np.asarray(sparse.csgraph.connected_components(sparse.csr_array(near))[1])


def company(positions: FloatArray, reach_px: float) -> IntArray:
    """(n,) points in the chain of each of the positions (n, 2)."""
    chain = chains(positions, reach_px)
    return np.asarray(np.bincount(chain)[chain]) if len(chain) else chain
