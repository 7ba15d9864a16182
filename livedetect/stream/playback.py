"""The source ``session``: plays a recorded session again, as it went.

What the recorded run did not analyse (skipped frames) is not analysed now, and the operator's
commands come back at their frames, so that unchanged settings give equal events. With ``all=1``
every frame is analysed. ``stream=NAME`` plays a channel that was recorded beside the analysed
one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from livedetect.errors import SettingsError
from livedetect.protocols import SourceRequest
from livedetect.settings import Settings
from livedetect.stream.recording import Recording, Row, TimedCommand
from livedetect.types import (
    Calibration,
    Command,
    Event,
    Frame,
    FrameResult,
    Gap,
    Notice,
    PartialFrame,
    Rejection,
    RejectionReason,
    SourceInfo,
    SourceItem,
)

OPTIONS = {
    "all": "1 analyses the frames that the recorded run skipped as well (0)",
    "stream": "a channel that was recorded beside the analysed one",
}
_OPERATORS = ("pixel_size_nm", "dwell_us", "current_pA", "high_tension_kv")
_NAMING_DEFECTS = ("accept", "dismiss")


def open_source(request: SourceRequest) -> SessionSource:
    """A recorded session, as it went; frames that were skipped then are skipped now."""
    return SessionSource(request)


class SessionSource:
    """Plays one session directory; see the module's docstring."""

    def __init__(self, request: SourceRequest) -> None:
        self._recording = Recording(Path(request.target))
        self._all = _wants_all(request)
        self._channel = other_channel(self._recording, request)
        self._stop = request.stop
        self._recorded = self._recording.settings
        self._settings = request.settings
        others = self._recording.other_channels()
        self._gives_rows = False
        self._count = others[self._channel] if self._channel else self._recording.count()

    @property
    def info(self) -> SourceInfo:
        """Name and number of frames; finite, so nothing is dropped."""
        name = str(self._recording.directory)
        return SourceInfo(name=name, live=False, frame_count=self._count, has_channels=True)

    def give_rows(self) -> None:
        """Yield the rows of unfinished frames in which something was confirmed, too."""
        self._gives_rows = self._channel is None

    def __iter__(self) -> Iterator[SourceItem]:
        other = self._recording.other_rows(self._channel) if self._channel else None
        looks = looks_of(self._recording.events()) if self._gives_rows else {}
        for row in other or self._recording.rows():
            if self._stop.is_set():
                return
            if row.disposition != "pending" or self._all:
                item = self._item(row)
                yield from _partial(item, looks.pop(row.index, {}))
                yield item

    def close(self) -> None:
        """Nothing stays open between two reads."""

    def _item(self, row: Row) -> SourceItem:
        if row.kind == "gap":
            return Gap(
                first_missing=row.index,
                missing_frames=row.missing_frames,
                reason=str(row.details.get("reason", "missing")),
                time_s=row.time_s,
                epoch=row.epoch,
            )
        if row.kind == "notice":
            name, values = str(row.details.get("event", "")), row.details.get("values", {})
            return Notice(event=name, index=row.index, time_s=row.time_s, values=values)
        if row.kind == "rejection":
            said = str(row.details.get("source_message", ""))
            return _rejection(row, str(row.details.get("reason", "invalid")), said)
        return self._frame(row)

    def _frame(self, row: Row) -> SourceItem:
        if row.disposition == "skipped" and not self._all:
            return _rejection(row, "skipped", str(row.details.get("message", "")))
        if row.array is None:
            lost = str(row.details.get("lost", "its pixels were not recorded"))
            return _rejection(row, "invalid", lost)
        frame = self._recording.frame(row)
        calibration = _calibrated(frame.calibration, self._recorded, self._settings)
        return dataclasses.replace(frame, calibration=calibration)


class RecordedCommands:
    """A `CommandSource` that brings recorded commands back before the items they preceded.

    It listens to the session as a `FrameTap` and `ResultSink`, to know where it is.
    """

    def __init__(self, recording: Recording, *, same_run: bool = True) -> None:
        """Without `same_run` the ids of defects differ, so commands that name one are left out."""
        whole = [row.position for row in recording.rows() if row.disposition != "pending"]
        self._total = len(whole)
        self._waiting = [
            entry
            for entry in recording.commands()
            if same_run or entry.command.name not in (*_NAMING_DEFECTS, "stop")
        ]
        self._arrived = self._judged = 0

    def on_frame(self, item: SourceItem) -> None:  # noqa: ARG002 - only counted
        """Count an item that has come."""
        self._arrived += 1

    def on_result(self, result: FrameResult) -> None:  # noqa: ARG002 - only counted
        """Count an item that has been analysed."""
        self._judged += 1

    def on_event(self, event: Event) -> None:
        """Take no note: events follow from the items."""

    def poll(self) -> Sequence[Command]:
        """The commands that preceded the next item."""
        due = [entry.command for entry in self._waiting if self._is_due(entry)]
        self._waiting = self._waiting[len(due) :]
        return due

    def close(self) -> None:
        """Nothing is held."""

    def _is_due(self, entry: TimedCommand) -> bool:
        # only once the next item is here: the command's event names its frame
        here = self._arrived > entry.after_items or entry.after_items >= self._total
        return here and self._judged >= entry.after_items


def looks_of(events: Iterable[Mapping[str, Any]]) -> dict[int, dict[tuple[int, int], float]]:
    """The rows in which something was confirmed early, with their time: frame -> rows -> s."""
    looks: dict[int, dict[tuple[int, int], float]] = {}
    for event in events:
        if "rows" in event:
            first, end = event["rows"]
            looks.setdefault(event["frame"], {})[first, end] = event["time_s"]
    return looks


def _partial(item: SourceItem, looks: Mapping[tuple[int, int], float]) -> Iterator[SourceItem]:
    """The states of a frame that were looked at before it was complete."""
    for (first, end), time_s in looks.items():
        if isinstance(item, Frame):
            state = dataclasses.replace(item, valid_rows=end, time_s=time_s)
            yield PartialFrame(frame=state, first_row=first)


def _rejection(row: Row, reason: str, message: str) -> Rejection:
    return Rejection(
        index=row.index,
        reason=cast("RejectionReason", reason),
        message=message,
        time_s=row.time_s,
        epoch=row.epoch,
    )


def _calibrated(scan: Calibration, recorded: Settings, wanted: Settings) -> Calibration:
    """`scan` with the operator's values of now, where it holds none or those of then."""
    changes = {}
    for name in _OPERATORS:
        then, now = getattr(recorded, name), getattr(wanted, name)
        if now is not None and now != then and getattr(scan, name) in (None, then):
            changes[name] = now
    if "current_pA" in changes:
        changes["current_source"] = "operator"
    return dataclasses.replace(scan, **changes) if changes else scan


def other_channel(recording: Recording, request: SourceRequest) -> str | None:
    """The channel beside the analysed one that is asked for; None for the analysed one.

    Raises `SettingsError` for a channel that was not recorded.
    """
    wanted = request.options.get("stream") or request.settings.stream
    if not wanted or wanted == recording.settings.stream or wanted == recording.channel():
        return None
    others = recording.other_channels()
    if wanted not in others:
        known = ", ".join(filter(None, [recording.channel(), *others])) or "one without a name"
        raise SettingsError(f"stream={wanted} was not recorded in this session; it has {known}")
    return wanted


def _wants_all(request: SourceRequest) -> bool:
    told = {name: value for name, value in request.options.items() if name != "stream"}
    wanted = told.pop("all", "0")
    if told or wanted not in ("0", "1"):
        raise SettingsError(f"a session understands all=1 ({OPTIONS['all']}), not {told or wanted}")
    return wanted == "1"
