"""A model of the crystal at one scan setting, and how it lies in its area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from livedetect.detect.affine import Affine
from livedetect.detect.announce import View
from livedetect.detect.arrays import FloatArray
from livedetect.detect.drift_alarm import DriftAlarm
from livedetect.detect.method import Method, Relearnable
from livedetect.detect.place_matching import Seen
from livedetect.detect.regions import Region
from livedetect.detect.scan_setting import ScanSetting
from livedetect.detect.stored_mean import StoredMean
from livedetect.types import Calibration


@dataclass(slots=True, kw_only=True)
class CrystalModel:
    """One model per scan setting of an area; it is kept when the setting changes."""

    method: Method
    """What judges the frames."""
    setting: ScanSetting
    """How they are scanned."""
    mean: StoredMean
    """What it has seen, to recognise the place."""
    placement: Affine
    """From its sample coordinates, px, to those of the area, nm (px without a pixel size)."""
    learnt: tuple[int, ...] = ()
    """Defects that are part of its baseline."""
    fallback: bool = False
    """There was no lattice."""
    drift_origin_px: FloatArray = field(default_factory=lambda: np.zeros(2))
    """(x, y) drift at which its own drift is zero: of models it took the place of, px."""
    succeeds: bool = False
    """It took over from another one during the run: what it holds was no start."""
    alarm: DriftAlarm = field(default_factory=DriftAlarm)
    """Whether it still describes the crystal."""

    def seen(self, places: FloatArray) -> Seen:
        """Its mean with its lattice and the known defects at `places` (n, 2) of the area."""
        return Seen(
            mean=self.mean,
            basis_px=self.method.lattice_px,
            defects_px=self.placement.inverse.apply(places),
        )

    @property
    def cell_px(self) -> float:
        """Lattice constant, or the distance at which markers merge, px."""
        basis = self.method.lattice_px
        return self.method.merge_radius_px if basis is None else float(np.hypot(*basis.T).min())

    def view(self, calibration: Calibration) -> View:
        """How its coordinates look from outside in a frame of that calibration."""
        return View(
            to_frame=self.method.to_frame,
            calibration=calibration,
            placement=self.placement,
            threshold=self.method.threshold,
        )

    def remember(self, frame: FloatArray, shift: FloatArray) -> None:
        """Take a frame, float32 (H, W), of drift (x, y) into the mean, if it shows the crystal."""
        if not self.alarm.hidden:
            self.mean.add(frame, shift)

    def disown(self, regions: Sequence[Region]) -> None:
        """Regions that are not believed are crystal, where the method knows of regions."""
        if isinstance(self.method, Relearnable):
            self.method.disown(regions)

    def field_centre(self) -> FloatArray:
        """(x, y) of the latest frame's centre in the area."""
        centre = frame_centre(self.setting) - self.method.shift
        return np.asarray(self.placement.apply(centre[None])[0])

    def shift_for(self, centre: FloatArray) -> FloatArray:
        """Drift (x, y) of a frame whose centre lies at `centre` of the area, px."""
        sample = self.placement.inverse.apply(centre[None])[0]
        return np.asarray(frame_centre(self.setting) - sample)

    def guesses(self, new: ScanSetting) -> list[Affine]:
        """From the first frame of a new setting to own sample coordinates, by the metadata.

        The field's centre is taken to stay; which way a scan rotation turns the image is
        a matter of the instrument, so both are tried.
        """
        middle = frame_centre(self.setting) - self.method.shift
        start = frame_centre(new)
        return [Affine(turn, middle - turn @ start) for turn in _linear_guesses(self.setting, new)]


def native_placement(setting: ScanSetting) -> Affine:
    """An area's coordinates begin as those of its first segment, in nm."""
    size = setting.pixel_size_nm
    return Affine.scaling(size or 1.0, (size or 1.0) * setting.pixel_aspect)


def frame_centre(setting: ScanSetting) -> FloatArray:
    """(x, y) of the middle of a frame, px."""
    height, width = setting.shape
    return np.array([(width - 1) / 2, (height - 1) / 2])


def _linear_guesses(old: ScanSetting, new: ScanSetting) -> list[FloatArray]:
    if old.pixel_size_nm is None or new.pixel_size_nm is None:
        # the same field, or the same magnification
        field_kept = np.diag(np.array(old.shape[::-1]) / np.array(new.shape[::-1]))
        scales = [np.eye(2)] if old.shape == new.shape else [field_kept, np.eye(2)]
        return [np.asarray(scale) for scale in scales]
    to_nm = native_placement(new).linear
    back = native_placement(old).inverse.linear
    turned = (new.rotation_deg or 0.0) - (old.rotation_deg or 0.0)
    angles = (turned, -turned) if abs(turned) > 1e-6 else (0.0,)
    return [np.asarray(back @ _rotation(np.deg2rad(angle)) @ to_nm) for angle in angles]


def _rotation(angle: float) -> FloatArray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
