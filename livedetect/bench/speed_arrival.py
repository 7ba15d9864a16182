"""From a frame's arrival over tcp to its event in the file, with the real program between."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.registry import open_simulator

ARRIVAL_FPS = 10.0
POLL_S = 5e-4
LONGEST_S = 120.0
"""A program that has said nothing by then has failed."""
TIMED = ("defect_confirmed", "region_confirmed")


def arrival_ms(spec: str, fps: float = ARRIVAL_FPS) -> list[float]:
    """Ms from the hand-over of every frame that brings a defect to its line in the file.

    Compression, the socket, both queues, the step and the writing are in it. `spec` is the
    simulator's; frames come at `fps`, after the model is ready.
    """
    frames = [entry.frame for entry in open_simulator(spec)]
    with tempfile.TemporaryDirectory() as folder, FramePublisher("tcp://127.0.0.1:0") as publisher:
        lines = _Lines(Path(folder) / "events.jsonl")
        command = [sys.executable, "-m", "livedetect", "run", publisher.endpoint, "--no-view"]
        command += ["--events", str(lines.path), "--frames", str(len(frames))]
        program = subprocess.Popen(  # noqa: S603 - our own program
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            publisher.wait_for_listener(LONGEST_S)
            sent: dict[int, float] = {}
            for number, frame in enumerate(frames):
                sent[number] = time.perf_counter()
                publisher.send(frame.data)
                lines.watch(sent[number] + 1 / fps)
            lines.watch(time.perf_counter() + 2.0)
        finally:
            program.terminate()
            program.wait()
    return [1e3 * (seen - sent[number]) for number, seen in lines.first_seen.items()]


def arrival_line(size: int, milliseconds: Sequence[float]) -> str:
    """What is printed of it."""
    if not milliseconds:
        return f"From a message over tcp to the event in the file, {size} px: no event came."
    middle, high = np.percentile(milliseconds, [50, 95])
    return (
        f"From a message over tcp to the event in the file, {size} px, "
        f"{len(milliseconds)} frames: median {middle:.1f} ms, p95 {high:.1f} ms."
    )


class _Lines:
    """The file of events as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first_seen: dict[int, float] = {}
        self._read = 0

    def watch(self, until: float) -> None:
        """Look for new lines until a time on the clock."""
        while time.perf_counter() < until:
            if self.path.exists() and self.path.stat().st_size > self._read:
                self._take(time.perf_counter())
            threading.Event().wait(POLL_S)

    def _take(self, now: float) -> None:
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.splitlines():
            event = json.loads(line)
            if event.get("event") in TIMED and not event.get("during_warm_up"):
                self.first_seen.setdefault(event["frame"], now)
