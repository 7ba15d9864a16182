"""Plays a finite source at the pace at which it was acquired, or a multiple of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from livedetect.errors import SettingsError
from livedetect.protocols import GivesRows, Source
from livedetect.types import Frame, PartialFrame, SourceInfo, SourceItem


class Paced:
    """A source whose frames come no earlier than their acquisition time allows.

    Never drops: a frame that is behind its time is given at once.
    """

    def __init__(
        self,
        source: Source,
        stop: threading.Event,
        *,
        speed: float | None = None,
        fps: float | None = None,
    ) -> None:
        """Pace by acquisition time over `speed`, or evenly at `fps` frames per second."""
        self._source = source
        self._stop = stop
        self._speed = speed
        self._fps = fps

    @property
    def info(self) -> SourceInfo:
        """Of the source itself."""
        return self._source.info

    def give_rows(self) -> None:
        """Yield what was looked at of unfinished frames as well, where the source knows."""
        if isinstance(self._source, GivesRows):
            self._source.give_rows()

    def __iter__(self) -> Iterator[SourceItem]:
        started_s: float | None = None
        for number, item in enumerate(self._source):
            if isinstance(item, (Frame, PartialFrame)):
                due_s = self._due_s(number, item)
                started_s = time.monotonic() - due_s if started_s is None else started_s
                if self._stop.wait(max(0.0, started_s + due_s - time.monotonic())):
                    return
            yield item

    def close(self) -> None:
        """Release the source."""
        self._source.close()

    def _due_s(self, number: int, frame: Frame | PartialFrame) -> float:
        if self._fps is not None:
            return number / self._fps
        return frame.time_s / self._speed if self._speed is not None else 0.0


def parse_speed(text: str) -> float | None:
    """``max`` gives None, ``1x`` 1.0, ``2.5x`` 2.5; raises `SettingsError` for anything else."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < 1e6:
        raise SettingsError(f"--speed {text!r} is not allowed: write max, 1x, or a multiple as 5x")
    return speed
