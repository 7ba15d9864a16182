"""Durations of a session in constant memory."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

_BINS_PER_DECADE = 100
_SMALLEST_MS = 1e-3
_DECADES = 9
_RATE_FRAMES = 30
"""Frames that the present rate is taken from."""


class LatencyHistogram:
    """Counts durations on a logarithmic scale, 2.3 % a bin, from 1 µs to 11 days."""

    def __init__(self) -> None:
        self._counts = np.zeros(_DECADES * _BINS_PER_DECADE + 1, dtype=np.int64)
        self._max_ms: float | None = None

    def add(self, duration_ms: float) -> None:
        """Count one duration, ms."""
        decades = math.log10(max(duration_ms, _SMALLEST_MS) / _SMALLEST_MS)
        bin_number = min(round(decades * _BINS_PER_DECADE), len(self._counts) - 1)
        self._counts[bin_number] += 1
        self._max_ms = max(duration_ms, self._max_ms or 0.0)

    def quantile_ms(self, fraction: float) -> float | None:
        """Duration that `fraction` (0 to 1) of the counted ones do not exceed, ms."""
        if self._max_ms is None:
            return None
        cumulative = np.cumsum(self._counts)
        position = int(np.searchsorted(cumulative, fraction * cumulative[-1]))
        centre = float(_SMALLEST_MS * 10 ** (position / _BINS_PER_DECADE))
        return min(centre, self._max_ms)

    def summary_ms(self) -> dict[str, float | None]:
        """p50, p95 and max, ms; None each before the first duration."""
        return {
            "p50": self.quantile_ms(0.5),
            "p95": self.quantile_ms(0.95),
            "max": self._max_ms,
        }


class Timing:
    """How long each frame takes from its arrival to its result, and how many do per second."""

    def __init__(self) -> None:
        self.latency = LatencyHistogram()
        """From arrival to result, of every frame."""
        self.last_latency_ms: float | None = None
        """Of the latest frame, ms; None before the first."""
        self._done_s: deque[float] = deque(maxlen=_RATE_FRAMES)

    def add(self, came_s: float, done_s: float) -> None:
        """Take note of a frame that came and was done then, s on one clock."""
        self.last_latency_ms = 1e3 * (done_s - came_s)
        self.latency.add(self.last_latency_ms)
        self._done_s.append(done_s)

    @property
    def frames_per_s(self) -> float:
        """Of the latest frames; 0 before the second."""
        if len(self._done_s) < 2:
            return 0.0
        return (len(self._done_s) - 1) / max(self._done_s[-1] - self._done_s[0], 1e-9)
