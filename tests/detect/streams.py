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
