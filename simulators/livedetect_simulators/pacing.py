"""Frames at a steady rate, as a microscope delivers them."""

from __future__ import annotations

import threading
import time


class Pace:
    """Holds each frame back until its time; a slow computer delivers late, never in bursts."""

    def __init__(self, fps: float | None, stop: threading.Event) -> None:
        self._interval_s = 1 / fps if fps else 0.0
        self._stop = stop
        self._next_s: float | None = None

    def wait(self) -> bool:
        """Wait until the next frame is due; False if the iteration should end."""
        if not self._interval_s:
            return not self._stop.is_set()
        now = time.monotonic()
        due = now if self._next_s is None else self._next_s
        self._next_s = max(due, now) + self._interval_s
        return not self._stop.wait(max(0.0, due - now))
