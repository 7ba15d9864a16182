"""Pictures of defects, fetched one by one and kept: they outlive the engine. No Qt here."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from livedetect.errors import LivedetectError
from livedetect.inspection import Inspection
from livedetect.stream.wire_pictures import decode_inspection

MAX_KEPT = 500
PAUSE_S = 0.2
"""Between two pictures that nobody asked for; they cost the engine a few milliseconds each."""
SETTLED_FRAMES = 3
"""A defect so young would be shown mostly as it was before."""

Ask = Callable[[int], "Future[dict[str, Any]]"]


class Inspections:
    """The pictures of one run; what the operator asks for comes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Inspection] = OrderedDict()
        self._refused: set[int] = set()
        self._asked: tuple[int, Future[dict[str, Any]]] | None = None
        self._wish: int | None = None
        self._due_s = 0.0
        self.refusal = ""
        """Why the engine did not show what was wished; empty if it did."""
        self.version = 0
        """Grows whenever a picture has come."""

    def get(self, defect_id: int) -> Inspection | None:
        """What is known of a defect."""
        return self._kept.get(defect_id)

    def all(self) -> Mapping[int, Inspection]:
        """Everything that is known, by defect_id."""
        return self._kept

    def wish(self, defect_id: int) -> None:
        """Fetch a defect next, again if it is known."""
        self._wish, self.refusal = defect_id, ""

    def pull(self, tracks: Mapping[str, list[Any]], frame: int, ask: Ask) -> None:
        """Take what has come, and ask for one more; `tracks` are the columns held at `frame`."""
        self._take()
        if self._asked is None:
            wanted = self._wish if self._wish is not None else self._next(tracks, frame)
            if wanted is not None:
                self._ask_for(wanted, ask)

    def _ask_for(self, defect_id: int, ask: Ask) -> None:
        self._due_s = time.monotonic() + PAUSE_S
        try:
            self._asked = (defect_id, ask(defect_id))
        except LivedetectError as error:
            self._refuse(defect_id, str(error))

    def _next(self, tracks: Mapping[str, list[Any]], frame: int) -> int | None:
        if time.monotonic() < self._due_s:
            return None
        pairs = zip(tracks["defect_id"], tracks["confirmed_frame"], strict=True)
        known = self._kept.keys() | self._refused
        ripe = [of for of, born in pairs if of not in known and frame >= born + SETTLED_FRAMES]
        return max(ripe) if ripe and len(self._kept) < MAX_KEPT else None  # the newest first

    def _take(self) -> None:
        if self._asked is None or not self._asked[1].done():
            return
        defect_id, future = self._asked
        self._asked = None
        try:
            self._keep(defect_id, decode_inspection(future.result()))
        except LivedetectError as error:
            self._refuse(defect_id, str(error))

    def _keep(self, defect_id: int, shown: Inspection) -> None:
        if self._wish == defect_id:
            self._wish = None
        self._kept[defect_id] = shown
        self.version += 1
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _refuse(self, defect_id: int, why: str) -> None:
        self._refused.add(defect_id)
        if self._wish == defect_id:
            self._wish, self.refusal = None, why
            self.version += 1
