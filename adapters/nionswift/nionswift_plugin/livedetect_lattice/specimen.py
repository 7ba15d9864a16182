"""livedetect's simulated crystal as a specimen that any scan may look at, and harms by looking.

Damage follows the electrons: a row that the beam has crossed has received its fluence, with the
current that the column tells; a blanked beam does nothing. What a scan does is seen in the next.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect_simulators.crystal import Channel, Placement, build
from livedetect_simulators.detector import detect
from livedetect_simulators.imaging import PROBE_SIGMA, detected_mean, incident_per_px
from livedetect_simulators.materials import MATERIALS, active_channels
from livedetect_simulators.probe import Probe, add_columns
from livedetect_simulators.randomness import Purpose, generator
from livedetect_simulators.spec import parse_spec
from livedetect_simulators.specimen import Specimen, edited

EXTENT_NM = 24.0
REACH_NM = 2.0
REMEMBERED_SCANS = 1000
ELECTRONS_PER_PA_US = 1e-18 / 1.602176634e-19
_EDGE = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where and how a scan looks at the specimen."""

    shape: tuple[int, int]
    """Rows and columns."""
    pixel_nm: float
    """Edge of a pixel, nm."""
    centre_nm: tuple[float, float]
    """(x, y) of the field's centre on the specimen, nm."""
    rotation_rad: float
    """Of the scan."""
    dwell_us: float
    """Time per pixel, µs."""

    def pixels(self, xy_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) pixels (x, y) at which points of the specimen appear."""
        cos, sin = np.cos(self.rotation_rad), np.sin(self.rotation_rad)
        turned = (xy_nm - self.centre_nm) @ np.array([[cos, sin], [-sin, cos]])
        middle = (np.array(self.shape[::-1]) - 1) / 2
        return np.asarray(turned / self.pixel_nm + middle)


class LatticeSpecimen:
    """A crystal of 24 × 24 nm; `spec` as for ``livedetect simulate``.

    Of the spec count: crystal, seed, signal (at ``current_pA`` and ``dwell_us``), damage and its
    kinds, drift, walk, jitter and the detector. Size and field of view are the scan's own.
    """

    def __init__(self, spec: str) -> None:
        self.settings = parse_spec(spec)
        kind = MATERIALS[self.settings.crystal]
        self.nm_per_px = kind.lattice_nm / self.settings.a_px
        half_px = EXTENT_NM / 2 / self.nm_per_px
        place = Placement(
            a_px=self.settings.a_px,
            rot_deg=self.settings.rot_deg,
            low=(-half_px, -half_px),
            high=(half_px, half_px),
            centre=(0.0, 0.0),
            centre_to_edge=(half_px, half_px),
        )
        crystal = build(kind, place, generator(self.settings, Purpose.CRYSTAL))
        self._lock = threading.Lock()
        self._specimen = Specimen(crystal, self.settings.clustering, np.zeros(len(crystal.xy)))
        self._channels = active_channels(self.settings)
        self._random = generator(self.settings, Purpose.DAMAGE)
        self._path = generator(self.settings, Purpose.PATH)
        angle = self._path.uniform(0, 2 * np.pi)
        self._step = self.settings.drift_px * np.array([np.cos(angle), np.sin(angle)])
        self._free_drift = np.zeros(2)
        self._images = 0
        self._view: View | None = None
        self._last_view: View | None = None
        self._fluence_row = np.zeros(0)
        self._drifts: dict[int, NDArray[np.float64]] = {}
        self.lit = -1
        """Number of the last scan whose picture was taken with the beam on."""
        self.scan = -1
        """Number of the scan that is going on, from 0."""
        self.drift_nm = np.zeros(2)
        """(x, y) displacement of the specimen, nm."""
        self.fluence_e_per_A2 = np.zeros(len(crystal.xy))
        """(N,) that each column has received, e/Å²."""
        self._warm()

    # -- what the microscope does ----------------------------------------------------------

    def begin_scan(self) -> None:
        """A scan begins: what the last one did to the specimen is there now."""
        with self._lock:
            self._suffer()
            self.scan += 1
            if self.scan > 0:
                walk = self.settings.walk_px * self._path.standard_normal(2)
                self._free_drift += (self._step + walk) * self.nm_per_px
            turned = (self._free_drift + REACH_NM) % (4 * REACH_NM)
            self.drift_nm = REACH_NM - np.abs(turned - 2 * REACH_NM)
            self._drifts[self.scan] = self.drift_nm
            self._drifts.pop(self.scan - REMEMBERED_SCANS, None)
            self._view = None

    def expose(self, first: int, last: int, current_pA: float) -> None:  # noqa: N803
        """The beam has moved from pixel `first` to `last` of the scan with `current_pA`."""
        with self._lock:
            view = self._view
            if view is None or current_pA <= 0 or last <= first:
                return
            width = view.shape[1]
            pixels = np.arange(view.shape[0] + 1) * width
            crossed = np.clip(last, pixels[:-1], pixels[1:]) - np.clip(
                first, pixels[:-1], pixels[1:]
            )
            electrons = current_pA * view.dwell_us * ELECTRONS_PER_PA_US
            self._fluence_row += crossed / width * electrons / (100 * view.pixel_nm**2)

    def image(self, view: View, current_pA: float) -> NDArray[Any]:  # noqa: N803
        """What the detector reports for a whole scan of the specimen as it is now."""
        with self._lock:
            if self._view != view:
                self._view = view
                self._fluence_row = np.zeros(view.shape[0])
            self._images += 1
            number, scan = self._images, self.scan
            self.lit = scan if current_pA > 0 else self.lit
            self._last_view = view
            columns = edited(self._specimen.pristine(), self._specimen.edits(scan))
        return detect(self._expected(columns, view, current_pA, number), self.settings, number)

    def _expected(
        self,
        columns: NDArray[np.float64],
        view: View,
        current_pA: float,  # noqa: N803
        number: int,
    ) -> NDArray[np.float32]:
        settings, height = self.settings, view.shape[0]
        image = np.zeros(view.shape, np.float32)
        share = current_pA * view.dwell_us * ELECTRONS_PER_PA_US / incident_per_px(settings)
        mean = detected_mean(settings) * share
        if mean <= 0:
            return image
        crystal = self._specimen.crystal
        scale = view.pixel_nm / self.nm_per_px
        probe = Probe(round(PROBE_SIGMA * settings.a_px / scale, 4), settings.tail)
        place = view.pixels(self._nm(columns[:, :2]))
        margin = probe.reach_px + 2
        high = np.array(view.shape[::-1]) + margin
        seen = ((place > -margin) & (place < high)).all(axis=1)
        amplitude = columns[seen, 2] * mean * (1 - settings.base) / (crystal.mean_per_px * scale**2)
        rows = np.zeros((height, 2))
        jitter = generator(settings, Purpose.SCAN, number).standard_normal(height)
        rows[:, 0] = settings.jitter_px * jitter
        add_columns(image, np.column_stack([place[seen], amplitude]), rows, probe)
        return image + np.float32(mean * settings.base)

    # -- what the beam does ----------------------------------------------------------------

    def _suffer(self) -> None:
        view = self._view
        if view is None or not self._fluence_row.any():
            return
        crystal = self._specimen.crystal
        place = view.pixels(self._nm(crystal.xy))
        inside = ((place >= 0) & (place <= np.array(view.shape[::-1]) - 1)).all(axis=1)
        row = np.clip(np.rint(place[:, 1]), 0, view.shape[0] - 1).astype(int)
        received = np.where(inside, self._fluence_row[row], 0.0)
        self.fluence_e_per_A2 += received
        self._fluence_row = np.zeros(view.shape[0])
        if self.scan + 1 >= self.settings.damage_from:
            self._hit(received * self._away_from_edges(place, view))

    def _away_from_edges(self, place: NDArray[np.float64], view: View) -> NDArray[np.float64]:
        if not self.settings.births_apart:
            return np.ones(len(place))
        margin = _EDGE * self.settings.a_px * self.nm_per_px / view.pixel_nm
        high = np.array(view.shape[::-1]) - 1 - margin
        return np.asarray(((place >= margin) & (place <= high)).all(axis=1), float)

    def _hit(self, fluence: NDArray[np.float64]) -> None:
        rates = [self._weights(channel, fluence).sum() for channel in self._channels]
        expected = np.asarray(rates) * 1e-8 * self.settings.point_damage
        for channel, count in zip(self._channels, self._random.poisson(expected), strict=True):
            for _ in range(int(count)):
                self._change(channel, fluence)

    def _weights(self, channel: Channel, fluence: NDArray[np.float64]) -> NDArray[np.float64]:
        specimen = self._specimen
        hit = specimen.healthy & (specimen.crystal.sublattice == channel.sublattice)
        return np.asarray(channel.barn * channel.atoms * fluence * hit)

    def _change(self, channel: Channel, fluence: NDArray[np.float64]) -> None:
        specimen = self._specimen
        if len(specimen.defects) >= self.settings.max_defects:
            return
        weights = self._weights(channel, fluence)
        if self.settings.births_apart:
            weights = weights * specimen.apart(self.scan + 1, channel.kind)
        if weights.sum() > 0:
            site = int(self._random.choice(len(weights), p=weights / weights.sum()))
            specimen.add_point(channel.kind, site, self.scan + 1, self._random)

    # -- the truth -------------------------------------------------------------------------

    def truth(self, scan: int | None = None) -> dict[str, Any]:
        """Every defect of a scan (the current one) with its place in that scan's pixels."""
        with self._lock:
            at = self.scan if scan is None else scan
            view, defects = self._last_view, list(self._specimen.defects)
            drift = self._drifts.get(at, self.drift_nm)
            told: list[dict[str, Any]] = []
            for defect in defects:
                place = defect.position(at) * self.nm_per_px + drift
                x, y = view.pixels(place[None])[0] if view else (None, None)
                told.append({"kind": defect.kind, "birth": defect.birth, "x_px": x, "y_px": y})
            return {
                "scan": at,
                "lit": self.lit,
                "pixel_nm": view.pixel_nm if view else None,
                "fluence": float(self.fluence_e_per_A2.sum()),
                "defects": told,
            }

    def _nm(self, xy_px: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(xy_px * self.nm_per_px + self.drift_nm)

    def _warm(self) -> None:
        """Compile before the first scan, which must not wait for it."""
        view = View(shape=(64, 64), pixel_nm=0.02, centre_nm=(0, 0), rotation_rad=0.0, dwell_us=1.0)
        self.image(view, self.settings.current_pA)
        self._view, self._last_view, self._images, self.lit = None, None, 0, -1
