"""A model learnt anew while the stream goes on, when the crystal looks different everywhere.

1. `watch` after every scored frame: while the drift alarm asks for it, frames are collected;
   once there are enough it is decided whether all cells changed alike (the instrument:
   learn it) or some of them otherwise (the specimen: that is damage, and stays marked).
2. `request` is then what a session may carry out in another thread.
3. `take` gives the new model at a frame that was fixed beforehand, learning it here and
   now if nobody did: when it takes effect never depends on how long learning takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from livedetect.detect.arrays import FloatArray
from livedetect.detect.crystal_model import CrystalModel
from livedetect.detect.kernels import asked_for
from livedetect.detect.method import Relearnable, Scored
from livedetect.detect.readiness import learn
from livedetect.errors import LatticeNotFoundError
from livedetect.protocols import RefitRequest
from livedetect.settings import Settings
from livedetect.types import Frame

ALIKE_SHARE = 0.025
"""Share of samples that may have changed otherwise than their equivalents (chance: 0.003)."""
LEARNING_S_PER_MPX = 4.0
"""Time that learning is given, a few times what it takes on an ordinary computer."""
LEAST_WAIT_FRAMES = 2
"""In a slow scan learning takes less than a frame; one more, as the request comes late in it."""
MOST_WAIT_FRAMES = 30
"""In a fast one it is better to let a frame wait than to judge more with a model that is off."""
RETRY_FRAMES = 50
"""After which it is tried again to learn a crystal that could not be seen."""
USUAL_WAIT_FRAMES = 8
"""Where the source does not say when its frames were taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a refit depends on; immutable."""

    frames: tuple[Frame, ...]
    """The latest frames, in their order."""
    settings: Settings
    """Of the detector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A refit whose frame has come."""

    snapshot: Snapshot
    """What was learnt from."""
    start: FloatArray
    """(x, y) drift of the first of its frames in the model before, px."""
    outlier_share: float
    """Of the frame that ended the collection."""
    unlike_share: float
    """What of it was not common to all cells."""
    model: CrystalModel | Exception
    """Not yet laid in its area; or why there is none."""

    def said(self) -> dict[str, Any]:
        """What `model_refitted` says beside the figures of the model."""
        return {
            "reason": "all cells changed alike: learnt anew from the latest frames",
            "outlier_share_before": self.outlier_share,
            "unlike_share": self.unlike_share,
        }

    def failed(self, error: Exception, *, silent: bool) -> dict[str, Any]:
        """What is said if it cannot be used; `silent` if no marker is confirmed any more."""
        meanwhile = "nothing is confirmed meanwhile; " if silent else ""
        return {
            "reason": f"the model could not be learnt anew ({error}): {meanwhile}"
            "set the baseline here",
            "outlier_share": self.outlier_share,
            "unlike_share": self.unlike_share,
        }


def refit(snapshot: Snapshot) -> CrystalModel:
    """A model of the crystal as it looks in the snapshot's frames; pure.

    Raises
    ------
    LatticeNotFoundError
        The frames show none.
    """
    with asked_for(snapshot.settings.kernels):
        model = learn(snapshot.frames, snapshot.settings)
    if model.fallback:
        raise LatticeNotFoundError("no lattice was found in the latest frames")
    return model


class Relearning:
    """Whether, when and from what the model in use is learnt anew."""

    DERIVED = ("_delivered",)

    def __init__(self) -> None:
        self._number = 0
        self._wanted: Snapshot | None = None
        self._install_at = 0
        self._shares = (0.0, 0.0)
        self._refused = False
        self._hidden_frames = 0
        self._frames: list[Frame] = []
        self._start = np.zeros(2)
        self.restore_derived()

    def restore_derived(self) -> None:
        """What another thread has handed over is no part of the state: it can be had again."""
        self._delivered: CrystalModel | Exception | None = None

    @property
    def request(self) -> RefitRequest | None:
        """What is to be learnt beside the loop."""
        wanted = self._wanted
        if wanted is None:
            return None
        return RefitRequest(
            number=self._number, install_at=self._install_at, learn=lambda: refit(wanted)
        )

    def deliver(self, number: int, learnt: Any) -> None:
        """What learning gave, or the exception it raised; ignored if it is not wanted any more."""
        if self._wanted is not None and number == self._number:
            self._delivered = learnt

    def drop(self) -> None:
        """Nothing of what was collected is good any more."""
        self._wanted, self._delivered = None, None
        self._frames = []

    def is_due(self, index: int) -> bool:
        """Whether the new model is to judge the frame `index`."""
        return self._wanted is not None and index >= self._install_at

    def watch(
        self, frame: Frame, scored: Scored, model: CrystalModel, settings: Settings
    ) -> list[Mapping[str, Any]]:
        """Take in a scored frame: does the model still fit it? Every `model_drifted` to be said."""
        contrast = scored.registration.gain if scored.registration else 1.0
        said: list[Mapping[str, Any]] = []
        if change := model.alarm.follow_contrast(contrast):
            said.append({"reason": change, "contrast": contrast})
        if change := model.alarm.step(scored.outlier_share):
            said.append({"reason": change, "outlier_share": scored.outlier_share})
        believed = 0.0 if model.alarm.distrusts_regions else scored.changed_share
        if change := model.alarm.follow_regions(believed):
            said.append({"reason": change, "changed_share": scored.changed_share})
        if refusal := self._collect(frame, scored, model, settings):
            said.append(refusal)
        return said

    def _collect(
        self, frame: Frame, scored: Scored, model: CrystalModel, settings: Settings
    ) -> Mapping[str, Any] | None:
        """Collect frames while the alarm asks for it; why the model must not be learnt anew."""
        if not model.alarm.asks:
            self.drop()
            self._refused = False
            return None
        self._hidden_frames = self._hidden_frames + 1 if model.alarm.hidden else 0
        if self._hidden_frames >= RETRY_FRAMES:
            self._hidden_frames, self._refused = 0, False
        method = model.method
        able = settings.rebaseline == "automatic" and isinstance(method, Relearnable)
        if self._wanted is not None or self._refused or not able:
            return None
        if not self._frames:
            self._start = np.array(scored.shift, float)
        self._frames.append(frame)
        if len(self._frames) < settings.warm_up_frames:
            return None
        unlike = method.unlike_share() if isinstance(method, Relearnable) else None
        return self._decide(scored.outlier_share, unlike, settings)

    def take(self) -> Taken:
        """The refit that is due; it is learnt now if it was not delivered."""
        wanted, learnt = self._wanted, self._delivered
        assert wanted is not None  # noqa: S101 - only asked for when it is due
        if learnt is None:
            try:
                learnt = refit(wanted)
            except Exception as error:  # noqa: BLE001 - the run goes on with the model it has
                learnt = error
        self.drop()
        return Taken(
            snapshot=wanted,
            start=self._start,
            outlier_share=self._shares[0],
            unlike_share=self._shares[1],
            model=learnt,
        )

    def fail(self, taken: Taken, error: Exception, model: CrystalModel) -> dict[str, Any]:
        """Go on with the `model` in use, as far as it can be believed; what is to be said."""
        self.refuse()
        if isinstance(taken.model, LatticeNotFoundError):
            model.alarm.hide()
        return taken.failed(error, silent=not model.alarm.fits)

    def refuse(self) -> None:
        """Do not try again before the alarm has been off."""
        self.drop()
        self._refused = True

    def _decide(
        self, outliers: float, unlike: float | None, settings: Settings
    ) -> Mapping[str, Any] | None:
        frames = tuple(self._frames)
        if unlike is None or unlike > ALIKE_SHARE:
            self.refuse()
            return {
                "reason": "too little of the crystal is judged"
                if unlike is None
                else "the change differs from place to place, as damage does: it is not "
                "learnt by itself; set the baseline here if it is none",
                "outlier_share": outliers,
                "unlike_share": unlike,
            }
        self._number += 1
        self._shares = (outliers, unlike)
        self._wanted = Snapshot(frames=frames, settings=settings)
        self._install_at = frames[-1].index + 1 + _wait_frames(frames)
        self._frames = []
        return None


def _wait_frames(frames: Sequence[Frame]) -> int:
    """Frames that pass while a model is learnt, from their own times: equal in every replay."""
    span = frames[-1].index - frames[0].index
    interval_s = (frames[-1].time_s - frames[0].time_s) / max(span, 1)
    if interval_s <= 0:
        return USUAL_WAIT_FRAMES
    needed = LEARNING_S_PER_MPX * frames[0].data.size / 1e6 / interval_s
    return min(max(math.ceil(needed), LEAST_WAIT_FRAMES), MOST_WAIT_FRAMES)
