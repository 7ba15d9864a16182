"""Warm-up frames judged by the others: what an unchanged crystal looks like to the detector.

A statistic over places needs so many of them and no more, however large the frame: whoever
asks names the samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels import form
from livedetect.detect.kernels.maps import WINDOWS, WarmUp
from livedetect.detect.time_window import Window

CALIBRATED_WINDOWS = (1, 2, 4)
"""Blocks of warm-up frames that can be held out while enough others remain."""
LEAST_OUTSIDE = 3
"""Frames that must be left to compare a held-out block with."""
WARM_UP_SITE_FRAMES = 6


class HeldOut:
    """Time windows within the warm-up."""

    def __init__(
        self, warm_up: WarmUp, inflation: FloatArray, correlations: FloatArray, kernels: str
    ) -> None:
        """`inflation` (6,) of each time window, `correlations` (lags,) of the frames."""
        self._warm_up = warm_up
        self._inflation = inflation
        self._correlations = correlations
        self._kernels = kernels

    def windows(self) -> Iterator[Window]:
        """Frames scored against the others, in blocks of 1, 2 and 4 frames."""
        count = len(self._warm_up.values)
        for length in CALIBRATED_WINDOWS:
            for start in range(0, count - length + 1 if count >= 2 * length else 0, length):
                inside = np.zeros(count, bool)
                inside[start : start + length] = True
                others = self._independent_of(start, start + length)
                least = max(min(WARM_UP_SITE_FRAMES, int(others.sum())) - 1, 1)
                yield self._window(inside, others, least, self._of_window(length))

    def since(self, first: int) -> Window:
        """All frames from the `first` on against those before, where all have data."""
        after = np.arange(len(self._warm_up.values)) >= first
        length = max(w for w in WINDOWS if w <= min(first, len(after) - first))
        return self._window(after, ~after, first, self._of_window(length))

    def _window(self, inside: BoolArray, others: BoolArray, least: int, inflation: float) -> Window:
        z, valid = form(self._kernels).held_out(self._warm_up, inside, others, least, inflation)
        return Window(frames=int(inside.sum()), z=z, cover=valid)

    def _of_window(self, length: int) -> float:
        return float(self._inflation[WINDOWS.index(length)])

    def _independent_of(self, start: int, stop: int) -> BoolArray:
        """(K,) frames that share no noise with a block of them, as far as there are."""
        index = np.arange(len(self._warm_up.values))
        away = np.maximum(start - index, index - stop + 1)
        for guard in range(len(self._correlations) - 1, 0, -1):
            if self._correlations[guard] > 0 and (away > guard).sum() >= LEAST_OUTSIDE:
                return np.asarray(away > guard)
        return np.asarray(away > 0)


def some_of(warm_up: WarmUp, places: IntArray) -> WarmUp:
    """Only the samples at `places` (h, w), flat indices of maps (P, Q)."""
    stacks = (warm_up.values, warm_up.covered)
    values, covered = (e.reshape(len(e), -1).take(places, axis=1) for e in stacks)
    return WarmUp(
        values=values,
        covered=covered,
        variance=warm_up.variance.ravel()[places],
        systematic=warm_up.systematic.ravel()[places],
    )
