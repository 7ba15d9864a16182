"""The book of a session's defects and regions: each gets a number once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from livedetect.detect.announce import Stamp, View, defect_event, region_event
from livedetect.detect.method import Candidate, Method
from livedetect.detect.migration import hopped, move
from livedetect.detect.regions import Region
from livedetect.detect.tracking import Defect, Tracker
from livedetect.errors import SettingsError
from livedetect.types import Event, PartialFrame


class DefectBook:
    """Numbers are unique in the session, over all areas."""

    def __init__(self) -> None:
        self._defects = 0
        self._regions = 0

    def enter(
        self,
        tracker: Tracker,
        candidate: Candidate,
        first_seen: int,
        confirmed: int,
        *,
        at_start: bool = False,
    ) -> Defect:
        """A new defect, from now on followed by `tracker`."""
        defect = Defect(
            defect_id=self._defects,
            position=candidate.position,
            candidate=candidate,
            first_seen_frame=first_seen,
            confirmed_frame=confirmed,
            last_seen_frame=confirmed,
            at_start=at_start,
        )
        self._defects += 1
        tracker.defects.append(defect)
        if not at_start:
            tracker.supersede(defect)
        return defect

    def confirm(
        self, tracker: Tracker, candidate: Candidate, method: Method, stamp: Stamp, view: View
    ) -> Event:
        """A defect that has formed, or a known one that has moved to the candidate's place."""
        known = hopped(candidate, tracker, method)
        if known is None:
            known = self.enter(tracker, candidate, stamp.frame, stamp.frame)
            return defect_event("defect_confirmed", known, stamp, view)
        move(known, candidate, stamp.frame)
        return defect_event("defect_migrated", known, stamp, view)

    def enter_early(
        self,
        tracker: Tracker,
        fresh: Sequence[Candidate],
        partial: PartialFrame,
        stamp: Stamp,
        view: View,
    ) -> list[Event]:
        """New defects that the rows of an unfinished frame show, each with its event."""
        rows, events = (partial.first_row, partial.rows_done), []
        for candidate in fresh:
            defect = self.enter(tracker, candidate, stamp.frame, stamp.frame)
            event = defect_event("defect_confirmed", defect, stamp, view)
            events.append(dataclasses.replace(event, rows=rows))
        return list(events)

    def enter_regions(
        self, tracker: Tracker, regions: Iterable[Region], stamp: Stamp, view: View
    ) -> list[Event]:
        """All `regions` that are believed."""
        return [event for each in regions for event in self.region(tracker, each, stamp, view)]

    def region(
        self,
        tracker: Tracker,
        region: Region,
        stamp: Stamp,
        view: View,
        *,
        at_start: bool = False,
    ) -> list[Event]:
        """A region, and the one defect that stands for it; points inside are part of it."""
        tracker.absorb(region.outline)
        candidate = Candidate(
            position=region.centre,
            score=view.threshold,
            p_value=0.0,
            window_frames=1,
            sublattice=0,
            kind=region.kind if at_start else "unknown",
            confidence=0.0,
        )
        defect = self.enter(tracker, candidate, stamp.frame, stamp.frame, at_start=at_start)
        defect.region_id = self._regions
        self._regions += 1
        name = "defect_at_start" if at_start else "defect_confirmed"
        return [
            region_event(region, defect.region_id, stamp, view),
            defect_event(name, defect, stamp, view),
        ]

    def judge(self, tracker: Tracker, args: Mapping[str, Any], *, dismissed: bool) -> None:
        """The operator's word on a defect; raises `SettingsError` for an unknown one."""
        wanted = args.get("defect_id")
        for defect in tracker.defects:
            if defect.defect_id == wanted:
                defect.dismissed = dismissed
                return
        raise SettingsError(f"no defect has the id {wanted!r}")
