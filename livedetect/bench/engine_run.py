"""Takes a stream through an engine and notes what it says, and how fast."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from livedetect.protocols import Engine
from livedetect.types import Frame, FrameResult


@dataclass(slots=True)
class EngineRun:
    """What an engine said about a stream, and how fast."""

    events: list[dict[str, Any]] = field(default_factory=list)
    """In their JSON form."""
    tracks: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    """Places (x, y) of what is marked, px, by frame."""
    dispositions: Counter[str] = field(default_factory=Counter)
    """How many frames were scored, warm-up, suspect ..."""
    seconds: list[float] = field(default_factory=list)
    """Time inside `step` of every scored frame."""
    details: dict[str, Any] = field(default_factory=dict)
    """What only some questions ask for, as JSON."""

    @property
    def frames_per_s(self) -> float | None:
        """From the median time per scored frame; None if there was none."""
        return 1 / float(np.median(self.seconds)) if self.seconds else None

    def note(self, result: FrameResult, seconds: float) -> None:
        """Take down one result."""
        self.dispositions[result.disposition] += 1
        if result.disposition == "scored":
            self.seconds.append(seconds)
        self.events += [event.as_dict() for event in result.events]
        self.tracks[result.frame] = [(track.x_px, track.y_px) for track in result.active_tracks]


def run_engine(engine: Engine, frames: Iterable[Frame]) -> EngineRun:
    """Take every frame through `engine`; only the time inside `step` counts."""
    done = EngineRun()
    for frame in frames:
        begun = time.perf_counter()
        result = engine.step(frame)
        done.note(result, time.perf_counter() - begun)
    return done
