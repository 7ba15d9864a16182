"""From complete files to the items of the stream: validated reads, order, time, calibration."""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from livedetect.errors import FrameReadError, SourceError
from livedetect.protocols import SourceRequest, Stack
from livedetect.stream.registry import reader_for
from livedetect.types import Frame, Gap, Notice, Rejection, RejectionReason, SourceItem
from livedetect_adapters import calibration as cal
from livedetect_adapters.files import signature_of
from livedetect_adapters.folder_inbox import Entry, Inbox
from livedetect_adapters.folder_names import NaturalKey, series_of
from livedetect_adapters.stack import calibrated, expected_frames, interval_s

DOUBT_S = 2.0
"""How long a readable file that looks unfinished must rest before it is believed, s."""


class Intake:
    """Reads the entries of an inbox and gives each frame its index and its time."""

    def __init__(self, inbox: Inbox, request: SourceRequest) -> None:
        self._inbox = inbox
        self._request = request
        self._index = 0
        self._shape: tuple[int, ...] = ()
        self._ranges: dict[str, tuple[NaturalKey, NaturalKey]] = {}
        self._suffixes: dict[str, str] = {}
        self._clock = _Clock()
        self._channel = request.settings.stream or ""
        self._aside: Callable[[Frame], None] | None = None
        self.others: Counter[str] = Counter()
        """Frames of other channels than the analysed one, by the name of their channel."""

    def vanished(self) -> Iterator[SourceItem]:
        """A rejection for each file that was deleted before it had been read."""
        while self._inbox.vanished:
            path = self._inbox.vanished.pop(0).path
            yield self._rejection(f"{path.name} was deleted before it could be read")

    def take(self, entry: Entry) -> Iterator[SourceItem]:
        """Everything new in `entry`; a read that fails is noted there, to be tried again."""
        other = self._suffixes.get(entry.path.stem, entry.path.suffix)
        if other != entry.path.suffix:
            entry.finish()
            message = f"{entry.path.name} repeats {entry.path.stem}{other}"
            yield self._rejection(message, "duplicate")
            return
        try:
            entry.peeked_at = time.monotonic()
            stack = reader_for(entry.path).open(entry.path)
        except (FrameReadError, SourceError) as error:
            yield from self._unreadable(entry, error)
            return
        try:
            if entry.lost:
                yield self._gap(entry.lost, f"{entry.path.name} was overwritten unread")
                entry.lost = 0
            yield from self._frames(entry, stack)
        finally:
            stack.close()

    def _gap(self, missing: int, reason: str) -> Gap:
        self._index += missing
        return Gap(
            first_missing=self._index - missing,
            missing_frames=missing,
            reason=reason,
            time_s=self._clock.latest_s,
        )

    def _unreadable(self, entry: Entry, error: Exception) -> Iterator[SourceItem]:
        if isinstance(error, FrameReadError) and not entry.given_up:
            entry.failed(str(error), time.monotonic())
            return
        entry.finish()
        yield self._rejection(str(error))

    def _frames(self, entry: Entry, stack: Stack) -> Iterator[SourceItem]:
        length = len(stack) - 1 if entry.growing else len(stack)
        if entry.done and length and _digest(stack) != entry.digest:
            entry.done = 0  # the file was overwritten
        while entry.done < length and not self._request.stop.is_set():
            try:
                item = self._read(entry, stack)
            except FrameReadError as error:
                if entry.growing or not entry.given_up:
                    entry.failed(str(error), time.monotonic())
                    return
                item = self._rejection(str(error))
            entry.done += 1
            if item is not None:
                yield item
        if not entry.growing and entry.done >= length:
            yield from self._end(entry, stack)

    def _end(self, entry: Entry, stack: Stack) -> Iterator[SourceItem]:
        """What follows the last complete frame: nothing, or what is torn or missing."""
        torn: str = getattr(stack, "torn", "")
        if torn and not entry.given_up:
            entry.failed(torn, time.monotonic())
            return
        entry.finish()
        if torn:
            yield self._rejection(torn)
        missing = expected_frames(stack) - entry.done - bool(torn)
        if missing > 0 and not self._request.live:
            yield self._gap(missing, "the file is cut")

    def _read(self, entry: Entry, stack: Stack) -> SourceItem | None:
        """The next frame, or why there is none; None for one of another channel."""
        frame = stack.frame(entry.done)
        if not entry.growing:
            self._check(entry, frame)
        if not entry.done:
            entry.digest = zlib.crc32(frame.data.data)
        self._channel = self._channel or frame.stream
        if frame.stream not in ("", self._channel):
            return self._other(entry, stack, frame)
        if not entry.passed and self._fills_hole(entry):
            return self._rejection(f"{entry.path.name} came after later ones", "late")
        return self._accepted(entry, stack, frame)

    def divert(self, take: Callable[[Frame], None]) -> None:
        """Hand the frames of other channels to `take`."""
        self._aside = take

    def _other(self, entry: Entry, stack: Stack, frame: Frame) -> Notice | None:
        """Put a frame of another channel aside; the first of each channel is told."""
        number = self.others[frame.stream]
        self.others[frame.stream] += 1
        if self._aside is not None:
            frame = calibrated(frame, cal.beside(entry.path), self._request)
            offset = entry.done * interval_s(frame, stack)
            time_s = self._clock.time_s(_acquired_s(stack), entry.mtime_s, offset)
            meta = {**frame.meta, "file": entry.path.name}
            self._aside(dataclasses.replace(frame, index=number, time_s=time_s, meta=meta))
        if number:
            return None
        reason = f"another channel in the folder: {frame.stream!r}, analysed is {self._channel!r}"
        return self.notice("source_changed", reason)

    def _check(self, entry: Entry, frame: Frame) -> None:
        """Raise `FrameReadError` if the file changed while read or looks half-written."""
        if signature_of(entry.path) != entry.signature:
            raise FrameReadError(f"{entry.path.name} changed while it was read")
        rested = entry.given_up or entry.steady_s(time.monotonic()) >= DOUBT_S
        tail = frame.data[-max(1, frame.data.shape[0] // 16) :]
        doubtful = not np.any(tail) or (self._shape and frame.data.shape != self._shape)
        if doubtful and not rested:
            raise FrameReadError(f"{entry.path.name} may be incomplete")

    def _accepted(self, entry: Entry, stack: Stack, frame: Frame) -> Frame:
        frame = calibrated(frame, cal.beside(entry.path), self._request)
        offset = entry.done * interval_s(frame, stack)
        time_s = self._clock.time_s(_acquired_s(stack), entry.mtime_s, offset)
        self._shape = frame.data.shape
        self._suffixes[entry.path.stem] = entry.path.suffix
        self._inbox.passed(entry)
        self._widen_range(entry)
        self._index += 1
        meta = {**frame.meta, "file": entry.path.name}
        return dataclasses.replace(frame, index=self._index - 1, time_s=time_s, meta=meta)

    def _rejection(self, message: str, reason: RejectionReason = "invalid") -> Rejection:
        self._index += 1
        return Rejection(
            index=self._index - 1, reason=reason, message=message, time_s=self._clock.latest_s
        )

    def notice(self, event: str, reason: str) -> Notice:
        """Something to say that is no frame."""
        return Notice(
            event=event,
            index=max(0, self._index - 1),
            time_s=self._clock.latest_s,
            values={"reason": reason},
        )

    def _fills_hole(self, entry: Entry) -> bool:
        """Whether files before and after it, by number, have been passed on already.

        Numbers below all that came before are no such hole: counters restart.
        """
        low, high = self._ranges.get(series_of(entry.path.name), (entry.key, entry.key))
        return low < entry.key < high

    def _widen_range(self, entry: Entry) -> None:
        series = series_of(entry.path.name)
        low, high = self._ranges.get(series, (entry.key, entry.key))
        self._ranges[series] = (min(low, entry.key), max(high, entry.key))


class _Clock:
    """Time since the first frame, from one clock, never running backwards."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._by_metadata = False
        self.latest_s = 0.0

    def time_s(self, acquired_s: float | None, mtime_s: float, offset_s: float) -> float:
        """Time of a frame `offset_s` into a file; both times are s since the epoch."""
        if self._start is None:
            self._by_metadata = acquired_s is not None
        stamp = acquired_s if self._by_metadata and acquired_s is not None else mtime_s
        if self._start is None:
            self._start = stamp
        self.latest_s = max(self.latest_s, stamp - self._start + offset_s)
        return self.latest_s


def _digest(stack: Stack) -> int | None:
    try:
        return zlib.crc32(stack.frame(0).data.data)
    except FrameReadError:
        return None


def _acquired_s(stack: Stack) -> float | None:
    """When the file says it was acquired, s since the epoch."""
    told: float | None = getattr(stack, "acquired_s", None)
    return told


def simulated_stack(folder: Path, files: list[Path]) -> bool:
    """Whether `files` is one stack of frames beside its truth, as ``simulate`` writes it."""
    if len(files) != 1 or not any((folder / name).exists() for name in ("truth.csv", "meta.json")):
        return False
    try:
        stack = reader_for(files[0]).open(files[0])
    except (FrameReadError, SourceError):
        return False
    try:
        return len(stack) > 1
    finally:
        stack.close()
