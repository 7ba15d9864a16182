"""What is really in a frame: defects, where they appear, and how well they could be known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from livedetect.types import TrueDefect
from livedetect_simulators.defects import Defect
from livedetect_simulators.detector import variance_of
from livedetect_simulators.domains import Domain
from livedetect_simulators.imaging import Imaging
from livedetect_simulators.scan import ScanPath
from livedetect_simulators.spec import SimulationSettings
from livedetect_simulators.specimen import Specimen, edited

BLOCK_PX = 4
"""Edge of the blocks on which a domain is told, px."""
EXTENT_SIGMAS = 2.0
"""How far beyond its columns a defect shows, in standard deviations of the probe."""


class GroundTruth:
    """Tells the truth about frames up to which the damage has been worked out."""

    def __init__(
        self,
        settings: SimulationSettings,
        path: ScanPath,
        imaging: Imaging,
        specimen: Specimen,
        domain: Domain | None,
    ) -> None:
        self._settings = settings
        self._path = path
        self._imaging = imaging
        self._specimen = specimen
        self._domain = domain
        self._snr2: dict[int, float] = {}

    def columns(self, frame: int) -> NDArray[np.float64]:
        """(N, 3) columns x, y, brightness of the whole specimen in `frame`."""
        columns = self._specimen.pristine()
        if self._domain is not None:
            columns = self._domain.transform(columns, frame)
        return edited(columns, self._specimen.edits(frame))

    def defects(self, frame: int) -> tuple[TrueDefect, ...]:
        """Everything whose centre lies in `frame`, the domain first; a line column by column."""
        present = [defect for defect in self._specimen.defects if defect.present(frame)]
        places = [(defect, place) for defect in present for place in defect.places(frame)]
        if not places:
            return self._described_domain(frame)
        shown = self._path.shown(np.array([place for _, place in places]), frame).tolist()
        pairs = ((defect, xy) for (defect, _), xy in zip(places, shown, strict=True))
        inside = ((d, x, y) for d, (x, y) in pairs if self._inside(frame, x, y))
        points = (self._described(d, frame, x, y) for d, x, y in inside)
        return (*self._described_domain(frame), *points)

    def region(self, frame: int) -> NDArray[np.bool_] | None:
        """(H // 4, W // 4) True inside the growing domain; None if the spec asks for none."""
        if self._settings.domain == "none":
            return None
        xy = self._blocks(frame)
        if self._domain is None:
            return np.zeros(xy.shape[:2], bool)
        return self._domain.inside(xy.reshape(-1, 2), frame).reshape(xy.shape[:2])

    def altered(self, frame: int) -> NDArray[np.bool_]:
        """(H // 4, W // 4) True inside a domain, a hole or a line.

        Of a hole that is where the nearest column is gone, of a line the unit cells of its
        columns. Distortions of the scan other than the drift are left out.
        """
        xy = self._blocks(frame)
        region = self.region(frame)
        area = np.zeros(xy.shape[:2], bool) if region is None else region
        for defect in self._specimen.defects:
            lost = [edit.site for edit in defect.edits_at(frame)] if defect.extended else []
            if lost:
                alike = self._columns_like(lost[0]) if defect.kind == "line" else self._all
                nearest = alike[cKDTree(self._xy[alike]).query(xy.reshape(-1, 2))[1]]
                area |= np.isin(nearest, lost).reshape(area.shape)
        return area

    @property
    def _xy(self) -> NDArray[np.float64]:
        return self._specimen.crystal.xy

    @property
    def _all(self) -> NDArray[np.intp]:
        return np.arange(len(self._xy))

    def _columns_like(self, site: int) -> NDArray[np.intp]:
        """Columns of the sublattice of `site`."""
        sublattice = self._specimen.crystal.sublattice
        return np.flatnonzero(sublattice == sublattice[site])

    def _blocks(self, frame: int) -> NDArray[np.float64]:
        """(H // 4, W // 4, 2) centres of the blocks, px of the specimen."""
        height, width = self._path.views.at(frame).shape
        rows, cols = np.mgrid[: height // BLOCK_PX, : width // BLOCK_PX]
        centres = np.stack([cols, rows], axis=2) * BLOCK_PX + (BLOCK_PX - 1) / 2
        xy = self._path.specimen(centres.reshape(-1, 2), frame)
        return np.asarray(xy.reshape(centres.shape))

    def births(self) -> dict[int, int]:
        """First frame of every defect that the first frame does not hold."""
        born = {d.defect_id: d.birth for d in self._specimen.defects if d.birth > 0}
        return born if self._domain is None else {0: self._domain.start, **born}

    def _inside(self, frame: int, x: float, y: float, margin: float = 0.0) -> bool:
        height, width = self._path.views.at(frame).shape
        return margin <= x <= width - 1 - margin and margin <= y <= height - 1 - margin

    def _described(self, defect: Defect, frame: int, x: float, y: float) -> TrueDefect:
        scale = self._path.views.at(frame).scale
        neighbour = self._specimen.crystal.neighbour_px
        radius = scale * defect.radius_px(frame, neighbour)
        spread = EXTENT_SIGMAS * self._imaging.probe(frame).sigma_px
        return TrueDefect(
            frame=frame,
            defect_id=defect.defect_id,
            x_px=x,
            y_px=y,
            kind=defect.kind,
            birth_frame=defect.birth,
            radius_px=radius,
            snr2=self._information(defect),
            extent_px=max(radius, 0.5 * neighbour * scale) + spread,
            in_view=self._inside(frame, x, y, self._settings.a_px * scale),
        )

    def _information(self, defect: Defect) -> float:
        """d'^2 per frame of the defect as it was born, with all others away."""
        if defect.defect_id not in self._snr2:
            before = self._specimen.pristine()
            after = edited(before.copy(), defect.edits_at(defect.birth))
            scale = self._path.views.at(defect.birth).scale
            reach = 1.5 * self._imaging.probe(defect.birth).reach_px / scale + self._settings.a_px
            near = [
                columns[np.hypot(*(columns[:, :2] - defect.centre_px).T) < reach]
                for columns in (before, after)
            ]
            information = self._imaging.information(near[0], near[1], defect.birth)
            self._snr2[defect.defect_id] = information
        return self._snr2[defect.defect_id]

    def _described_domain(self, frame: int) -> tuple[TrueDefect, ...]:
        region = self.region(frame)
        if self._domain is None or region is None or not region.any():
            return ()
        y, x = (np.argwhere(region).mean(axis=0) + 0.5) * BLOCK_PX - 0.5
        radius = float(np.sqrt(region.sum() * BLOCK_PX**2 / np.pi))
        truth = TrueDefect(
            frame=frame,
            defect_id=0,
            x_px=float(x),
            y_px=float(y),
            kind=f"{self._settings.domain}_domain",
            birth_frame=self._domain.start,
            radius_px=radius,
            snr2=self._domain_information(self._domain),
            extent_px=radius,
            in_view=True,
        )
        return (truth,)

    def _domain_information(self, domain: Domain) -> float:
        """d'^2 of the domain's first frame."""
        if 0 not in self._snr2:
            pristine = self._specimen.pristine()
            images = [
                self._imaging.expected(columns, domain.start)
                for columns in (pristine, domain.transform(pristine, domain.start))
            ]
            variance = variance_of(images[0], self._settings)
            self._snr2[0] = float(np.sum((images[1] - images[0]) ** 2 / variance, dtype=float))
        return self._snr2[0]
