"""A second domain that grows: inverted, mirrored, or of another phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livedetect.errors import SettingsError
from livedetect_simulators.crystal import (
    Crystal,
    Placement,
    brightness_of,
    mirror_image,
    mirror_normal,
)

SEED_RADIUS_A = 1.5
"""Radius with which a domain appears, in lattice constants."""
ZIGZAG = 0.25
"""Displacement of the columns in the second phase, in distances of nearest columns."""


class Outline(Protocol):
    """Where the domain is."""

    def depth(self, xy: NDArray[np.float64], age_frames: int) -> NDArray[np.float64]:
        """(N,) distance inside the outline, px; negative outside."""
        ...


class Polygon:
    """Grows around a centre; a disc if it has no sides."""

    def __init__(
        self, centre: NDArray[np.float64], sides: Sequence[float], size: float, speed: float
    ) -> None:
        self._centre = centre
        self._normals = np.array([(np.cos(side), np.sin(side)) for side in sides]).reshape(-1, 2)
        self._size = size
        self._speed = speed

    def depth(self, xy: NDArray[np.float64], age_frames: int) -> NDArray[np.float64]:
        """(N,) distance inside the outline, px."""
        away = xy - self._centre
        outward = (away @ self._normals.T).max(axis=1) if len(self._normals) else np.hypot(*away.T)
        return np.asarray(self._size + self._speed * age_frames - outward)


class Front:
    """A straight front that sweeps over the field."""

    def __init__(
        self, point: NDArray[np.float64], normal: NDArray[np.float64], speed: float
    ) -> None:
        self._point = point
        self._normal = normal
        self._speed = speed

    def depth(self, xy: NDArray[np.float64], age_frames: int) -> NDArray[np.float64]:
        """(N,) distance behind the front, px."""
        return np.asarray(self._speed * age_frames - (xy - self._point) @ self._normal)


class Domain:
    """The part of the crystal that has turned into something else.

    Parameters
    ----------
    start : first frame that shows it.
    outline : where it is.
    altered : (N, 3) every column of the crystal as it looks inside the domain.
    image : (M, 3) columns that exist inside the domain only.
    gap_px : columns nearer than this to the front of such a domain are missing.
    """

    def __init__(
        self,
        start: int,
        outline: Outline,
        altered: NDArray[np.float64],
        image: NDArray[np.float64] | None = None,
        gap_px: float = 0.0,
    ) -> None:
        self.start = start
        self._outline = outline
        self._altered = altered
        self._image = np.zeros((0, 3)) if image is None else image
        self._gap_px = gap_px

    def transform(self, columns: NDArray[np.float64], frame: int) -> NDArray[np.float64]:
        """(N + M', 3) columns x, y, brightness with the domain in them; the first N in order."""
        if frame < self.start:
            return columns
        age = frame - self.start
        inside = self._outline.depth(columns[:, :2], age) > -self._gap_px
        changed = np.where(inside[:, None], self._altered, columns)
        behind = self._outline.depth(self._image[:, :2], age) > self._gap_px
        return np.concatenate([changed, self._image[behind]])

    def inside(self, xy: NDArray[np.float64], frame: int) -> NDArray[np.bool_]:
        """(N,) whether points of the specimen belong to the domain."""
        if frame < self.start:
            return np.zeros(len(xy), bool)
        return self._outline.depth(xy, frame - self.start) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPlan:
    """Where and when a domain appears."""

    start: int
    """First frame that shows it."""
    centre: NDArray[np.float64]
    """(2,) x, y of the field's centre in that frame, px of the specimen."""
    speed_px: float
    """Growth of its radius, or of its front, per frame."""
    place: Placement
    """How the crystal lies under the scan."""


def grow_domain(
    name: str, crystal: Crystal, plan: DomainPlan, random: np.random.Generator
) -> Domain:
    """The domain ``inversion``, ``twin`` or ``phase`` of a crystal.

    Raises
    ------
    SettingsError : an inversion domain of a crystal whose columns are all alike.
    """
    makers = {"inversion": _inversion, "phase": _phase, "twin": _twin}
    return makers[name](crystal, plan, random)


def _inversion(crystal: Crystal, plan: DomainPlan, random: np.random.Generator) -> Domain:
    """The two sublattices change places: a domain turned by 60 degrees, with straight sides."""
    first, second = crystal.type.brightness
    if first == second:
        raise SettingsError(
            f"domain = 'inversion' is not allowed: the columns of {crystal.type.name} are alike; "
            "take mos2, ws2 or square, or domain=twin or domain=phase"
        )
    swapped = np.where(crystal.sublattice == 0, second, first)
    sides = 3 if crystal.type.hexagonal else 4
    turn = np.deg2rad(plan.place.rot_deg + 90)
    angles = [turn + 2 * np.pi * side / sides for side in range(sides)]
    outline = Polygon(_seed(plan, random), angles, SEED_RADIUS_A * crystal.a_px, plan.speed_px)
    return Domain(plan.start, outline, np.column_stack([crystal.xy, swapped]))


def _phase(crystal: Crystal, plan: DomainPlan, random: np.random.Generator) -> Domain:
    """Columns of sublattice 0 shift to and fro, row by row: the cell doubles, as in 1T'."""
    rows = crystal.cell_px[0] / crystal.a_px
    across = np.array([-rows[1], rows[0]])
    spacing = abs(float(crystal.cell_px[1] @ across))
    host = crystal.sublattice == 0
    height = crystal.xy @ across
    origin = height[np.flatnonzero(host)[0]]
    parity = np.rint((height - origin) / spacing) % 2 * 2 - 1
    shift = ZIGZAG * crystal.neighbour_px * (parity * host)[:, None] * across
    outline = Polygon(_seed(plan, random), [], SEED_RADIUS_A * crystal.a_px, plan.speed_px)
    altered = np.column_stack([crystal.xy + shift, crystal.brightness])
    return Domain(plan.start, outline, altered)


def _twin(crystal: Crystal, plan: DomainPlan, random: np.random.Generator) -> Domain:
    """A mirror twin that enters from one edge of the field."""
    normal = mirror_normal(crystal.type, plan.place.rot_deg)
    half = float(np.abs(normal) @ plan.place.centre_to_edge)
    point = plan.centre - 0.8 * half * normal
    xy, sublattice = mirror_image(crystal.type, plan.place, point, normal)
    image = np.column_stack([xy, brightness_of(crystal.type, sublattice, random)])
    gone = np.column_stack([crystal.xy, np.zeros(len(crystal.xy))])
    outline = Front(point, normal, plan.speed_px)
    return Domain(plan.start, outline, gone, image, 0.25 * crystal.neighbour_px)


def _seed(plan: DomainPlan, random: np.random.Generator) -> NDArray[np.float64]:
    """A point in the middle third of the field."""
    spread = np.asarray(plan.place.centre_to_edge) / 3
    return np.asarray(plan.centre + random.uniform(-1, 1, 2) * spread)
