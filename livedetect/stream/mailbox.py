"""Handing results from the session's loop to the publisher's thread without ever waiting.

Everything is bounded. What does not fit is dropped oldest first and counted, but events
are kept: those of a dropped result go out with the next one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from livedetect.stream.status import SessionStatus
from livedetect.types import Event, Frame, FrameResult

MAX_RESULTS = 256
"""A few seconds of a fast scan, should the publisher be held up."""
MAX_SPILLED_EVENTS = 20_000
"""As many as `RunHistory` keeps."""
MAX_FRAMES = 16
MAX_FRAME_BYTES = 64 * 2**20
"""Only the newest analysed frame is shown: these are for the delay of the analysis."""
MAX_ORIGINS = 1024
"""A frame may be skipped, and its origin is never asked for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What has come since the last look."""

    spilled: tuple[Event, ...]
    """Events of results that were dropped; older than all items."""
    items: tuple[FrameResult | Event, ...]
    """In their order."""


class ResultMailbox:
    """Results and events, bounded; thread-safe."""

    def __init__(self, max_results: int = MAX_RESULTS) -> None:
        self._max_results = max_results
        self._lock = threading.Lock()
        self._items: deque[FrameResult | Event] = deque()
        self._spilled: deque[Event] = deque(maxlen=MAX_SPILLED_EVENTS)
        self._status = SessionStatus()
        self.dropped = 0
        """Results that were dropped so far."""

    def put(self, item: FrameResult | Event) -> None:
        """Add a result or an event."""
        with self._lock:
            self._items.append(item)
            if len(self._items) > self._max_results:
                self._spill(self._items.popleft())

    def _spill(self, item: FrameResult | Event) -> None:
        if isinstance(item, FrameResult):
            self.dropped += 1
            self._spilled.extend(item.events)
        else:
            self._spilled.append(item)

    def put_status(self, status: SessionStatus) -> None:
        """Replace the latest status."""
        with self._lock:
            self._status = status

    @property
    def status(self) -> SessionStatus:
        """The latest status."""
        with self._lock:
            return self._status

    def take(self) -> Batch:
        """Remove and return all."""
        with self._lock:
            batch = Batch(tuple(self._spilled), tuple(self._items))
            self._spilled.clear()
            self._items.clear()
            return batch


class FrameOrigins:
    """Where the latest frames come from, for results that are about them; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._origins: dict[int, dict[str, Any]] = {}

    def put(self, frame: Frame) -> None:
        """Remember `frame`; the oldest ones are forgotten."""
        shape = list(frame.data.shape)
        told = {"stream": frame.stream, "scan_id": frame.scan_id, "shape": shape}
        with self._lock:
            self._origins[frame.index] = told
            while len(self._origins) > MAX_ORIGINS:
                del self._origins[next(iter(self._origins))]

    def take(self, index: int) -> dict[str, Any] | None:
        """Channel, scan and shape of a frame, once; None where there was none."""
        with self._lock:
            return self._origins.pop(index, None)


class FrameShelf:
    """The latest frames, kept until their results are known; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: deque[tuple[float, Frame]] = deque()
        self._bytes = 0

    def put(self, frame: Frame) -> None:
        """Add a frame; the oldest ones make room."""
        with self._lock:
            self._frames.append((time.monotonic(), frame))
            self._bytes += frame.data.nbytes
            while len(self._frames) > MAX_FRAMES or (
                self._bytes > MAX_FRAME_BYTES and len(self._frames) > 1
            ):
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._bytes -= self._frames.popleft()[1].data.nbytes

    def take(self, analysed: int, patience_s: float) -> Frame | None:
        """The newest frame up to index `analysed`, and all before it are let go.

        Where analysis is slow or has not begun, the newest frame at all is given once the
        oldest has waited for `patience_s`, so that the picture stays live.
        """
        with self._lock:
            if not self._frames:
                return None
            known = [frame.index for _, frame in self._frames if frame.index <= analysed]
            if not known and time.monotonic() - self._frames[0][0] < patience_s:
                return None
            wanted = max(known) if known else max(frame.index for _, frame in self._frames)
            return self._take_upto(wanted)

    def _take_upto(self, wanted: int) -> Frame | None:
        found = next(frame for _, frame in self._frames if frame.index == wanted)
        kept = [(at, frame) for at, frame in self._frames if frame.index > wanted]
        self._frames = deque(kept)
        self._bytes = sum(frame.data.nbytes for _, frame in kept)
        return found

    @property
    def empty(self) -> bool:
        """Nothing waits."""
        return not self._frames
