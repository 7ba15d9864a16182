"""From scores to markers: a threshold that keeps a false-marker budget, and suppression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels import COMPILED, form

TAIL_FRACTION = 0.02
WINDOW_TRIALS = 2.5
"""Independent trials that the overlapping time windows of one site amount to."""
SAFETY = 3.0
"""Realised false-marker rates were 1.5 to 2.5 times the target with 10 warm-up frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Exponential upper tail of the scores of a defect-free crystal."""

    start: float
    """Score that a fraction `TAIL_FRACTION` exceeds."""
    scale: float
    """Mean excess above `start`."""

    def probability(self, score: float) -> float:
        """Probability that one site of a defect-free frame scores higher."""
        excess = max(0.0, score - self.start)
        return float(TAIL_FRACTION * np.exp(-excess / self.scale))

    def surprise(self, scores: FloatArray) -> FloatArray:
        """(n,) -ln p of scores (n,); below the tail it goes on as a straight line."""
        slope, offset = self.line
        return np.asarray(slope * scores + offset)

    @property
    def line(self) -> tuple[float, float]:
        """Slope and offset of the surprise over the score."""
        return 1 / self.scale, float(-self.start / self.scale - np.log(TAIL_FRACTION))

    def score_at(self, probability: float) -> float:
        """Score exceeded with `probability`."""
        return float(self.start + self.scale * np.log(TAIL_FRACTION / probability))


def fit_tail(scores: FloatArray) -> Tail:
    """Peaks-over-threshold fit to scores (n,) of defect-free sites."""
    start = float(np.quantile(scores, 1 - TAIL_FRACTION))
    excess = scores[scores > start] - start
    return Tail(start=start, scale=max(float(excess.mean()) if len(excess) else 0.0, 1e-6))


def site_probability(false_markers_per_1000_frames: float, sites: int) -> float:
    """Per-site, per-frame probability that spends the budget over `sites` sites."""
    per_frame = false_markers_per_1000_frames / 1000
    return per_frame / (SAFETY * WINDOW_TRIALS * max(sites, 1))


def strictest(tails: Sequence[Tail], probability: float) -> Tail:
    """The tail with the highest score at `probability`."""
    return max(tails, key=lambda tail: tail.score_at(probability))


def suppress_non_maxima(
    positions: FloatArray, scores: FloatArray, radius_px: float, most: int = 10_000
) -> IntArray:
    """Indices of the highest scores that are at least `radius_px` apart, best first.

    Parameters
    ----------
    positions : (n, 2) px.
    scores : (n,).
    most : candidates looked at; a frame in disorder must not cost more than others.
    """
    best_first = np.argsort(-scores, kind="stable")[:most]
    return np.asarray(best_first[form(COMPILED).keep_apart(positions[best_first], radius_px)])
