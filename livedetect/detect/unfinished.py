"""A frame that is still being scanned: what its completed rows already show.

The missing rows are borrowed from the frame before, at the drift of the new ones, so that a
copy of the method can judge the whole as any other frame; only what lies well inside the
completed rows is believed. Nothing of the copy is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import FloatArray
from livedetect.detect.method import Candidate, Method, Scored
from livedetect.detect.registration import BraggRegistration
from livedetect.detect.residual import FrontEnd

BUDGET_SHARE = 0.1
"""Of the false markers allowed, those that looks at unfinished frames may add."""


@dataclass(frozen=True, slots=True)
class Rows:
    """An unfinished frame."""

    frame: FloatArray
    """(H, W) float32; the rows from `done` on hold anything."""
    latest: FloatArray
    """(H, W) float32, the whole frame before."""
    done: int
    """Number of complete rows."""

    def seen_by(self, trial: Method, front: FrontEnd) -> Look:
        """What `trial` sees in them, a method whose front end is `front`; neither is kept."""
        front.registration = front.registration.by_rows(self.latest, self.done)
        return Look(trial, trial.score(self.completed(front.registration)))

    def completed(self, registration: BraggRegistration) -> FloatArray:
        """(H, W) with the missing rows of the frame before, as `registration` sees both."""
        before = registration.shift
        drift = registration.step(self.frame)
        usual = registration.strength_of(self.latest)
        gain = registration.strength(drift) / usual if usual > 0 else 1.0
        registration.undo(drift)
        moved = ndimage.shift(self.latest, (drift.shift - before)[::-1], order=1, mode="nearest")
        whole = self.frame.copy()
        level = gain * float(self.latest[: self.done].mean())
        whole[self.done :] = gain * moved[self.done :] - level + float(whole[: self.done].mean())
        return whole


@dataclass(frozen=True, slots=True)
class Look:
    """What a method sees in an unfinished frame."""

    method: Method
    """The copy that has seen it."""
    scored: Scored
    """The completed frame; only what lies within the scanned rows means anything."""
    cell_px: float = 0.0
    """Lattice constant, px of the frame."""

    def between(self, top_px: float, bottom_px: float) -> list[Candidate]:
        """Candidates in the rows `top_px` to `bottom_px` that are worth to be told early."""
        threshold = self.method.threshold - np.log(BUDGET_SHARE)
        strong = [entry for entry in self.scored.candidates if entry.score > threshold]
        y = [float(self.method.to_frame(entry.position[None])[0, 1]) for entry in strong]
        return [entry for entry, at in zip(strong, y, strict=True) if top_px <= at < bottom_px]


@runtime_checkable
class LooksAtBand(Protocol):
    """A `Method` that can judge an unfinished frame."""

    def look(self, rows: Rows) -> Look | None:
        """What the completed rows show; None if it cannot be told."""
        ...
