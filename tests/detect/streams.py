"""Streams of known truth for the tests of the detector."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from livedetect import Detector, Event, Frame, FrameResult, Settings
from livedetect.stream.registry import open_simulator
from livedetect.types import DefectEvent, TrueDefect

DEFECT_NAMES = ("defect_confirmed", "defect_at_start", "defect_healed")


@dataclass
class Run:
    """What a detector said of a simulated stream, and what was true."""

    events: list[Event] = field(default_factory=list)
    results: list[FrameResult] = field(default_factory=list)
    truth: dict[int, dict[int, TrueDefect]] = field(default_factory=dict)

    def named(self, name: str) -> list[DefectEvent]:
        return [event for event in self.events if event.event == name]  # type: ignore[misc]

    @property
    def births(self) -> dict[int, int]:
        return {d.defect_id: d.birth_frame for frame in self.truth.values() for d in frame.values()}

    def matched(self, radius_px: float) -> tuple[dict[int, int], list[DefectEvent]]:
        """Delay of every defect found, and the markers that belong to none."""
        delays: dict[int, int] = {}
        false = []
        for event in self.named("defect_confirmed"):
            near = [
                (np.hypot(event.x_px - d.x_px, event.y_px - d.y_px), d)
                for d in self.truth[event.frame].values()
            ]
            distance, defect = min(near, default=(np.inf, None), key=lambda pair: pair[0])
            if distance < radius_px and defect is not None:
                delays.setdefault(defect.defect_id, event.frame - defect.birth_frame)
            elif distance > 3 * radius_px:
                false.append(event)
        return delays, false


def watch(spec: str, settings: Settings | None = None) -> Run:
    """Run a detector over ``CRYSTAL?...`` to its end."""
    detector, run = Detector(settings), Run()
    for simulated in open_simulator(spec):
        result = detector.step(simulated.frame)
        run.truth[simulated.frame.index] = {d.defect_id: d for d in simulated.truth}
        run.events += result.events
        run.results.append(result)
    return run


def frames(spec: str) -> list[Frame]:
    """The frames of a simulation."""
    return [simulated.frame for simulated in open_simulator(spec)]


def two_grains(
    turned_deg: float, *, seed: int, frames: int = 50, size: int = 320, electrons: float = 5.0
) -> list[Frame]:
    """Frames of a grain boundary: a honeycomb beside itself, turned, drifting.

    `electrons` are detected per pixel on average; nothing changes.
    """
    rng = np.random.default_rng(seed)
    columns = _grains(turned_deg, rng.uniform(0, np.pi), size)
    direction = rng.uniform(0, 2 * np.pi)
    velocity = 0.3 * np.array([np.cos(direction), np.sin(direction)])
    shift, found = np.zeros(2), []
    for index in range(frames):
        shift = shift + velocity + rng.normal(0, 0.15, 2)
        bright = 0.25 + 10 * _drawn(columns, shift, size)
        counts = rng.poisson(electrons * bright / bright.mean() * rng.normal(1, 0.02))
        found.append(Frame.from_array(counts.astype(np.uint16), index=index))
    return found


def _grains(turned_deg: float, first: float, size: int) -> np.ndarray:
    """(n, 3) x, y and brightness of the columns on both sides of a straight boundary."""
    reach = np.arange(-size // 10, size // 10)
    cells = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
    hexagonal = 16 * np.array([[1, 0], [0.5, np.sqrt(0.75)]])
    sides = []
    for angle, side in ((first, 1), (first + np.deg2rad(turned_deg), -1)):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        for fraction, brightness in ((0, 1.0), (1 / 3, 0.6)):
            xy = (cells + fraction) @ hexagonal @ turn
            kept = (side * (xy[:, 0] + 0.3 * xy[:, 1]) > 2) & (np.abs(xy).max(axis=1) < 0.7 * size)
            sides.append(np.column_stack([xy[kept] + size / 2, np.full(kept.sum(), brightness)]))
    return np.concatenate(sides)


def _drawn(columns: np.ndarray, shift: np.ndarray, size: int, sigma: float = 2.3) -> np.ndarray:
    """(size, size) sum of Gaussians of unit volume at columns (n, 3) moved by `shift` (x, y)."""
    places = np.arange(size)
    x, y = (columns[:, :2] + shift).T[..., None]
    across, down = (np.exp(-((places - at) ** 2) / (2 * sigma**2)) for at in (x, y))
    return (columns[:, 2, None] * down).T @ across / (2 * np.pi * sigma**2)


def learnt_method(spec: str) -> object:
    """The method of a detector that has seen a whole simulated stream."""
    detector = Detector()
    for simulated in open_simulator(spec):
        detector.step(simulated.frame)
    return detector._model.method
