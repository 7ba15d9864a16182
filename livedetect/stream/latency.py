"""Durations of a session in constant memory."""

from __future__ import annotations

import math

import numpy as np

_BINS_PER_DECADE = 100
_SMALLEST_MS = 1e-3
_DECADES = 9


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
