"""What waits to be recorded: bounded, and whoever puts something in never waits."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from livedetect.types import Event, Frame, FrameResult, SourceItem

MAX_BYTES = 128 * 2**20
MAX_ENTRIES = 20_000
BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """An item of the source."""

    position: int
    """Its number in the order of arrival, from 0."""
    item: SourceItem
    """What the source gave."""
    unix_s: float
    """Wall clock, s since the epoch."""
    pixels: bool = True
    """False: there was no room for the pixels in the queue."""
    beside: bool = False
    """A frame of a channel that is not analysed; `position` is that of the next item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The result of the item at `position`."""

    position: int
    """As in `Arrived`."""
    result: FrameResult
    """What the engine made of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event of the session itself."""

    event: Event
    """What happened."""
    after_items: int
    """Results before it."""


Entry = Arrived | Judged | Happened


class RecordingQueue:
    """128 MiB of frames and 20 000 entries; what does not fit is dropped and counted."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self.dropped_frames = 0
        """Frames whose pixels found no room."""
        self.dropped_entries = 0
        """Rows that found no room."""

    def __len__(self) -> int:
        return len(self._entries)

    def put_item(self, position: int, item: SourceItem, *, beside: bool = False) -> None:
        """Add an item, without its pixels if there are too many waiting.

        Channels that are not analysed (`beside`) get half of the room at most.
        """
        size = item.data.nbytes if isinstance(item, Frame) else 0
        room = self._max_bytes // 2 if beside else self._max_bytes
        with self._changed:
            fits = not self._bytes or self._bytes + size <= room
            self.dropped_frames += not fits
            self._bytes += size if fits else 0
            entry = Arrived(
                position=position,
                item=item if fits else _without_pixels(item),
                unix_s=time.time(),
                pixels=fits,
                beside=beside,
            )
            self._add(entry)

    def put(self, entry: Judged | Happened) -> None:
        """Add a result or an event."""
        with self._changed:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        # the end of the run always finds room
        if len(self._entries) >= self._max_entries and not isinstance(entry, Happened):
            self.dropped_entries += 1
            if isinstance(entry, Arrived):
                self._bytes -= _size(entry)
            return
        self._entries.append(entry)
        self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait for an entry or the end, at most `timeout_s`; False if neither came."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._entries) or self._closed, timeout_s)

    def take(self) -> list[Entry]:
        """The oldest entries, up to 64; waits for them; empty once closed and drained."""
        with self._changed:
            while not self._entries and not self._closed:
                self._changed.wait()
            batch = [self._entries.popleft() for _ in range(min(BATCH, len(self._entries)))]
            self._bytes -= sum(map(_size, batch))
            return batch

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _size(entry: Entry) -> int:
    if isinstance(entry, Arrived) and isinstance(entry.item, Frame) and entry.pixels:
        return entry.item.data.nbytes
    return 0


def _without_pixels(item: SourceItem) -> SourceItem:
    if not isinstance(item, Frame):
        return item
    return dataclasses.replace(item, data=np.empty((0, 0), item.data.dtype))
