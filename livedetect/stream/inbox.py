"""What the follower of a client has gathered, for whoever displays it.

One place for the newest image, a bounded list of events and the run's history: nothing
queues up, however slow the display is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from livedetect.stream.history import RunHistory
from livedetect.stream.wire_results import Preview

MAX_NEW_EVENTS = 5_000


class Link(StrEnum):
    """The state of the connection."""

    WAITING = "waiting"
    """No engine has been heard yet."""
    ATTACHED = "attached"
    """The engine is heard."""
    SILENT = "silent"
    """The engine was heard, but not for the last seconds."""
    INCOMPATIBLE = "incompatible"
    """What is heard is another version, or no engine at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What is new since the last `ResultsClient.take`."""

    link: Link
    """State of the connection."""
    message: str
    """About an incompatible peer, else empty."""
    preview: Preview | None
    """The newest image not yet taken, or None."""
    events: tuple[Mapping[str, Any], ...]
    """Events not yet taken, oldest first; at most `MAX_NEW_EVENTS`."""
    changed: bool
    """The history has changed."""
    restarted: bool
    """The history is a new one: another engine, or all of it was fetched again."""
    previews_received: int
    """Previews that have come so far, displayed or not."""


class Inbox:
    """Filled by the follower's thread, emptied by the display; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._history = RunHistory()
        self._preview: Preview | None = None
        self._events: deque[Mapping[str, Any]] = deque(maxlen=MAX_NEW_EVENTS)
        self._changed = self._restarted = False
        self._previews = 0
        self._link = Link.WAITING
        self._message = ""
        self.attached = threading.Event()
        """An engine is heard and its snapshot is here."""

    def take(self) -> Update:
        """The newest of everything since the last call; never waits."""
        with self._lock:
            update = Update(
                link=self._link,
                message=self._message,
                preview=self._preview,
                events=tuple(self._events),
                changed=self._changed,
                restarted=self._restarted,
                previews_received=self._previews,
            )
            self._preview = None
            self._events.clear()
            self._changed = self._restarted = False
            return update

    def history(self) -> dict[str, Any]:
        """A copy of what is known of the run, see `RunHistory.snapshot`."""
        with self._lock:
            return self._history.snapshot()

    def state(self) -> dict[str, Any]:
        """The short form of `history`: latest message, counts, run, model, end, baseline frame."""
        with self._lock:
            history = self._history
            return {
                "latest": dict(history.latest),
                "counts": dict(history.counts),
                "run": history.run,
                "model": history.model,
                "end": history.end,
                "baseline_frame": history.baseline_frame,
            }

    def series(self) -> dict[str, list[Any]]:
        """Copies of the counts against frame and dose."""
        with self._lock:
            return {name: list(column) for name, column in self._history.series.items()}

    def set_link(self, link: Link, message: str = "") -> None:
        """The state of the connection has changed."""
        with self._lock:
            self._link, self._message = link, message
        if link is not Link.ATTACHED:
            self.attached.clear()

    def replace_history(self, history: RunHistory, preview: Preview | None) -> None:
        """A snapshot has come."""
        with self._lock:
            self._history = history
            self._preview = _newer(preview, self._preview)
            self._changed = self._restarted = True
            self._events.clear()
            self._events.extend(history.events)
        self.attached.set()

    def add(self, message: Mapping[str, Any]) -> None:
        """A result or status has come."""
        with self._lock:
            self._history.add(message)
            self._events.extend(message["events"])
            self._changed = True

    def set_preview(self, preview: Preview) -> None:
        """An image has come; it takes the place of one that nobody took."""
        with self._lock:
            self._preview = preview
            self._previews += 1


def _newer(fetched: Preview | None, waiting: Preview | None) -> Preview | None:
    if fetched is None or waiting is None:
        return fetched or waiting
    same_run = fetched.header["epoch"] == waiting.header["epoch"]
    later = waiting.header["frame"] >= fetched.header["frame"]
    return waiting if same_run and later else fetched
