"""A clock on the stages of a step, put on from outside and taken off again."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from livedetect.detect.admit import Admission
from livedetect.detect.background import Background
from livedetect.detect.baseline import Baseline
from livedetect.detect.lattice_method import LatticeMethod
from livedetect.detect.registration import BraggRegistration
from livedetect.detect.residual import FrontEnd
from livedetect.detect.row_jitter import RowJitter

STAGES: tuple[tuple[str, type, str], ...] = (
    ("admit", Admission, "objection"),
    ("register", BraggRegistration, "step"),
    ("row jitter", RowJitter, "estimate"),
    ("background", Background, "step"),
    ("residual, with the two above", FrontEnd, "step"),
    ("time windows", Baseline, "windows"),
    ("score: all of the method", LatticeMethod, "score"),
    ("learn", LatticeMethod, "learn"),
)
"""Name, class and method of what is timed."""


class StageClock:
    """Adds up the processor time of the stages, frame by frame, while it is entered."""

    def __init__(self) -> None:
        self.times_ms: dict[str, list[float]] = defaultdict(list)
        """One number per stage and frame."""
        self._now: dict[str, float] = defaultdict(float)
        self._before: list[tuple[type, str, Callable[..., Any]]] = []

    def __enter__(self) -> StageClock:
        """Put the clock on."""
        for name, owner, method in STAGES:
            original = getattr(owner, method)
            self._before.append((owner, method, original))
            setattr(owner, method, self._timed(name, original))
        return self

    def __exit__(self, *_: object) -> None:
        """Take it off."""
        for owner, method, original in self._before:
            setattr(owner, method, original)

    def end_frame(self) -> None:
        """Close the account of a frame."""
        for name, _, _ in STAGES:
            self.times_ms[name].append(self._now.pop(name, 0.0))

    def _timed(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def clocked(*args: Any, **kwargs: Any) -> Any:
            begun = time.thread_time()
            try:
                return original(*args, **kwargs)
            finally:
                self._now[name] += 1e3 * (time.thread_time() - begun)

        return clocked
