"""What the operator does during a stream: zoom, turn, change dwell or size, move, refocus, pause.

*Specimen* coordinates are the pixels of the first frame, drift removed. A `View` says how one
frame shows them: ``centre + scale x turn x (specimen - stage - first centre)``, drift added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livedetect_simulators.spec import SimulationSettings, Steps

_STEPS = ("zoom", "turn_deg", "scan_size", "dwell_to", "gain_to", "stage", "focus", "pause_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How one frame is scanned."""

    scale: float
    """Pixels of this frame per pixel of the first one."""
    turn_deg: float
    """Scan rotation; the image turns the other way."""
    shape: tuple[int, int]
    """Rows and columns."""
    dwell_us: float
    """Time per pixel, µs."""
    gain: float
    """Factor on the detector's gain."""
    focus: float
    """Factor on the width of the probe."""
    stage_px: float
    """How far the field has moved along x, px of the first frame."""
    first_shape: tuple[int, int]
    """Rows and columns of the first frame."""

    @property
    def moved(self) -> bool:
        """Whether specimen and frame coordinates differ by more than the drift."""
        same = self.scale == 1 and self.turn_deg == 0 and self.stage_px == 0
        return not same or self.shape != self.first_shape

    @property
    def linear(self) -> NDArray[np.float64]:
        """(2, 2) from specimen to frame displacements, for columns (x, y)."""
        angle = np.deg2rad(-self.turn_deg)
        turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return np.asarray(self.scale * np.array(turn))

    def placed(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) frame pixels of specimen points, drift left out."""
        if not self.moved:
            return xy
        return np.asarray((xy - self._origin) @ self.linear.T + _centre(self.shape))

    def specimen(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) specimen points of frame pixels, drift left out."""
        if not self.moved:
            return xy
        return np.asarray((xy - _centre(self.shape)) @ np.linalg.inv(self.linear).T + self._origin)

    @property
    def _origin(self) -> NDArray[np.float64]:
        return np.asarray(_centre(self.first_shape) + np.array([self.stage_px, 0.0]))


class Views:
    """The view of every frame of a stream."""

    def __init__(self, settings: SimulationSettings) -> None:
        self._settings = settings
        steps = [getattr(settings, name) for name in _STEPS]
        self.starts = tuple(sorted({0, *(frame for step in steps for frame, _ in step)}))
        """Frames at which something may change."""
        self._views = {start: self._view(start) for start in self.starts}
        self.constant = self.starts == (0,)
        """Nothing ever changes."""

    def at(self, frame: int) -> View:
        """How `frame` is scanned."""
        return self._views[max(start for start in self.starts if start <= frame)]

    def time_s(self, frame: int) -> float:
        """When `frame` begins, s after the first one, pauses included."""
        pauses = sum(float(seconds) for first, seconds in self._settings.pause_s if first <= frame)
        spans = zip(self.starts, (*self.starts[1:], frame), strict=True)
        scanned = [
            (min(last, frame) - start) * frame_time_s(self._views[start])
            for start, last in spans
            if start < frame
        ]
        return float(pauses + sum(scanned))

    def corners(self) -> NDArray[np.float64]:
        """(N, 2) specimen points of the corners of every view."""
        found = []
        for view in self._views.values():
            height, width = view.shape
            edges = np.array([(x, y) for x in (0.0, width) for y in (0.0, height)])
            found.append(view.specimen(edges))
        return np.concatenate(found)

    def _view(self, frame: int) -> View:
        settings = self._settings
        height, width = settings.shape
        size = value_at(settings.scan_size, frame, width)
        ratio = size / width
        return View(
            scale=ratio * value_at(settings.zoom, frame, 1.0),
            turn_deg=value_at(settings.turn_deg, frame, 0.0),
            shape=(round(height * ratio), round(size)),
            dwell_us=value_at(settings.dwell_to, frame, settings.pixel_dwell_us),
            gain=value_at(settings.gain_to, frame, 1.0),
            focus=value_at(settings.focus, frame, 1.0),
            stage_px=value_at(settings.stage, frame, 0.0) * width,
            first_shape=settings.shape,
        )


def frame_time_s(view: View) -> float:
    """Time per frame, s."""
    return view.shape[0] * view.shape[1] * view.dwell_us * 1e-6


def value_at(steps: Steps, frame: int, before: float) -> float:
    """What the latest of the sorted steps up to `frame` says; `before` the first one."""
    values = [value for first, value in steps if first <= frame]
    return float(values[-1]) if values else before


def _centre(shape: tuple[int, int]) -> NDArray[np.float64]:
    return np.array([shape[1] / 2, shape[0] / 2])
