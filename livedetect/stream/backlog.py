"""The way from a source's thread to the session's loop: bounded, and newest wins when live."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass

from livedetect.protocols import GivesRows, ManyChannels, Source
from livedetect.types import Frame, PartialFrame, Rejection, SourceItem

_WAITING_BYTES_MAX = 256 * 2**20
_WAITING_ITEMS_MIN = 4
"""However large frames are, the next ones are read while one is analysed."""
_WAITING_ITEMS_MAX = 4096
"""Gaps, notices and unfinished frames count no bytes."""
_JOIN_S = 2.0
"""A source that does not end by then is left behind: the run's end must be written."""
_CATCH_UP_FRAMES = 256
"""More is better skipped: a marker that is minutes old helps nobody at the microscope."""
_PACE_FRAMES = 30
"""Of the latest frames the pace of the stream and of the engine are taken."""
_KEEPING_UP = 0.8
"""Share of the time between frames; with less to spare the engine would never catch up."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An item of the source and when it came."""

    item: SourceItem
    """What the source yielded."""
    at_s: float
    """When it came, s on the monotonic clock."""
    stored: bool = False
    """It was there before we came and can wait."""
    other_channel: bool = False
    """It is a frame of a channel that is not analysed."""


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

    @property
    def not_taken(self) -> dict[str, int]:
        """Messages that gave no item of the analysed channel, by what they were."""
        return dict(self._source.counts) if isinstance(self._source, ManyChannels) else {}

    def start(self, *, other_channels: bool = False, rows: bool = False) -> None:
        """Begin to receive; with `other_channels` and `rows`, those as well."""
        if rows and isinstance(self._source, GivesRows):
            self._source.give_rows()
        if other_channels and isinstance(self._source, ManyChannels):
            self._source.divert(self._put_other)
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
        try:
            self._source.close()
        except Exception:  # noqa: BLE001 - foreign code again, and all its frames are here
            _log.exception("the source could not be closed")

    def _receive(self) -> None:
        try:
            for item in self._source:
                stored = self._source.info.stored
                self._put(Arrival(item=item, at_s=time.monotonic(), stored=stored))
                if self._stop.is_set():
                    break
        except Exception as error:  # noqa: BLE001 - a source is foreign code; the session reports it
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put_other(self, frame: Frame) -> None:
        self._put(Arrival(item=frame, at_s=time.monotonic(), other_channel=True))

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


class Backlog:
    """Items that wait for the engine; it decides when the newest frame must win.

    An engine that is faster than the stream may catch up on what came while it learnt the
    crystal, up to 256 frames or 256 MiB; one that is slower would only fall behind further.
    """

    def __init__(self, limit_frames: int) -> None:
        self._limit_frames = limit_frames
        self._pending: deque[Arrival] = deque()
        self._came_s: deque[float] = deque(maxlen=_PACE_FRAMES)
        self._steps_s: deque[float] = deque(maxlen=_PACE_FRAMES)
        self._sum_s, self._sum_steps = 0.0, 0

    def __len__(self) -> int:
        return len(self._pending)

    def put(self, arrival: Arrival) -> None:
        """Add the latest item; an unfinished frame waits only as long as nothing follows it."""
        if self._pending and isinstance(rows := self._pending[-1].item, PartialFrame):
            self._pending.pop()
            arrival = _superseding(rows, arrival)
        self._pending.append(arrival)
        if isinstance(arrival.item, Frame):
            self._came_s.append(arrival.at_s)

    def take(self) -> Arrival:
        """Remove the oldest item."""
        return self._pending.popleft()

    def put_back(self, arrival: Arrival) -> None:
        """Undo `take`."""
        self._pending.appendleft(arrival)

    def note_step(self, step_s: float, *, completes: bool = True) -> None:
        """Take note of how long the engine needed for a frame.

        An engine that sums frames does most of its work with the last of a sum, the one that
        `completes` it: its time is shared out among all of them.
        """
        self._sum_s, self._sum_steps = self._sum_s + step_s, self._sum_steps + 1
        if completes:
            self._steps_s.append(self._sum_s / self._sum_steps)
            self._sum_s, self._sum_steps = 0.0, 0

    @property
    def stored(self) -> bool:
        """True while something waits that was there before we came."""
        return any(arrival.stored for arrival in self._pending)

    def skip_if_behind(self, *, learning: bool = False) -> None:
        """Turn all frames but the newest into skipped ones if the engine cannot keep up.

        They keep their place as a `Rejection`; gaps and notices stay as they are. While the
        engine is `learning`, only what would not fit is skipped: it needs every frame.
        """
        if self.stored:
            return
        frames = [arrival.item for arrival in self._pending if isinstance(arrival.item, Frame)]
        too_many = len(frames) > _CATCH_UP_FRAMES or sum(map(_nbytes, frames)) > _WAITING_BYTES_MAX
        behind = not learning and len(frames) > self._limit_frames and not self._keeps_up()
        if too_many or behind:
            newest = frames[-1]
            self._pending = deque(_skipped(arrival, newest) for arrival in self._pending)

    def _keeps_up(self) -> bool:
        if len(self._came_s) < 2 or not self._steps_s:
            return True
        # medians: a step in which numerics were compiled or a crystal learnt says nothing
        interval_s = statistics.median(b - a for a, b in itertools.pairwise(self._came_s))
        return statistics.median(self._steps_s) < _KEEPING_UP * interval_s


def _superseding(partial: PartialFrame, arrival: Arrival) -> Arrival:
    """What follows `partial`; more rows of the same frame are looked at together."""
    item = arrival.item
    if isinstance(item, PartialFrame) and item.index == partial.index:
        item = dataclasses.replace(item, first_row=partial.first_row)
    return dataclasses.replace(arrival, item=item)


def _skipped(arrival: Arrival, newest: Frame) -> Arrival:
    frame = arrival.item
    if not isinstance(frame, Frame) or frame is newest:
        return arrival
    rejection = Rejection(
        index=frame.index,
        reason="skipped",
        message="the analysis was behind; newer frames came first",
        time_s=frame.time_s,
    )
    return Arrival(item=rejection, at_s=arrival.at_s)


def _nbytes(item: SourceItem) -> int:
    return item.data.nbytes if isinstance(item, Frame) else 0
