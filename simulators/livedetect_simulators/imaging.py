"""The image that an ideal detector would see: expected electrons in every pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from livedetect_simulators.crystal import Crystal
from livedetect_simulators.detector import variance_of
from livedetect_simulators.probe import Probe, add_columns
from livedetect_simulators.randomness import Purpose, generator
from livedetect_simulators.scan import ScanPath
from livedetect_simulators.spec import SimulationSettings

PROBE_SIGMA = 2.3 / 16
"""Standard deviation of the probe, in lattice constants."""
DARK_FIELD_SHARE = 0.2
"""Depth of the columns in an inverted image, relative to their share of the mean."""
DARKEST = 0.01
"""Lowest expectation, relative to the mean."""


class Imaging:
    """Turns columns into expected electrons per pixel, frame by frame."""

    def __init__(self, settings: SimulationSettings, crystal: Crystal, path: ScanPath) -> None:
        self._settings = settings
        self._path = path
        self._mean = detected_mean(settings)
        self._contrast = self._mean * (1 - settings.base) / crystal.mean_per_px
        height, width = settings.shape
        place = generator(settings, Purpose.PLAN, 1).uniform(0.25, 0.75, 2)
        self._stain = place * (width, height)

    def probe(self, frame: int) -> Probe:
        """Shape of a column in `frame`."""
        settings = self._settings
        sigma = settings.probe_px or PROBE_SIGMA * settings.a_px
        growth = max(0.2, 1 + settings.defocus * frame / 100)
        view = self._path.views.at(frame)
        return Probe(round(sigma * growth * view.focus * view.scale, 4), settings.tail)

    def _exposure(self, frame: int) -> float:
        """Signal per pixel relative to the first frame."""
        return self._path.views.at(frame).dwell_us / self._settings.pixel_dwell_us

    @property
    def electrons_per_brightness(self) -> float:
        """Electrons of a column of brightness 1; negative where columns are dark."""
        share = DARK_FIELD_SHARE / (1 - self._settings.base)
        return -share * self._contrast if self._settings.invert else self._contrast

    def expected(self, columns: NDArray[np.float64], frame: int) -> NDArray[np.float32]:
        """(H, W) electrons expected per pixel from (N, 3) columns x, y, brightness."""
        view = self._path.views.at(frame)
        shape = view.shape
        image = np.zeros(shape, np.float32)
        drift = self._path.drift(frame)
        rows = self._path.rows(frame)
        margin = self.probe(frame).reach_px + 2 + self._settings.warp_px
        margin += float(np.abs(rows - drift).max())
        placed = self._path.placed(columns[:, :2], frame)
        place = placed + drift
        seen = ((place > -margin) & (place < np.array(shape[::-1]) + margin)).all(axis=1)
        shown = columns[seen]
        shown[:, :2] = self._path.warped(placed[seen], frame)
        shown[:, 2] *= self._contrast * self._exposure(frame) * view.scale**2
        add_columns(image, shown, rows, self.probe(frame))
        self._distort(image, frame)
        return self._on_ground(image, frame)

    def information(
        self, before: NDArray[np.float64], after: NDArray[np.float64], frame: int
    ) -> float:
        """d'^2 per frame of a known change of columns: sum of (l1 - l0)^2 / variance.

        Noise of the detector, no distortions, no flicker; `before` and `after` are (N, 3) columns.
        """
        low = np.minimum(before[:, :2].min(0), after[:, :2].min(0))
        both = [columns - (*low, 0) for columns in (before, after)]
        extent = np.maximum(both[0][:, :2].max(0), both[1][:, :2].max(0))
        images = [self._patch(columns, extent, frame) for columns in both]
        variance = variance_of(images[0], self._settings)
        return float(np.sum((images[1] - images[0]) ** 2 / variance, dtype=np.float64))

    def contamination(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) local contamination after 100 frames at (N, 2) points, relative to the mean."""
        settings = self._settings
        spread = 0.2 * min(settings.shape)
        squared = ((xy - self._stain) ** 2).sum(axis=1)
        return np.asarray(settings.contamination * np.exp(-squared / (2 * spread**2)))

    def _patch(
        self, columns: NDArray[np.float64], extent: NDArray[np.float64], frame: int
    ) -> NDArray[np.float32]:
        scale = self._path.views.at(frame).scale
        shape = np.ceil(scale * extent[::-1]).astype(int) + 1
        image = np.zeros(tuple(shape), np.float32)
        brightness = self._contrast * self._exposure(frame) * scale**2
        scaled = columns * (scale, scale, brightness)
        add_columns(image, scaled, np.zeros((shape[0], 2)), self.probe(frame))
        ground = self._ground(frame)
        if self._settings.invert:
            dark = self._inverted(image, frame)
            return np.asarray(dark + ground - self._dark_base(frame))
        return image + np.float32(ground)

    def _ground(self, frame: int) -> float:
        """Electrons per pixel between the columns."""
        share = self._settings.base + self._settings.background * frame / 100
        return self._mean * self._exposure(frame) * share

    def _dark_base(self, frame: int) -> float:
        return self._mean * self._exposure(frame) * self._settings.base

    def _on_ground(self, image: NDArray[np.float32], frame: int) -> NDArray[np.float32]:
        ground = self._ground(frame)
        if self._settings.invert:
            image = self._inverted(image, frame)
            ground -= self._dark_base(frame)
        image += np.float32(ground)
        if self._settings.contamination:
            image += self._stained(frame)
        lowest = DARKEST * self._mean * self._exposure(frame)
        return np.maximum(image, np.float32(lowest), out=image)

    def _inverted(self, image: NDArray[np.float32], frame: int) -> NDArray[np.float32]:
        """Columns darker than their surroundings, with the same mean."""
        share = DARK_FIELD_SHARE / (1 - self._settings.base)
        mean = self._mean * self._exposure(frame)
        return np.float32(mean * (1 + DARK_FIELD_SHARE)) - np.float32(share) * image

    def _stained(self, frame: int) -> NDArray[np.float32]:
        view = self._path.views.at(frame)
        height, width = view.shape
        x, y = view.placed(self._stain[None])[0] + self._path.drift(frame)
        spread = 0.2 * min(self._settings.shape) * view.scale
        across = np.exp(-((np.arange(width) - x) ** 2) / (2 * spread**2))
        down = np.exp(-((np.arange(height) - y) ** 2) / (2 * spread**2))
        peak = self._mean * self._exposure(frame) * self._settings.contamination * frame / 100
        return np.asarray(peak * down[:, None] * across, np.float32)

    def _distort(self, image: NDArray[np.float32], frame: int) -> None:
        """Flyback at the left edge and jitter of single pixels, in place."""
        count = self._path.settling_px
        if count:
            bend = self._path.flyback(count)
            rows, cols = np.mgrid[: image.shape[0], :count].astype(float)
            image[:, :count] = map_coordinates(image, [rows, cols + bend], order=1, mode="nearest")
        rms = self._settings.pixel_jitter_px
        if rms:
            random = generator(self._settings, Purpose.PIXELS, frame)
            down, across = np.gradient(image)
            shift = random.standard_normal((2, *image.shape), dtype=np.float32)
            image += np.float32(rms) * (down * shift[0] + across * shift[1])


def detected_mean(settings: SimulationSettings) -> float:
    """Mean signal of the first frame, electrons per pixel in the detector."""
    if settings.collection is None:
        return settings.detected_e_per_px
    return settings.collection * incident_per_px(settings)


def incident_per_px(settings: SimulationSettings) -> float:
    """Electrons that hit the specimen during the dwell time of one pixel, I t / e."""
    return settings.current_pA * settings.pixel_dwell_us * 1e-18 / 1.602176634e-19
