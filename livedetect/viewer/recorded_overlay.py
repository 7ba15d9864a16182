"""A second analysis of the same frames, laid over the first. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedetect.bench.comparison import Comparison, compare
from livedetect.bench.score import read_events
from livedetect.errors import SourceError
from livedetect.stream.event_names import ANNOUNCED
from livedetect.stream.recording import Recording
from livedetect.viewer.recorded_timeline import Timeline

DEFAULT_RADIUS_PX = 8.0
"""As in ``livedetect compare``, where the crystal's own scale is not known."""

Event = Mapping[str, Any]
Place = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Defects that both analyses, or one of them, had announced up to a step."""

    both: int
    """Announced by both."""
    only_a: int
    """Announced by the session alone."""
    only_b: int
    """Announced by the other analysis alone."""


class OtherAnalysis:
    """Events of another run over the frames of a session, and where both agree.

    Raises `SourceError` if `path` (a session directory or events as JSON Lines) cannot be
    read or holds no events.
    """

    def __init__(self, path: Path, radius_px: float = DEFAULT_RADIUS_PX) -> None:
        self.path = Path(path)
        """Where it is."""
        self.radius_px = radius_px
        """Nearer than this is the same defect, px."""
        events = events_of(self.path)
        self._defects = [e for e in events if _is_defect(e)]
        self._healed = {e["defect_id"]: e["frame"] for e in events if _heals(e)}
        self._comparison = Comparison(common=(), only_a=(), only_b=())
        self._shared: tuple[set[int], set[int]] = (set(), set())

    def match(self, timeline: Timeline, events: Sequence[Event]) -> None:
        """Pair the defects of both by their places on the specimen, the drift removed."""
        first = [_at_rest(event, timeline) for event in events if _is_defect(event)]
        second = [_at_rest(event, timeline) for event in self._defects]
        self._comparison = compare(first, second, self.radius_px)
        pairs = self._comparison.common
        self._shared = {a["defect_id"] for a, _ in pairs}, {b["defect_id"] for _, b in pairs}

    @property
    def shared(self) -> tuple[set[int], set[int]]:
        """Ids in the session and in this analysis of the defects that both announced."""
        return self._shared

    def agreement(self, frame: int) -> Agreement:
        """Counts up to a frame of the source."""
        known = self._comparison
        return Agreement(
            both=sum(max(a["frame"], b["frame"]) <= frame for a, b in known.common),
            only_a=sum(event["frame"] <= frame for event in known.only_a)
            + sum(a["frame"] <= frame < b["frame"] for a, b in known.common),
            only_b=sum(event["frame"] <= frame for event in known.only_b)
            + sum(b["frame"] <= frame < a["frame"] for a, b in known.common),
        )

    def held_at(self, timeline: Timeline, step: int) -> dict[int, Place]:
        """Position (x, y) in px of the frame of each defect announced up to `step`."""
        if not 0 <= step < len(timeline.steps):
            return {}
        row = timeline.steps[step].row
        known = [e for e in self._defects if e["frame"] <= row.index]
        held = [e for e in known if self._healed.get(e["defect_id"], row.index + 1) > row.index]
        moved_x, moved_y = timeline.drift_at(step)
        rest = [_at_rest(event, timeline) for event in held if _same_scan(event, timeline, step)]
        return {e["defect_id"]: (e["x_px"] + moved_x, e["y_px"] + moved_y) for e in rest}

    def announced(self) -> dict[int, Event]:
        """The event of each defect, by id."""
        return {event["defect_id"]: event for event in self._defects}


def events_of(path: Path) -> list[Event]:
    """Events of a session directory or of a file; raises `SourceError`."""
    if path.is_dir():
        return list(Recording(path).events())
    try:
        events: list[Event] = list(read_events(path))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read as JSON Lines: {error}") from error
    if not events or not all(isinstance(event, dict) and "event" in event for event in events):
        raise SourceError(
            f"{path} holds no events: write them with --events FILE.jsonl of livedetect replay"
        )
    return events


def _is_defect(event: Event) -> bool:
    return event.get("event") in ANNOUNCED and {"defect_id", "frame", "x_px", "y_px"} <= set(event)


def _heals(event: Event) -> bool:
    return event.get("event") == "defect_healed" and {"defect_id", "frame"} <= set(event)


def _same_scan(event: Event, timeline: Timeline, step: int) -> bool:
    """The frame of the event was scanned as that of `step`, so that places can be compared."""
    steps = timeline.steps
    then = steps[timeline.step_near(event["frame"])].row.segment_id
    return then is None or then == steps[step].row.segment_id


def _at_rest(event: Event, timeline: Timeline) -> dict[str, Any]:
    """The event with its place where it was in the first frame of its scan."""
    drift = timeline.drift_of_event(timeline.step_near(event["frame"]))
    return {**event, "x_px": event["x_px"] - drift[0], "y_px": event["y_px"] - drift[1]}
