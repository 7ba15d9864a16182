"""How much sooner a defect of a slow scan is told when its frame comes in blocks of rows.

One producer, two sessions that listen to it at the same time: one looks at unfinished frames,
the other one waits for them. Measured is the time from the moment in which the beam was on the
defect's row, in the frame it was born in, to its event.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import livedetect
from livedetect.errors import SourceError
from livedetect.protocols import Engine
from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.registry import open_simulator, open_source
from livedetect.stream.session import run_session
from livedetect.types import Command, DefectEvent, Event, FrameResult, SimulatedFrame, SourceItem

RADIUS_CELLS = 0.5
PATIENCE_S = 120.0
WAYS = ("whole frames", "rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is played."""

    edge_px: int = 1024
    """Of a square frame."""
    frame_s: float = 2.0
    """Time of one frame, s."""
    blocks: int = 16
    """Blocks of rows per frame."""
    frames: int = 30
    """Warm-up included."""
    births: int = 20
    """Defects that form after the warm-up."""

    @property
    def spec(self) -> str:
        """For the simulator."""
        return f"ws2?size={self.edge_px}&frames={self.frames}&seed=1&prescribed={self.births}"


@dataclass(slots=True)
class _Heard:
    """A sink that notes when a defect was told."""

    at_s: list[tuple[DefectEvent, float]] = field(default_factory=list)

    def on_result(self, result: FrameResult) -> None:
        for event in result.events:
            self.on_event(event)

    def on_event(self, event: Event) -> None:
        if isinstance(event, DefectEvent) and event.event == "defect_confirmed":
            self.at_s.append((event, time.monotonic()))

    def close(self) -> None:
        """Nothing is held."""


class _Whole:
    """The detector without its ability to look."""

    def __init__(self) -> None:
        self._detector = livedetect.Detector()

    def step(self, item: SourceItem) -> FrameResult:
        return self._detector.step(item)

    def apply(self, command: Command) -> Sequence[Event]:
        return self._detector.apply(command)

    def state(self) -> Mapping[str, Any]:
        return self._detector.state()


def delays(scan: Scan) -> dict[str, list[float]]:
    """Seconds from the beam on a defect to its event, of the defects found either way.

    Raises `SourceError` if a session does not end.
    """
    stream = list(open_simulator(scan.spec))
    engines: dict[str, Engine] = dict(zip(WAYS, (_Whole(), livedetect.Detector()), strict=True))
    heard = {way: _Heard() for way in WAYS}
    with FramePublisher("tcp://127.0.0.1:0") as publisher:
        sessions = [_listening(publisher.endpoint, engines[way], heard[way]) for way in engines]
        begun_s = _play(publisher, scan, stream)
    for session in sessions:
        session.join(PATIENCE_S)
        if session.is_alive():
            raise SourceError("a session of the benchmark did not end")
    found = {way: _by_defect(heard[way], scan, stream, begun_s) for way in WAYS}
    both = set.intersection(*(set(entry) for entry in found.values()))
    return {way: [found[way][defect] for defect in sorted(both)] for way in WAYS}


def table(scan: Scan, measured: Mapping[str, Sequence[float]]) -> str:
    """Lines for people."""
    head = f"{scan.edge_px} px, {scan.frame_s:g} s per frame, {scan.blocks} blocks of rows"
    lines = [head, f"{'':14}{'defects':>8}{'median s':>10}{'p90 s':>8}{'max s':>8}"]
    for way, seconds in measured.items():
        numbers = np.quantile(seconds, (0.5, 0.9, 1.0)) if seconds else (np.nan,) * 3
        median, late, worst = map(float, numbers)
        lines.append(f"{way:14}{len(seconds):8}{median:10.2f}{late:8.2f}{worst:8.2f}")
    return "\n".join(lines)


def _listening(endpoint: str, engine: Engine, sink: _Heard) -> threading.Thread:
    source = open_source(endpoint)
    thread = threading.Thread(
        target=run_session, args=(source, engine), kwargs={"sinks": [sink]}, daemon=True
    )
    thread.start()
    return thread


def _play(publisher: FramePublisher, scan: Scan, stream: Sequence[SimulatedFrame]) -> list[float]:
    """Send every frame row by row; when each began, s on the monotonic clock."""
    pause, begun_s = threading.Event(), []
    publisher.wait_for_listener(PATIENCE_S)
    pause.wait(1.0)  # for the second listener
    edges = [scan.edge_px * block // scan.blocks for block in range(scan.blocks + 1)]
    first_s = time.monotonic()
    for number, simulated in enumerate(stream):
        start_s = first_s + number * scan.frame_s
        begun_s.append(start_s)
        for first, end in itertools.pairwise(edges):
            due_s = start_s + scan.frame_s * end / scan.edge_px
            pause.wait(max(0.0, due_s - time.monotonic()))
            publisher.send_rows(
                simulated.frame.data[first:end],
                first_row=first,
                height=scan.edge_px,
                calibration=simulated.frame.calibration,
            )
    return begun_s


def _by_defect(
    heard: _Heard, scan: Scan, stream: Sequence[SimulatedFrame], begun_s: Sequence[float]
) -> dict[int, float]:
    """Delay of every true defect that an event names."""
    found: dict[int, float] = {}
    radius_px = RADIUS_CELLS * 16
    for event, at_s in heard.at_s:
        near = [
            (float(np.hypot(event.x_px - d.x_px, event.y_px - d.y_px)), d)
            for d in stream[event.frame].truth
        ]
        distance, defect = min(near, default=(np.inf, None), key=lambda pair: pair[0])
        if defect is not None and distance < radius_px:
            beam_s = begun_s[defect.birth_frame] + scan.frame_s * event.y_px / scan.edge_px
            found.setdefault(defect.defect_id, at_s - beam_s)
    return found
