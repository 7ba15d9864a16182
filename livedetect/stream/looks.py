"""Looking at frames that are still being scanned: which rows the engine is shown, and when."""

from __future__ import annotations

import dataclasses
import time

from livedetect.protocols import Engine, LooksAtRows
from livedetect.types import FrameResult, PartialFrame


class RowLooks:
    """Shows an engine unfinished frames; called from the session's loop only.

    Live, looks take half of the time at most, so that whole frames never wait for them long:
    what a look leaves out comes with the next one. A replay looks again where something was
    confirmed, all looks before the commands that came during the scan; so there is none any
    more once a command has come.
    """

    def __init__(self, engine: Engine, *, live: bool) -> None:
        self._engine = engine if isinstance(engine, LooksAtRows) else None
        self._live = live
        self._next_s = time.monotonic()
        self._unseen = (-1, 0)  # of which frame, from which row on
        self._commanded = -1

    @property
    def wanted(self) -> bool:
        """The engine looks at rows."""
        return self._engine is not None

    def note_command(self, frame: int) -> None:
        """A command has come that takes effect before `frame`."""
        self._commanded = frame

    def look(self, partial: PartialFrame, expected: int) -> FrameResult | None:
        """What the engine says of the rows; None if it is not asked.

        It knows all frames before `expected` and nothing of those after.
        """
        if self._engine is None or partial.index != expected or partial.index == self._commanded:
            return None
        begun_s = time.monotonic()
        index, row = self._unseen
        if index == partial.index:
            partial = dataclasses.replace(partial, first_row=row)
        self._unseen = (partial.index, partial.first_row)
        if self._live and begun_s < self._next_s:
            return None
        self._unseen = (-1, 0)
        result = self._engine.look(partial)
        ended_s = time.monotonic()
        self._next_s = ended_s + (ended_s - begun_s)
        return result
