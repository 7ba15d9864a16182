"""The engine's offer to take up an earlier area of the specimen. No Qt here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Offer:
    """Which earlier area can be taken up now, followed through the events of a run."""

    def __init__(self) -> None:
        self.area_id: int | None = None
        """The area on offer; None if there is none."""
        self._present: int | None = None

    def follow(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in events in their order; an offer ends when it is taken or the stage moves on."""
        for event in events:
            here = event.get("area_id", self._present)
            if here != self._present:
                self._present, self.area_id = here, None
            offered = event.get("earlier_area")
            if event["event"] == "source_changed" and isinstance(offered, int):
                self.area_id = offered
            elif event.get("name") == "return_to_area" and event.get("ok", True):
                self.area_id = None

    @property
    def words(self) -> str:
        """For the operator; empty without an offer."""
        if self.area_id is None:
            return ""
        return f"This looks like area {self.area_id} again: return to it  T"
