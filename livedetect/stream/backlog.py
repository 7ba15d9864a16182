"""The way from a source's thread to the session's loop: bounded, and newest wins when live."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from livedetect.protocols import Source
from livedetect.types import Frame, Rejection, SourceItem

_WAITING_BYTES_MAX = 256 * 2**20
_WAITING_ITEMS_MIN = 4
_WAITING_ITEMS_MAX = 4096
_JOIN_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An item of the source and when it came."""

    item: SourceItem
    """What the source yielded."""
    at_s: float
    """When it came, s on the monotonic clock."""


class Receiver:
    """Iterates a source in a thread of its own and holds what has arrived.

    At most 256 MiB of frames wait here (4 frames in any case); then the source waits.
    """

    def __init__(self, source: Source, stop: threading.Event) -> None:
        self._source = source
        self._stop = stop
        self._waiting: deque[Arrival] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(
            target=self._receive, name="livedetect-receiver", daemon=True
        )

    @property
    def exhausted(self) -> bool:
        """The source has ended and everything it gave has been taken."""
        with self._changed:
            return self._ended and not self._waiting

    @property
    def error(self) -> Exception | None:
        """Why the source ended, if it did not end well."""
        return self._error

    def start(self) -> None:
        """Begin to receive."""
        self._thread.start()

    def take(self, timeout_s: float) -> Arrival | None:
        """Remove the oldest arrival, waiting for one up to `timeout_s`; None if none came."""
        with self._changed:
            if not self._waiting and not self._ended:
                self._changed.wait(timeout_s)
            if not self._waiting:
                return None
            arrival = self._waiting.popleft()
            self._bytes -= _nbytes(arrival.item)
            self._changed.notify_all()
            return arrival

    def close(self) -> None:
        """Ask the source to end, wait for its thread for 2 s at most, release the source."""
        self._stop.set()
        with self._changed:
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
        self._source.close()

    def _receive(self) -> None:
        try:
            for item in self._source:
                self._put(Arrival(item=item, at_s=time.monotonic()))
                if self._stop.is_set():
                    break
        except Exception as error:  # noqa: BLE001 - a source is foreign code; the session reports it
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, arrival: Arrival) -> None:
        with self._changed:
            while self._is_full() and not self._stop.is_set():
                self._changed.wait(0.1)
            self._waiting.append(arrival)
            self._bytes += _nbytes(arrival.item)
            self._changed.notify_all()

    def _is_full(self) -> bool:
        waiting = len(self._waiting)
        too_much = self._bytes >= _WAITING_BYTES_MAX and waiting >= _WAITING_ITEMS_MIN
        return too_much or waiting >= _WAITING_ITEMS_MAX


def skip_to_newest(pending: deque[Arrival], limit: int) -> None:
    """When more than `limit` frames are pending, turn all but the newest into skipped ones.

    Skipped frames keep their place as a `Rejection`; gaps and notices stay as they are.
    """
    frames = sum(isinstance(arrival.item, Frame) for arrival in pending)
    if frames <= limit:
        return
    pending.extend(_skipped(list(_emptied(pending)), keep=frames - 1))


def _emptied(pending: deque[Arrival]) -> Iterator[Arrival]:
    while pending:
        yield pending.popleft()


def _skipped(arrivals: list[Arrival], keep: int) -> Iterator[Arrival]:
    """The arrivals with their first `keep` frames replaced; `keep` counts frames only."""
    number = 0
    for arrival in arrivals:
        item = arrival.item
        if not isinstance(item, Frame) or number == keep:
            yield arrival
            continue
        number += 1
        rejection = Rejection(
            index=item.index,
            reason="skipped",
            message="the analysis was behind; newer frames came first",
            time_s=item.time_s,
        )
        yield Arrival(item=rejection, at_s=arrival.at_s)


def _nbytes(item: SourceItem) -> int:
    return item.data.nbytes if isinstance(item, Frame) else 0
