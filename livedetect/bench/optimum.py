"""The matched filter of an observer who knows the truth: what the frames hold at most.

The observer knows the noise-free crystal, the place of every column in every frame and the
noise, and looks at one known change at a time. Its thresholds come from the law of the noise
and the same false-marker budget; it needs no warm-up.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from livedetect.bench.engine_run import EngineRun
from livedetect.types import Frame

WINDOWS = (1, 2, 3, 4, 6, 8, 12)
"""Frames that are added up."""
INDEPENDENT_WINDOWS = 3.0
"""So many tests are the windows of one place worth together."""
SUPPRESSION_NEIGHBOURS = 1.15
"""Markers nearer than this are one, in distances of nearest columns."""


class Changes(Protocol):
    """What is looked for."""

    @property
    def place(self) -> NDArray[np.float64]:
        """(N, 2) px of the specimen."""
        ...

    @property
    def either_sign(self) -> NDArray[np.bool_]:
        """(N,) whether the opposite change counts as well."""
        ...


class Evidence(Protocol):
    """What one frame says about every change; as `livedetect_simulators.observer.Evidence`."""

    @property
    def shown(self) -> NDArray[np.float64]:
        """(N, 2) px of the frame."""
        ...

    @property
    def projection(self) -> NDArray[np.float64]:
        """(N,) correlation of the residual with the expected difference."""
        ...

    @property
    def information(self) -> NDArray[np.float64]:
        """(N,) its variance."""
        ...

    @property
    def third(self) -> NDArray[np.float64]:
        """(N,) its third cumulant."""
        ...


class Observer(Protocol):
    """Somebody who knows the truth of a stream."""

    @property
    def changes(self) -> Changes:
        """What is looked for."""
        ...

    def look(self, index: int, data: NDArray[Any]) -> Evidence:
        """Evidence of one frame."""
        ...


@runtime_checkable
class Observable(Protocol):
    """A simulator that knows an ideal observer."""

    def observer(self) -> Observer:
        """Who knows everything but what will be born."""
        ...


class MatchedFilter:
    """Adds up the evidence over windows in time and marks what exceeds the threshold.

    Parameters
    ----------
    observer : who looks at the frames.
    neighbour_px : distance of nearest columns, px.
    false_markers_per_1000_frames : the budget.
    first : first frame that is judged.
    """

    def __init__(
        self,
        observer: Observer,
        neighbour_px: float,
        false_markers_per_1000_frames: float,
        first: int,
    ) -> None:
        self._observer = observer
        self._apart = SUPPRESSION_NEIGHBOURS * neighbour_px
        self._budget = false_markers_per_1000_frames / 1000
        self._first = first
        self._recent: deque[Evidence] = deque(maxlen=max(WINDOWS))
        self._marked: list[int] = []

    def run(self, frames: Iterable[Frame]) -> EngineRun:
        """Mark defects in `frames`."""
        done = EngineRun(dispositions=Counter())
        for frame in frames:
            if frame.index < self._first:
                done.dispositions["warm_up"] += 1
                continue
            done.dispositions["scored"] += 1
            evidence = self._observer.look(frame.index, frame.data)
            self._recent.append(evidence)
            new = self._news(*self._scores())
            done.events += [_event(frame.index, evidence.shown[k], n) for k, n in new]
            done.tracks[frame.index] = [(x, y) for x, y in evidence.shown[self._marked].tolist()]
        return done

    def _scores(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(N,) best normal score of every change, and (N,) the window in which it has it."""
        best = np.full(len(self._observer.changes.place), -np.inf)
        window = np.zeros(len(best), int)
        recent = list(self._recent)
        for n in WINDOWS:
            if n > len(recent):
                break
            score = normal_score(recent[-n:], self._observer.changes.either_sign)
            window[score > best] = n
            best = np.maximum(best, score)
        return best, window

    def _news(self, score: NDArray[np.float64], window: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Changes above the threshold that are no older marker's, the strongest first."""
        place = self._observer.changes.place
        loud = np.flatnonzero(score > self._threshold(int(np.isfinite(score).sum())))
        new = []
        for k in loud[np.argsort(-score[loud])]:
            distance = np.hypot(*(place[self._marked] - place[k]).T) if self._marked else np.inf
            if np.all(distance > self._apart):
                self._marked.append(int(k))
                new.append((int(k), int(window[k])))
        return new

    def _threshold(self, changes: int) -> float:
        """Normal score that the budget allows with so many changes looked for."""
        return float(norm.isf(self._budget / max(1.0, changes * INDEPENDENT_WINDOWS)))


def normal_score(recent: list[Evidence], either_sign: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) how unlikely the sum of the evidence is without the change, as a normal deviate.

    The skewness of Poisson counts, and the kurtosis that goes with it, are taken out by the
    expansion of Cornish and Fisher.
    """
    information = np.sum([evidence.information for evidence in recent], axis=0)
    seen = np.all([evidence.information > 0 for evidence in recent], axis=0)
    safe = np.where(seen, information, 1.0)
    z = np.sum([evidence.projection for evidence in recent], axis=0) / np.sqrt(safe)
    skewness = np.sum([evidence.third for evidence in recent], axis=0) / safe**1.5
    up = _gaussian(z, skewness)
    both = np.where(either_sign, np.maximum(up, _gaussian(-z, -skewness)), up)
    return np.asarray(np.where(seen, both, -math.inf))


def _gaussian(z: NDArray[np.float64], skewness: NDArray[np.float64]) -> NDArray[np.float64]:
    # a Poisson law's excess kurtosis is the square of its skewness
    second = skewness**2 * ((4 * z**3 - 7 * z) / 36 - (z**3 - 3 * z) / 24)
    straight = z - skewness * (z**2 - 1) / 6 + second
    return np.asarray(np.where(z > 0, straight, z))


def _event(frame: int, shown: NDArray[np.float64], window: int) -> dict[str, Any]:
    return {
        "event": "defect_confirmed",
        "frame": frame,
        "x_px": float(shown[0]),
        "y_px": float(shown[1]),
        "window_frames": window,
        "kind": "unknown",
    }
