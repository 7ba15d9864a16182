"""What a viewer that comes late must be told, kept while the run goes on.

Publisher and client fold the same messages into the same `RunHistory`; a snapshot is the
publisher's, carried over. Everything in it is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from livedetect.errors import ProtocolError
from livedetect.stream.event_names import ANNOUNCED, MODELS
from livedetect.stream.wire import check_keys
from livedetect.stream.wire_results import check_events

MAX_DEFECT_EVENTS = 20_000
MAX_OTHER_EVENTS = 2_000
MAX_SERIES_POINTS = 4_096
SERIES = ("frame", "dose_e_per_A2", "active", "total", "new")
SERIES_SINCE = ("phase", "disposition", "area_id", "time_s")
"""Columns that engines of version 0.1.0 do not tell; there they hold None."""


class RunHistory:
    """Events, counts and the latest state of one run; not thread-safe.

    Counts: ``total`` defects ever announced, those of the start included; ``new``, those
    confirmed since the baseline was last set; ``active``, those held now.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.run: dict[str, Any] = {}
        self.model: dict[str, Any] = {}
        self.end: dict[str, Any] = {}
        self.latest: dict[str, Any] = {}
        self.baseline_frame = -1
        self.counts = {"active": 0, "total": 0, "new": 0}
        self.series: dict[str, list[Any]] = {name: [] for name in (*SERIES, *SERIES_SINCE)}
        self._stride = 1
        self._results = 0
        self._defects: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MAX_DEFECT_EVENTS)
        self._others: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MAX_OTHER_EVENTS)
        self._event_count = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events kept, in their order."""
        return [event for _, event in sorted(self._numbered(), key=lambda pair: pair[0])]

    def _numbered(self) -> list[tuple[int, dict[str, Any]]]:
        return [*self._defects, *self._others]

    def add(self, message: Mapping[str, Any]) -> None:
        """Take in a checked ``result`` or ``status`` message and its events."""
        self.seq = message["seq"]
        for event in message["events"]:
            self._add_event(event)
        self.latest.update((key, value) for key, value in message.items() if key != "events")
        if message["kind"] == "result":
            self.counts["active"] = message["active"]
            self._add_point(message)

    def _add_event(self, event: dict[str, Any]) -> None:
        name = event["event"]
        self._event_count += 1
        lasting = name.startswith(("defect_", "region_")) or name in MODELS
        kept = self._defects if lasting else self._others
        kept.append((self._event_count, event))
        if name in ANNOUNCED:
            self.counts["total"] += 1
            self.counts["new"] += name == "defect_confirmed"
        elif name == "run_started":
            self.run = event
        elif name in MODELS:
            self.model = event
        elif name == "run_ended":
            self.end = event
        elif name == "command" and event.get("name") == "rebaseline" and event.get("ok", True):
            self.counts["new"] = 0
            self.baseline_frame = event.get("frame", -1)

    def _add_point(self, message: Mapping[str, Any]) -> None:
        if self._results % self._stride == 0:
            for name, column in self.series.items():
                column.append(self.counts[name] if name in self.counts else message.get(name))
        self._results += 1
        if len(self.series["frame"]) > MAX_SERIES_POINTS:
            # half the resolution: the whole run stays in view within bounded memory
            self._stride *= 2
            for name, column in self.series.items():
                self.series[name] = column[::2]

    def snapshot(self) -> dict[str, Any]:
        """Plain values from which `from_snapshot` makes an equal history."""
        return {
            "seq": self.seq,
            "events": self.events,
            "event_count": self._event_count,
            "latest": dict(self.latest),
            "run": self.run,
            "model": self.model,
            "end": self.end,
            "baseline_frame": self.baseline_frame,
            "counts": dict(self.counts),
            "series": {name: list(column) for name, column in self.series.items()},
            "stride": self._stride,
            "results": self._results,
        }

    @classmethod
    def from_snapshot(cls, data: Mapping[str, Any]) -> RunHistory:
        """Rebuild a history from `snapshot`; raises `ProtocolError` if it is malformed."""
        check_keys(data, _SNAPSHOT)
        check_keys(data["series"], dict.fromkeys(SERIES, (list,)))
        check_keys(data["counts"], dict.fromkeys(("active", "total", "new"), (int,)))
        columns = [
            data["series"][name] for name in (*SERIES, *SERIES_SINCE) if name in data["series"]
        ]
        if len({_length(column) for column in columns}) != 1 or data["stride"] < 1:
            raise ProtocolError("snapshot: the series do not fit together")
        history = cls()
        check_events(data["events"])
        for event in data["events"]:
            history._add_event(event)
        history._restore(data)
        return history

    def _restore(self, data: Mapping[str, Any]) -> None:
        self.seq, self._event_count = data["seq"], data["event_count"]
        self.run, self.model, self.latest = data["run"], data["model"], dict(data["latest"])
        self.end, self.baseline_frame = data["end"], data["baseline_frame"]
        self.counts = {name: data["counts"][name] for name in self.counts}
        known, empty = data["series"], [None] * len(data["series"]["frame"])
        self.series = {name: list(known.get(name, empty)) for name in (*SERIES, *SERIES_SINCE)}
        self._stride, self._results = data["stride"], data["results"]


def _length(column: Any) -> int:
    return len(column) if type(column) is list else -1


_SNAPSHOT: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("seq", "event_count", "baseline_frame", "stride", "results"), (int,)),
    **dict.fromkeys(("latest", "run", "model", "end", "counts", "series"), (dict,)),
    "events": (list,),
}
