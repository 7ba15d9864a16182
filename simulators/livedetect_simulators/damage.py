"""What the beam does: every mechanism turns the fluence of a frame into changes of the specimen.

The expected number of events is cross-section x atoms x fluence; nothing happens on a clock.
Mechanisms are asked frame by frame, in order, and draw from that frame's own generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livedetect_simulators.crystal import Channel
from livedetect_simulators.defects import Defect
from livedetect_simulators.imaging import incident_per_px
from livedetect_simulators.materials import MATERIALS
from livedetect_simulators.scan import ScanPath
from livedetect_simulators.spec import SimulationSettings
from livedetect_simulators.specimen import Specimen

ANGSTROM2_PER_BARN = 1e-8


class Mechanism(Protocol):
    """Something that changes the specimen with the dose."""

    def advance(self, frame: int, random: np.random.Generator) -> None:
        """Let the fluence before `frame` act."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Which part of the specimen each frame irradiates, and how much."""

    settings: SimulationSettings
    """Of the whole simulation."""
    path: ScanPath
    """Where the frames lie."""

    @property
    def fluence_e_per_A2(self) -> float:  # noqa: N802 - the unit is written A
        """Incident electrons per square ångström in the first frame."""
        pixel_nm = MATERIALS[self.settings.crystal].lattice_nm / self.settings.a_px
        return incident_per_px(self.settings) / (100 * pixel_nm**2)

    def relative(self, frame: int) -> float:
        """Fluence of `frame` over that of the first one."""
        view = self.path.views.at(frame)
        return view.dwell_us / self.settings.pixel_dwell_us * view.scale**2

    @property
    def per_barn(self) -> float:
        """Events per first frame, atom and barn, the factor ``damage`` included."""
        return ANGSTROM2_PER_BARN * self.fluence_e_per_A2 * self.settings.point_damage

    def births_at(self, frame: int) -> bool:
        """Whether `frame` may show something new."""
        last = self.settings.births_until or self.settings.frames
        return self.settings.damage_from <= frame < last

    def irradiated(self, xy: NDArray[np.float64], frame: int, margin: float) -> NDArray[np.bool_]:
        """(N,) whether points of the specimen lie in `frame`, `margin` px from its edge."""
        view = self.path.views.at(frame)
        place = view.placed(xy) + self.path.drift(frame)
        high = np.array(view.shape[::-1]) - 1 - margin
        return np.asarray(((place >= margin) & (place <= high)).all(axis=1))

    def throughout(self, xy: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
        """(N,) whether points of the specimen stay in view during the whole stream."""
        if not self.path.views.constant:
            views = [self.irradiated(xy, start, margin) for start in self.path.views.starts]
            return np.asarray(np.all(views, axis=0))
        low, high = self.path.extent
        far = np.array(self.settings.shape[::-1]) - 1 - margin
        return np.asarray(((xy + low >= margin) & (xy + high <= far)).all(axis=1))


class PointDamage:
    """Single columns hit by chance, more easily beside defects and boundaries."""

    def __init__(self, specimen: Specimen, exposure: Exposure, channels: Sequence[Channel]) -> None:
        self._specimen = specimen
        self._exposure = exposure
        self._channels = channels
        self._made = 0

    def advance(self, frame: int, random: np.random.Generator) -> None:
        """Poisson births of every channel among the irradiated healthy columns."""
        settings = self._exposure.settings
        if not self._exposure.births_at(frame) or self._exposure.per_barn == 0:
            return
        weights = self._weights(frame)
        fluence = self._exposure.relative(frame)
        rates = fluence * np.array([self._rate(channel, weights) for channel in self._channels])
        count = min(int(random.poisson(rates.sum())), settings.max_defects - self._made)
        for _ in range(count):
            channel = self._channels[int(random.choice(len(rates), p=rates / rates.sum()))]
            self._hit(channel, frame, random)

    def _rate(self, channel: Channel, weights: NDArray[np.float64]) -> float:
        """Events in a frame of the first one's fluence."""
        columns = self._specimen.crystal.sublattice == channel.sublattice
        per_column = channel.barn * channel.atoms * self._exposure.per_barn
        return per_column * float(weights[columns].sum())

    def _weights(self, frame: int) -> NDArray[np.float64]:
        """(N,) factor on the cross-section of each column, 0 where it cannot be hit."""
        specimen, settings = self._specimen, self._exposure.settings
        margin = settings.a_px if settings.births_apart else 0.0
        seen = self._exposure.irradiated(specimen.crystal.xy, frame, margin)
        return np.where(seen & specimen.healthy, specimen.sensitivity_at(frame), 0.0)

    def _hit(self, channel: Channel, frame: int, random: np.random.Generator) -> None:
        specimen, settings = self._specimen, self._exposure.settings
        weights = self._weights(frame) * (specimen.crystal.sublattice == channel.sublattice)
        if settings.births_apart:
            # the choice of the place is narrowed, not the rate: the dose decides how many
            weights = weights * specimen.apart(frame, channel.kind)
        if weights.sum() == 0:
            return
        site = int(random.choice(len(weights), p=weights / weights.sum()))
        specimen.add_point(channel.kind, site, frame, random)
        specimen.sensitise(site, settings.clustering)
        self._made += 1


class PrescribedBirths:
    """A given number of births at random frames, equal shares of kinds: for benchmarks."""

    def __init__(
        self,
        specimen: Specimen,
        exposure: Exposure,
        channels: Sequence[Channel],
        random: np.random.Generator,
    ) -> None:
        self._specimen = specimen
        self._exposure = exposure
        self._channels = channels
        settings = exposure.settings
        last = settings.births_until or settings.frames
        first = settings.damage_from
        frames = np.sort(random.integers(first, max(first + 1, last), settings.prescribed))
        kinds = list(dict.fromkeys(channel.kind for channel in channels))
        order = random.permutation(settings.prescribed)
        self._plan = [
            (int(when), kinds[k % len(kinds)]) for when, k in zip(frames, order, strict=True)
        ]

    def advance(self, frame: int, random: np.random.Generator) -> None:
        """The births that fall on `frame`."""
        for when, kind in self._plan:
            if when == frame:
                self._place(kind, frame, random)

    def _place(self, kind: str, frame: int, random: np.random.Generator) -> None:
        specimen, exposure = self._specimen, self._exposure
        crystal = specimen.crystal
        hosts = [c.sublattice for c in self._channels if c.kind == kind]
        margin = 1.5 * crystal.a_px
        free = specimen.healthy & np.isin(crystal.sublattice, hosts)
        if exposure.settings.births_apart:
            free &= specimen.apart(frame, kind)
        for seen in (
            exposure.throughout(crystal.xy, margin),
            exposure.irradiated(crystal.xy, frame, margin),
        ):
            if (free & seen).any():
                site = int(random.choice(np.flatnonzero(free & seen)))
                specimen.add_point(kind, site, frame, random)
                return


class Fate:
    """Point defects heal, and mobile ones hop to a neighbouring column."""

    def __init__(self, specimen: Specimen, settings: SimulationSettings) -> None:
        self._specimen = specimen
        self._settings = settings

    def advance(self, frame: int, random: np.random.Generator) -> None:
        """Decide for every point defect that was there before `frame`."""
        for defect in self._specimen.defects:
            if not defect.extended and defect.birth < frame < defect.death:
                self._decide(defect, frame, random)

    def _decide(self, defect: Defect, frame: int, random: np.random.Generator) -> None:
        heals, hops = random.random(2) < (self._settings.healing, self._settings.migration)
        if heals:
            self._specimen.heal(defect, frame)
        elif hops:
            self._specimen.hop(defect, frame, random)


def make_preexisting(
    specimen: Specimen,
    share: float,
    channels: Sequence[Channel],
    random: np.random.Generator,
) -> None:
    """Give `share` of all columns a point defect in the first frame."""
    sublattice = specimen.crystal.sublattice
    for site in np.flatnonzero(random.random(len(sublattice)) < share):
        fitting = [channel for channel in channels if channel.sublattice == sublattice[site]]
        if fitting:
            kind = fitting[int(random.integers(len(fitting)))].kind
            specimen.add_point(kind, int(site), 0, random)
