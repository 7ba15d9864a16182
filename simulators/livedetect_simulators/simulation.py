"""The simulator: frames of a crystal under the beam, each with the truth about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.types import Calibration, Frame, SimulatedFrame
from livedetect_simulators.crystal import Crystal, Placement, build
from livedetect_simulators.damage import (
    Exposure,
    Fate,
    Mechanism,
    PointDamage,
    PrescribedBirths,
    make_preexisting,
)
from livedetect_simulators.detector import data_type, detect, saturation_value
from livedetect_simulators.domains import Domain, DomainPlan, grow_domain
from livedetect_simulators.extended import Holes, Lines
from livedetect_simulators.ground_truth import GroundTruth
from livedetect_simulators.imaging import Imaging
from livedetect_simulators.materials import MATERIALS, active_channels
from livedetect_simulators.observer import IdealObserver, possible_changes
from livedetect_simulators.pacing import Pace
from livedetect_simulators.randomness import Purpose, generator
from livedetect_simulators.scan import ScanPath
from livedetect_simulators.spec import SimulationSettings, parse_spec
from livedetect_simulators.specimen import Specimen, edited
from livedetect_simulators.truth import describe
from livedetect_simulators.views import View


class Simulation:
    """A stream of frames from a spec; any frame can be asked for, in any order.

    Parameters
    ----------
    settings : a spec such as ``"mos2?seed=1"``, or settings.

    Raises
    ------
    SettingsError : naming the key and what is allowed.
    """

    def __init__(self, settings: SimulationSettings | str) -> None:
        self.settings = parse_spec(settings) if isinstance(settings, str) else settings
        self._path = ScanPath(self.settings)
        self._place = _placement(self.settings, self._path)
        self.crystal: Crystal = build(
            MATERIALS[self.settings.crystal],
            self._place,
            generator(self.settings, Purpose.CRYSTAL),
            twin=self.settings.twin,
        )
        self._imaging = Imaging(self.settings, self.crystal, self._path)
        etching = self.settings.etching * self._imaging.contamination(self.crystal.xy)
        self._specimen = Specimen(self.crystal, self.settings.clustering, etching)
        self._domain = self._second_domain()
        self._truth = GroundTruth(
            self.settings, self._path, self._imaging, self._specimen, self._domain
        )
        self._mechanisms = self._what_the_beam_does()
        self._done = 0

    def __len__(self) -> int:
        """Number of frames."""
        return self.settings.frames

    def __iter__(self) -> Iterator[SimulatedFrame]:
        """Every frame with its truth, paced if the spec gives ``fps``."""
        return self.play()

    def play(self, stop: threading.Event | None = None) -> Iterator[SimulatedFrame]:
        """As iteration, until `stop` is set."""
        pace = Pace(self.settings.fps, stop or threading.Event())
        for index in range(self.settings.frames):
            simulated = self.frame(index)
            if not pace.wait():
                return
            yield simulated

    def frame(self, index: int) -> SimulatedFrame:
        """Frame `index` (from 0) with its truth; equal whenever it is asked for."""
        view = self._path.views.at(index)
        data = detect(self.expected(index), self.settings, index, view.gain)
        data.setflags(write=False)
        frame = Frame(
            data=data,
            index=index,
            time_s=self._path.views.time_s(index),
            calibration=self.calibration_at(index),
            stream="sim/ABF" if self.settings.invert else "sim/HAADF",
            saturation_value=saturation_value(self.settings),
            meta=self._told(view),
        )
        return SimulatedFrame(
            frame=frame,
            truth=self._truth.defects(index),
            region=self._truth.region(index),
        )

    def expected(self, index: int) -> NDArray[np.float32]:
        """(H, W) electrons expected per pixel of frame `index`, without noise and flicker."""
        self._advance(index)
        return self._imaging.expected(self._truth.columns(index), index)

    def altered_area(self, index: int) -> NDArray[np.bool_]:
        """(H // 4, W // 4) True inside a domain, a hole or a line of frame `index`."""
        self._advance(index)
        return self._truth.altered(index)

    def observer(self) -> IdealObserver:
        """Who knows everything but what will be born, and looks for it."""
        channels = active_channels(self.settings)
        start = edited(self._specimen.pristine(), self._specimen.edits(0))
        return IdealObserver(
            self.settings,
            self._imaging,
            self._path,
            possible_changes(self.crystal, channels),
            lambda index: self._imaging.expected(start, index),
        )

    @property
    def pixel_size_nm(self) -> float:
        """Width of a pixel, nm: the crystal's lattice constant over ``a_px``."""
        return self.crystal.type.lattice_nm / self.settings.a_px

    @property
    def frame_time_s(self) -> float:
        """Time per frame, s."""
        height, width = self.settings.shape
        return height * width * self.settings.pixel_dwell_us * 1e-6

    @property
    def calibration(self) -> Calibration:
        """How the first frame is scanned, and every other unless the spec has steps."""
        return self.calibration_at(0)

    def calibration_at(self, index: int) -> Calibration:
        """How frame `index` is scanned."""
        view = self._path.views.at(index)
        return Calibration(
            pixel_size_nm=self.pixel_size_nm / view.scale,
            dwell_us=view.dwell_us,
            current_pA=self.settings.current_pA,
            current_source="instrument",
            high_tension_kv=self.settings.high_tension_kv,
            rotation_deg=view.turn_deg if self.settings.turn_deg else None,
        )

    @property
    def constant(self) -> bool:
        """Whether all frames are scanned alike."""
        return self._path.views.constant

    def _told(self, view: View) -> dict[str, Any]:
        """What the frame's metadata hold beside the calibration."""
        told: dict[str, Any] = {"crystal": self.settings.crystal, "seed": self.settings.seed}
        return {**told, "detector_gain": view.gain} if self.settings.gain_to else told

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the frames' data."""
        return data_type(self.settings)

    @property
    def births(self) -> dict[int, int]:
        """First frame of every defect of the whole stream that the first frame does not hold."""
        self._advance(self.settings.frames - 1)
        return self._truth.births()

    @property
    def meta(self) -> Mapping[str, Any]:
        """What ``meta.json`` holds."""
        return describe(self)

    def write(
        self, destination: Path, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Write all frames with ``truth.csv`` and ``meta.json``, see `writers.write`."""
        from livedetect_simulators.writers import write  # noqa: PLC0415 - loads tifffile

        write(self, destination, progress=progress)

    def _advance(self, index: int) -> None:
        """Let the beam act up to frame `index`."""
        if not 0 <= index < self.settings.frames:
            raise IndexError(f"frame {index} of a stream of {self.settings.frames}")
        while self._done < index:
            self._done += 1
            random = generator(self.settings, Purpose.DAMAGE, self._done)
            for mechanism in self._mechanisms:
                mechanism.advance(self._done, random)

    def _second_domain(self) -> Domain | None:
        settings = self.settings
        if settings.domain == "none":
            return None
        # its defect number is the first, whatever else happens
        self._specimen.reserve_id()
        start = settings.domain_start
        plan = DomainPlan(
            start=start or 0,
            centre=np.asarray(self._place.centre) - self._path.drift(start or 0),
            speed_px=settings.domain_px * (1.0 if settings.damage is None else settings.damage),
            place=self._place,
        )
        random = generator(settings, Purpose.CRYSTAL, 1)
        domain = grow_domain(settings.domain, self.crystal, plan, random)
        return domain if start is not None else None

    def _what_the_beam_does(self) -> list[Mechanism]:
        settings, specimen = self.settings, self._specimen
        exposure = Exposure(settings=settings, path=self._path)
        channels = active_channels(settings)
        random = generator(settings, Purpose.PLAN)
        make_preexisting(specimen, settings.preexisting, channels, random)
        mechanisms: list[Mechanism] = [Fate(specimen, settings)]
        mechanisms += [Holes(specimen, exposure, random)] * bool(settings.holes)
        mechanisms += [Lines(specimen, exposure, random)] * bool(settings.lines)
        if settings.prescribed:
            return [*mechanisms, PrescribedBirths(specimen, exposure, channels, random)]
        return [*mechanisms, PointDamage(specimen, exposure, channels)]


def _placement(settings: SimulationSettings, path: ScanPath) -> Placement:
    """The piece of crystal that the stream can ever see, and a margin."""
    height, width = settings.shape
    low, high = path.extent
    margin = 4 * settings.a_px + 20 + abs(settings.shear_px) + settings.warp_px
    corners = path.views.corners()
    first, last = corners.min(axis=0), corners.max(axis=0)
    return Placement(
        a_px=settings.a_px,
        rot_deg=settings.rot_deg,
        low=(float(first[0] - high[0] - margin), float(first[1] - high[1] - margin)),
        high=(float(last[0] - low[0] + margin), float(last[1] - low[1] + margin)),
        centre=(width / 2, height / 2),
        centre_to_edge=(width / 2, height / 2),
    )
