"""Crystals as they look in projection: columns of atoms with positions and brightness.

Brightness is relative to the brightest column of the crystal, roughly Z^1.7 as seen by a
high-angle annular detector. Positions are (x, y) in px of the first frame.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALLOY = (574.0, 1505.0)
"""Brightness of molybdenum and tungsten, in the units in which two tellurium have 1652."""
TELLURIUM = 1652.0
ALLOY_UNIT = 2690.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One thing that the beam does to one kind of column."""

    kind: str
    """The point defect it makes."""
    sublattice: int
    """Which columns it concerns."""
    species: str
    """The atom that is hit."""
    atoms: int = 1
    """Such atoms per column."""
    barn: float
    """Effective cross-section per atom, barn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrystalType:
    """A crystal in units of its own lattice constant."""

    name: str
    """As in a spec."""
    lattice_nm: float
    """Length of the first cell vector, nm."""
    cell: tuple[tuple[float, float], tuple[float, float]]
    """Cell vectors (x, y), in lattice constants."""
    basis: tuple[tuple[float, float], ...]
    """Columns in the cell, in fractions of the cell vectors."""
    brightness: tuple[float, ...]
    """Of each column of the basis."""
    half: tuple[float, ...]
    """Brightness lost when half the atoms of the column go."""
    neighbour: float
    """Distance of nearest columns, in lattice constants."""
    displacement: float
    """How far a displaced column moves, in lattice constants."""
    hollow: tuple[float, float]
    """From a column of sublattice 0 to the place of an adatom, in cell fractions."""
    adatom: float
    """Brightness of an adatom."""
    mirror_deg: float
    """Direction of the mirror line of a twin against the first cell vector."""
    channels: tuple[Channel, ...]
    """What the beam does."""
    alloy: bool = False
    """Whether columns hold one of two metals at random."""

    @property
    def hexagonal(self) -> bool:
        """Whether the lattice has three equivalent directions."""
        return self.cell[1][0] > 0

    @property
    def species(self) -> tuple[str, ...]:
        """Atoms that have a cross-section."""
        return tuple(sorted({channel.species for channel in self.channels}))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Point defects that the crystal can have."""
        return tuple(dict.fromkeys(channel.kind for channel in self.channels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crystal:
    """Columns of a piece of crystal, without defects."""

    type: CrystalType
    """What it is."""
    cell_px: NDArray[np.float64]
    """(2, 2) cell vectors, rows (x, y), px."""
    xy: NDArray[np.float64]
    """(N, 2) positions, px."""
    brightness: NDArray[np.float64]
    """(N,) brightness."""
    half: NDArray[np.float64]
    """(N,) brightness lost with half of a column."""
    sublattice: NDArray[np.int8]
    """(N,) index into the basis."""
    boundary: NDArray[np.bool_]
    """(N,) whether the column sits at a twin boundary."""
    mirrored: NDArray[np.bool_]
    """(N,) whether the column belongs to the mirror image."""
    mirror: NDArray[np.float64] | None
    """(2,) normal of a static twin's mirror line; None without twin."""

    @property
    def a_px(self) -> float:
        """Lattice constant, px."""
        return float(np.hypot(*self.cell_px[0]))

    @property
    def neighbour_px(self) -> float:
        """Distance of nearest columns, px."""
        return self.type.neighbour * self.a_px

    @property
    def mean_per_px(self) -> float:
        """Brightness per px of the defect-free crystal."""
        per_cell = len(self.type.basis) * float(self.brightness.mean())
        if not self.type.alloy:
            per_cell = sum(self.type.brightness)
        return per_cell / abs(float(np.linalg.det(self.cell_px)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a crystal lies under the scan."""

    a_px: float
    """Lattice constant, px."""
    rot_deg: float
    """Rotation of the first cell vector against the rows, degrees."""
    low: tuple[float, float]
    """Lowest (x, y) that the scan will see, px."""
    high: tuple[float, float]
    """Highest (x, y) that the scan will see, px."""
    centre: tuple[float, float]
    """(x, y) of the field's centre, px; here lies the origin of the lattice."""
    centre_to_edge: tuple[float, float]
    """(x, y) half the width and height of the field, px."""


def build(
    kind: CrystalType, place: Placement, random: np.random.Generator, *, twin: bool = False
) -> Crystal:
    """Fill the rectangle of `place` with columns; `random` chooses the metals of an alloy."""
    cell = cell_vectors(kind, place)
    xy, sublattice = _columns(kind, cell, place)
    normal = mirror_normal(kind, place.rot_deg) if twin else None
    if normal is not None:
        xy, sublattice = _twinned(kind, place, normal)
    height = (xy - place.centre) @ (np.zeros(2) if normal is None else normal)
    return Crystal(
        type=kind,
        cell_px=cell,
        xy=xy,
        brightness=brightness_of(kind, sublattice, random),
        half=np.asarray(kind.half)[sublattice],
        sublattice=sublattice,
        boundary=(np.abs(height) < place.a_px) & twin,
        mirrored=height < 0,
        mirror=normal,
    )


def brightness_of(
    kind: CrystalType, sublattice: NDArray[np.int8], random: np.random.Generator
) -> NDArray[np.float64]:
    """(N,) brightness of columns; those of an alloy hold a metal chosen by `random`."""
    if not kind.alloy:
        return np.asarray(kind.brightness)[sublattice]
    metal = np.asarray(ALLOY)[random.integers(0, 2, len(sublattice))]
    return np.asarray((metal + TELLURIUM) / ALLOY_UNIT)


def cell_vectors(kind: CrystalType, place: Placement) -> NDArray[np.float64]:
    """(2, 2) cell vectors in px, rows (x, y)."""
    angle = np.deg2rad(place.rot_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(np.asarray(kind.cell, float) * place.a_px @ turn)


def mirror_normal(kind: CrystalType, rot_deg: float) -> NDArray[np.float64]:
    """(2,) unit normal (x, y) of the mirror line of a twin."""
    angle = np.deg2rad(rot_deg + kind.mirror_deg)
    return np.array([-np.sin(angle), np.cos(angle)])


def mirrored(
    xy: NDArray[np.float64], point: NDArray[np.float64], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N, 2) positions mirrored at the line through `point` with `normal`."""
    return xy - 2 * ((xy - point) @ normal)[:, None] * normal


def _columns(
    kind: CrystalType, cell: NDArray[np.float64], place: Placement
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    low, high = np.asarray(place.low), np.asarray(place.high)
    corners = np.array([(x, y) for x in (low[0], high[0]) for y in (low[1], high[1])])
    centre = np.asarray(place.centre)
    steps = (corners - centre) @ np.linalg.inv(cell)
    first, last = np.floor(steps.min(0)) - 1, np.ceil(steps.max(0)) + 1
    u, v = np.meshgrid(np.arange(first[0], last[0] + 1), np.arange(first[1], last[1] + 1))
    cells = np.stack([u.ravel(), v.ravel()], axis=1)
    count = len(kind.basis)
    xy = np.concatenate([(cells + np.asarray(site)) @ cell for site in kind.basis]) + centre
    sublattice = np.repeat(np.arange(count, dtype=np.int8), len(cells))
    inside = ((xy > low) & (xy < high)).all(axis=1)
    return xy[inside], sublattice[inside]


def mirror_image(
    kind: CrystalType,
    place: Placement,
    point: NDArray[np.float64],
    normal: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Positions (N, 2) and sublattices (N,) of the crystal mirrored at the line through `point`."""
    low, high = np.asarray(place.low), np.asarray(place.high)
    # the mirror image of a rectangle does not fill it, that of a circle around it does
    reach = float(np.hypot(*np.maximum(np.abs(high - point), np.abs(point - low))))
    around = dataclasses.replace(place, low=tuple(point - reach), high=tuple(point + reach))
    xy, sublattice = _columns(kind, cell_vectors(kind, place), around)
    image = mirrored(xy, point, normal)
    inside = ((image > low) & (image < high)).all(axis=1)
    return image[inside], sublattice[inside]


def _twinned(
    kind: CrystalType, place: Placement, normal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Crystal on one side of the mirror line, its mirror image on the other."""
    centre = np.asarray(place.centre, float)
    gap = 0.25 * kind.neighbour * place.a_px
    xy, sublattice = _columns(kind, cell_vectors(kind, place), place)
    image, image_sublattice = mirror_image(kind, place, centre, normal)
    ahead = (xy - centre) @ normal > gap
    behind = (image - centre) @ normal < -gap
    return (
        np.concatenate([xy[ahead], image[behind]]),
        np.concatenate([sublattice[ahead], image_sublattice[behind]]),
    )
