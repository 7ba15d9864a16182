"""Defects: what each did to the crystal, from which frame on, and where it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from livedetect_simulators.crystal import ALLOY, ALLOY_UNIT, TELLURIUM, Crystal

MOBILE = ("vacancy", "metal_vacancy", "column_vacancy", "half_vacancy", "adatom")
FOREVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One changed or added column, for a span of frames."""

    first: int
    """First frame that shows it."""
    site: int
    """The column it concerns; for an adatom the column it belongs to."""
    x_px: float
    """Where the column is, px of the specimen."""
    y_px: float
    """Where the column is, px of the specimen."""
    brightness: float
    """Brightness of the column; 0: gone."""
    added: bool = False
    """True for an adatom: a further column instead of a changed one."""


@dataclass(slots=True, kw_only=True)
class Defect:
    """The history of one defect. Edits are only ever appended, so any frame can be asked for."""

    defect_id: int
    """Unique in the simulation."""
    kind: str
    """What it is."""
    birth: int
    """First frame that shows it."""
    centre_px: NDArray[np.float64]
    """(2,) nominal position x, y at birth, px of the specimen."""
    edits: list[Edit] = field(default_factory=list)
    """In the order of their frames."""
    extended: bool = False
    """Holes and lines: edits add up. Point defects: the latest edit replaces the earlier."""
    death: int = FOREVER
    """First frame that no longer shows it."""
    hops: list[tuple[int, NDArray[np.float64]]] = field(default_factory=list)
    """Frames at which it moved, and to where, px of the specimen."""

    def present(self, frame: int) -> bool:
        """Whether `frame` shows it."""
        return self.birth <= frame < self.death

    def edits_at(self, frame: int) -> list[Edit]:
        """The columns that it changes in `frame`."""
        if not self.present(frame):
            return []
        done = [edit for edit in self.edits if edit.first <= frame]
        return done if self.extended else done[-1:]

    def position(self, frame: int) -> NDArray[np.float64]:
        """(2,) nominal position x, y in `frame`, px of the specimen."""
        if self.extended:
            places = [(edit.x_px, edit.y_px) for edit in self.edits_at(frame)]
            return np.mean(places, axis=0) if places else self.centre_px
        earlier = [place for when, place in self.hops if when <= frame]
        return earlier[-1] if earlier else self.centre_px

    def places(self, frame: int) -> list[tuple[float, float]]:
        """Nominal positions x, y that stand for it in `frame`: of a line every column."""
        if self.kind == "line":
            return [(edit.x_px, edit.y_px) for edit in self.edits_at(frame)]
        x, y = self.position(frame)
        return [(float(x), float(y))]

    def radius_px(self, frame: int, neighbour_px: float) -> float:
        """Radius of a hole, of one link of a line; 0 for a point defect."""
        if not self.extended:
            return 0.0
        if self.kind == "line":
            return neighbour_px
        places = np.array([(edit.x_px, edit.y_px) for edit in self.edits_at(frame)])
        from_centre = np.hypot(*(places - self.position(frame)).T)
        return float(from_centre.max()) + 0.5 * neighbour_px


def point_edit(
    crystal: Crystal, kind: str, site: int, frame: int, random: np.random.Generator
) -> Edit:
    """What a point defect of `kind` at column `site` changes."""
    place = nominal_place(crystal, kind, site)
    brightness = float(crystal.brightness[site])
    if kind == "adatom":
        brightness = crystal.type.adatom
    elif kind == "half_vacancy":
        brightness -= float(crystal.half[site])
    elif kind == "antisite":
        brightness = _foreign(crystal, site)
    elif kind == "displaced":
        angle = random.uniform(0, 2 * np.pi)
        step = crystal.type.displacement * crystal.a_px
        place = place + step * np.array([np.cos(angle), np.sin(angle)])
    else:
        brightness = 0.0
    return Edit(
        first=frame,
        site=site,
        x_px=float(place[0]),
        y_px=float(place[1]),
        brightness=brightness,
        added=kind == "adatom",
    )


def nominal_place(crystal: Crystal, kind: str, site: int) -> NDArray[np.float64]:
    """(2,) where a defect of `kind` at column `site` counts as being, px of the specimen."""
    return np.asarray(crystal.xy[site] if kind != "adatom" else hollows(crystal)[site])


def hollows(crystal: Crystal) -> NDArray[np.float64]:
    """(N, 2) the free place beside each column, px of the specimen."""
    offset = np.asarray(crystal.type.hollow) @ crystal.cell_px
    if crystal.mirror is None:
        return crystal.xy + offset
    turned = offset - 2 * (offset @ crystal.mirror) * crystal.mirror
    return crystal.xy + np.where(crystal.mirrored[:, None], turned, offset)


def _foreign(crystal: Crystal, site: int) -> float:
    """Brightness of a column in which the wrong species sits."""
    if crystal.type.alloy:
        levels = (np.asarray(ALLOY) + TELLURIUM) / ALLOY_UNIT
        return float(levels[np.argmax(np.abs(levels - crystal.brightness[site]))])
    return float(crystal.type.brightness[1 - int(crystal.sublattice[site])])
