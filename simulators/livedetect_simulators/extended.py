"""Holes and vacancy lines: they open with one column and grow at their edge with the dose.

Vacancies in WSe2 cluster into holes, those in WS2 into lines; columns at an edge are bound
less well, which is what the larger cross-section of the edge stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from livedetect_simulators.damage import Exposure
from livedetect_simulators.defects import Defect
from livedetect_simulators.specimen import Specimen

MARGIN_A = 3.0
"""Distance of an opening from the frame's edge, in lattice constants."""


class Holes:
    """Openings that lose the columns around them, the most exposed first."""

    def __init__(self, specimen: Specimen, exposure: Exposure, random: np.random.Generator) -> None:
        self._specimen = specimen
        self._exposure = exposure
        self._openings = opening_frames(exposure, exposure.settings.holes, random)
        self._holes: list[Defect] = []

    def advance(self, frame: int, random: np.random.Generator) -> None:
        """Open what is due, then let every hole's edge be hit."""
        for hole in self._holes:
            self._erode(hole, frame, random)
        for _ in range(self._openings.count(frame)):
            site = opening_site(self._specimen, self._exposure, frame, random)
            if site is not None:
                self._holes.append(self._specimen.open_extended("hole", site, frame, 0.0))

    def _erode(self, hole: Defect, frame: int, random: np.random.Generator) -> None:
        edge, exposed = self._edge(hole)
        if len(edge) == 0:
            return
        rate = self._exposure.settings.edge_barn * self._exposure.per_barn
        rate *= self._exposure.relative(frame)
        lost = min(int(random.poisson(rate * len(edge))), len(edge))
        odds = exposed**4 / (exposed**4).sum()
        for site in random.choice(edge, size=lost, replace=False, p=odds):
            self._specimen.extend(hole, int(site), frame, 0.0)

    def _edge(self, hole: Defect) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Columns beside the hole, and how many of its columns each has beside it."""
        reach = 1.1 * self._specimen.crystal.type.neighbour
        beside = [self._specimen.neighbours(edit.site, reach) for edit in hole.edits]
        sites, counts = np.unique(np.concatenate(beside), return_counts=True)
        left = np.array([not self._is_gone(int(site)) for site in sites], bool)
        return sites[left], counts[left].astype(float)

    def _is_gone(self, site: int) -> bool:
        owner = self._specimen.owner.get(site)
        return owner is not None and owner.extended


@dataclass(slots=True, kw_only=True)
class _Line:
    defect: Defect
    step: NDArray[np.float64]
    ends: list[NDArray[np.float64]] = field(default_factory=list)


class Lines:
    """Rows of columns that lost half their atoms, growing at both ends."""

    def __init__(self, specimen: Specimen, exposure: Exposure, random: np.random.Generator) -> None:
        self._specimen = specimen
        self._exposure = exposure
        self._openings = opening_frames(exposure, exposure.settings.lines, random)
        self._lines: list[_Line] = []

    def advance(self, frame: int, random: np.random.Generator) -> None:
        """Let the ends of every line be hit, then open what is due."""
        rate = self._exposure.settings.edge_barn * self._exposure.per_barn
        rate *= self._exposure.relative(frame)
        for line in self._lines:
            for end in (0, 1):
                for _ in range(int(random.poisson(rate))):
                    self._lengthen(line, end, frame)
        for _ in range(self._openings.count(frame)):
            self._open(frame, random)

    def _open(self, frame: int, random: np.random.Generator) -> None:
        crystal = self._specimen.crystal
        site = opening_site(self._specimen, self._exposure, frame, random, sublattice=1)
        if site is None:
            return
        first, second = crystal.cell_px
        shortest = [first, second, second - first][: 3 if crystal.type.hexagonal else 2]
        step = shortest[int(random.integers(len(shortest)))]
        defect = self._specimen.open_extended("line", site, frame, self._left(site))
        place = crystal.xy[site]
        self._lines.append(_Line(defect=defect, step=step, ends=[place, place]))

    def _lengthen(self, line: _Line, end: int, frame: int) -> None:
        """Take in the next column of the row, if the row goes on and it is healthy."""
        place = line.ends[end] + (line.step if end else -line.step)
        distance, site = self._specimen.tree.query(place)
        if distance > 0.2 * self._specimen.crystal.a_px or not self._specimen.healthy[site]:
            return
        self._specimen.extend(line.defect, int(site), frame, self._left(int(site)))
        line.ends[end] = place

    def _left(self, site: int) -> float:
        crystal = self._specimen.crystal
        lost = crystal.half[site] or crystal.brightness[site]
        return float(crystal.brightness[site] - lost)


def opening_frames(exposure: Exposure, count: int, random: np.random.Generator) -> list[int]:
    """Frames at which `count` objects open: the first half of the time in which births happen."""
    settings = exposure.settings
    last = settings.births_until or settings.frames
    first = settings.damage_from
    chosen = random.integers(first, max(first + 1, (first + last) // 2), count)
    return [int(frame) for frame in chosen] if exposure.per_barn > 0 else []


def opening_site(
    specimen: Specimen,
    exposure: Exposure,
    frame: int,
    random: np.random.Generator,
    sublattice: int | None = None,
) -> int | None:
    """A healthy column well inside `frame` and apart from other defects; None if there is none."""
    crystal = specimen.crystal
    free = specimen.healthy & specimen.apart(frame)
    free &= exposure.irradiated(crystal.xy, frame, MARGIN_A * crystal.a_px)
    if sublattice is not None:
        free &= crystal.sublattice == sublattice
    return int(random.choice(np.flatnonzero(free))) if free.any() else None
