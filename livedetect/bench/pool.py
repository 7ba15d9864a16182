"""Figures pooled over many streams: what a row of a table says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.bench.record import Found, StreamRecord

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Pool:
    """Streams taken together, and which of their defects are looked at."""

    records: Sequence[StreamRecord]
    """Streams that did not fail."""
    chosen: Callable[[Found], bool] = lambda _: True
    """Which defects count."""

    @property
    def births(self) -> list[tuple[StreamRecord, Found]]:
        """Every chosen defect with its stream."""
        return [(r, found) for r in self.records for found in r.defects if self.chosen(found)]

    @property
    def hits(self) -> list[tuple[StreamRecord, Found]]:
        """Those that were announced at all."""
        return [(record, found) for record, found in self.births if found.delay is not None]

    @property
    def judged(self) -> int:
        """Frames with scores."""
        return sum(record.judged for record in self.records)

    @property
    def false(self) -> int:
        """Events that belong to nothing."""
        return sum(len(record.false) for record in self.records)

    @property
    def false_per_1000(self) -> float | None:
        """False events per 1000 judged frames."""
        return 1000 * self.false / self.judged if self.judged else None

    def demanded(self, delay: int) -> list[Found]:
        """Defects that stayed in view for `delay` frames."""
        return [found for record, found in self.births if found.demanded(delay, record.frames)]

    def recall(self, delay: int) -> float | None:
        """Share of the demanded defects announced within `delay` frames of birth."""
        return mean([_delay(found) <= delay for found in self.demanded(delay)])

    @property
    def f1(self) -> float | None:
        """Harmonic mean of the precision and the recall within six frames."""
        recall, hits = self.recall(6), len(self.hits)
        if recall is None:
            return None
        precision = hits / (hits + self.false) if hits else 0.0
        return 2 * precision * recall / (precision + recall) if recall else 0.0

    @property
    def mean_delay(self) -> float | None:
        """From birth to event, mean of the hits, frames."""
        return mean([found.delay for _, found in self.hits if found.delay is not None])

    @property
    def bound(self) -> float | None:
        """Mean delay of the same hits that no detector can beat, frames."""
        needed = [found.needed for _, found in self.hits if math.isfinite(found.needed)]
        return mean([max(0, math.ceil(frames) - 1) for frames in needed])

    @property
    def localisation_px(self) -> float | None:
        """Distance of the hits from the true places, rms, px."""
        return rms([found.distance_px for _, found in self.hits])

    @property
    def localisation_nn(self) -> float | None:
        """The same in distances of nearest columns."""
        pairs = [(record.nn_px, found.distance_px) for record, found in self.hits]
        return rms([None if px is None else px / nn for nn, px in pairs])

    @property
    def snr2(self) -> float | None:
        """Median d'² per frame."""
        known = [found.snr2 for _, found in self.births if found.snr2 is not None]
        return float(np.median(known)) if known else None

    @property
    def kept(self) -> float | None:
        """Share of the hits that are still marked 60 frames later."""
        return mean([found.kept for _, found in self.hits if found.kept is not None])

    @property
    def frames_per_s(self) -> float | None:
        """Speed of the engine, mean over the streams."""
        return mean([r.frames_per_s for r in self.records if r.frames_per_s is not None])


def _delay(found: Found) -> float:
    return NEVER if found.delay is None else found.delay


def delays_of(pool: Pool, least_frames: int) -> list[tuple[float, Found]]:
    """Delay of every chosen defect that was in view so long; infinite where it was missed."""
    return [(_delay(found), found) for found in pool.demanded(least_frames)]


def mean(values: Sequence[float]) -> float | None:
    """Mean; None of nothing."""
    return float(np.mean(values)) if values else None


def rms(values: Sequence[float | None]) -> float | None:
    """Root of the mean square of what is known; None of nothing."""
    known = [value for value in values if value is not None]
    return float(np.sqrt(np.mean(np.square(known)))) if known else None
