"""The specimen: a crystal, the defects it has so far, and how easily each column is hit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from livedetect_simulators.crystal import Crystal
from livedetect_simulators.defects import (
    MOBILE,
    Defect,
    Edit,
    hollows,
    nominal_place,
    point_edit,
)

SEPARATION = 2.2
"""Distance that isolated births keep from older ones, in lattice constants."""
START_SEPARATION = 1.2
"""Distance that births keep from defects of the first frame, in lattice constants."""


class Specimen:
    """The one place that changes defects; frames before the change never see it."""

    def __init__(
        self, crystal: Crystal, boundary_factor: float, etching: NDArray[np.float64]
    ) -> None:
        self.crystal = crystal
        self._sensitivity = 1 + boundary_factor * crystal.boundary
        self._etching = etching
        self.healthy = np.ones(len(crystal.xy), bool)
        """(N,) columns that no defect has changed."""
        self.owner: dict[int, Defect] = {}
        """The defect that holds each changed column."""
        self.defects: list[Defect] = []
        self.tree = cKDTree(crystal.xy)
        self._hollows = cKDTree(hollows(crystal))
        self._next_id = 0

    def reserve_id(self) -> int:
        """The next free defect number."""
        self._next_id += 1
        return self._next_id - 1

    def add_point(self, kind: str, site: int, frame: int, random: np.random.Generator) -> Defect:
        """A point defect is born."""
        defect = Defect(
            defect_id=self.reserve_id(),
            kind=kind,
            birth=frame,
            centre_px=nominal_place(self.crystal, kind, site),
            edits=[point_edit(self.crystal, kind, site, frame, random)],
        )
        self.defects.append(defect)
        self._take(site, defect)
        return defect

    def open_extended(self, kind: str, site: int, frame: int, brightness: float) -> Defect:
        """A hole or a line opens with its first column."""
        defect = Defect(
            defect_id=self.reserve_id(),
            kind=kind,
            birth=frame,
            centre_px=self.crystal.xy[site],
            extended=True,
        )
        self.defects.append(defect)
        self.extend(defect, site, frame, brightness)
        return defect

    def extend(self, defect: Defect, site: int, frame: int, brightness: float) -> None:
        """A hole or a line takes in one more column, and the point defect it may hold."""
        swallowed = self.owner.get(site)
        if swallowed is not None:
            swallowed.death = frame
        x, y = self.crystal.xy[site]
        edit = Edit(first=frame, site=site, x_px=float(x), y_px=float(y), brightness=brightness)
        defect.edits.append(edit)
        self._take(site, defect)

    def heal(self, defect: Defect, frame: int) -> None:
        """From `frame` on the defect is gone."""
        defect.death = frame
        self._release(defect.edits[-1].site)

    def hop(self, defect: Defect, frame: int, random: np.random.Generator) -> None:
        """A mobile point defect moves to a healthy neighbour of its own sublattice."""
        if defect.kind not in MOBILE or defect.extended:
            return
        old = defect.edits[-1].site
        near = self.neighbours(old, 1.15)
        same = self.crystal.sublattice[near] == self.crystal.sublattice[old]
        free = near[same & self.healthy[near]]
        if len(free) == 0:
            return
        site = int(random.choice(free))
        defect.edits.append(point_edit(self.crystal, defect.kind, site, frame, random))
        defect.hops.append((frame, nominal_place(self.crystal, defect.kind, site)))
        self._release(old)
        self._take(site, defect)

    def _take(self, site: int, defect: Defect) -> None:
        self.owner[site] = defect
        self.healthy[site] = False

    def _release(self, site: int) -> None:
        del self.owner[site]
        self.healthy[site] = True

    def sensitise(self, site: int, factor: float) -> None:
        """Columns beside `site` are hit more easily from now on."""
        if factor:
            self._sensitivity[self.neighbours(site, 1.2)] += factor

    def sensitivity_at(self, frame: int) -> NDArray[np.float64]:
        """(N,) factor on the cross-sections of each column in `frame`."""
        return np.asarray(self._sensitivity + self._etching * frame / 100)

    def neighbours(self, site: int, radius: float) -> NDArray[np.intp]:
        """Columns around `site`, itself excluded; `radius` in lattice constants."""
        found = self.tree.query_ball_point(self.crystal.xy[site], radius * self.crystal.a_px)
        return np.array([other for other in sorted(found) if other != site], np.intp)

    def apart(self, frame: int, kind: str = "") -> NDArray[np.bool_]:
        """(N,) columns far enough from every defect of `frame` for an isolated birth of `kind`."""
        tree = self._hollows if kind == "adatom" else self.tree
        free = np.ones(len(self.crystal.xy), bool)
        for defect in self.defects:
            if not defect.present(frame):
                continue
            distance = START_SEPARATION if defect.birth == 0 else SEPARATION
            reach = distance * self.crystal.a_px
            reach += defect.radius_px(frame, self.crystal.neighbour_px)
            for near in tree.query_ball_point(defect.places(frame), reach):
                free[near] = False
        return free

    def pristine(self) -> NDArray[np.float64]:
        """(N, 3) columns x, y, brightness without any defect; a fresh array."""
        return np.column_stack([self.crystal.xy, self.crystal.brightness])

    def edits(self, frame: int) -> list[Edit]:
        """What all defects of `frame` changed."""
        return [edit for defect in self.defects for edit in defect.edits_at(frame)]


def edited(columns: NDArray[np.float64], edits: list[Edit]) -> NDArray[np.float64]:
    """(M, 3) columns after `edits`; `columns` must be in the crystal's order and is changed."""
    added = []
    for edit in edits:
        values = (edit.x_px, edit.y_px, edit.brightness)
        if edit.added:
            added.append(values)
        else:
            columns[edit.site] = values
    return np.concatenate([columns, np.array(added)]) if added else columns
