"""The source ``stack``: the frames of one file, in their order in the file.

With ``live`` a file that can grow (TIFF, HDF5 written with SWMR, zarr) and was modified within
the last `idle_s` seconds is followed: appended frames are played as they come, until the file
has not changed for `idle_s` seconds or `stop` is set. Every other file is played once to its
end. Frames are never dropped, because the file keeps them until they are wanted.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from livedetect.errors import FrameReadError, SettingsError, SourceError
from livedetect.protocols import ItemReader, SourceRequest, Stack
from livedetect.stream.permissions import forbidden, was_forbidden
from livedetect.stream.registry import reader_for
from livedetect.types import Calibration, Frame, Gap, Rejection, SourceInfo, SourceItem
from livedetect_adapters import calibration as cal
from livedetect_adapters.files import age_s

OPTIONS = {
    "idle_s": "a growing file ends when it has not changed for this long, s (10)",
    "item": "which of several images or stacks, by its title or the start of its uuid",
}
IDLE_S = 10.0
POLL_S = 0.25
NOMINAL_INTERVAL_S = 1.0
_GROWING_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".h5", ".hdf5", ".zarr")


def open_source(request: SourceRequest) -> StackSource:
    """One file of frames: .npy, .tif, .zarr, .h5, Nion files and libraries, vendor formats."""
    return StackSource(request)


class StackSource:
    """Plays one file; see the module's docstring."""

    def __init__(self, request: SourceRequest) -> None:
        self._request = request
        self._path = Path(request.target)
        self._idle_s = _idle_seconds(request.options)
        self._item_wanted = request.options.get("item", "")
        self._sidecar = cal.beside(self._path)
        fresh = request.live and age_s(self._path) < self._idle_s
        self._following = fresh and self._path.suffix.lower() in _GROWING_SUFFIXES
        self._stack = self._open(self._idle_s if fresh else 0.0)
        self._time_s = 0.0
        self._remark = " ".join(
            filter(None, [getattr(self._stack, "remark", ""), self._on_times()])
        )

    @property
    def info(self) -> SourceInfo:
        """Name and number of frames; not `live`, because nothing is ever dropped."""
        count = None if self._following else expected_frames(self._stack)
        return SourceInfo(name=str(self._path), live=False, frame_count=count, remark=self._remark)

    def _on_times(self) -> str:
        """What to say where nothing tells when the frames of the file were acquired."""
        if len(self._stack) < 2 or getattr(self._stack, "timed", False):
            return ""
        try:
            frame = calibrated(self._stack.frame(0), self._sidecar, self._request)
        except FrameReadError:
            return ""
        known = known_interval_s(frame, self._stack)
        return "" if known else f"{self._path.name} tells no times: time_s counts 1 s a frame."

    def _open(self, patience_s: float) -> Stack:
        """Open the file; one that is still being written is given time to become readable."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                stack = self._opened()
            except FileNotFoundError as error:
                raise SourceError(f"{self._path} does not exist") from error
            except FrameReadError as error:
                if self._gives_up(deadline):
                    if was_forbidden(error):
                        raise forbidden(self._path) from error
                    raise SourceError(f"{error}; copy or export the file again") from error
                continue
            if self._following or not _torn(stack) or self._gives_up(deadline):
                return stack
            stack.close()

    def _opened(self) -> Stack:
        reader = reader_for(self._path)
        if not self._item_wanted:
            return reader.open(self._path)
        if not isinstance(reader, ItemReader):
            raise SettingsError(f"?item=: there is nothing to choose in a {self._path.suffix} file")
        return reader.open_item(self._path, self._item_wanted)

    def _gives_up(self, deadline: float) -> bool:
        """Whether the file has had its time to become complete; waits a little if not."""
        return time.monotonic() >= deadline or self._request.stop.wait(POLL_S)

    def __iter__(self) -> Iterator[SourceItem]:
        stop, done, changed = self._request.stop, 0, time.monotonic()
        while not stop.is_set():
            before = done
            for item in self._frames_from(done, changed):
                done += 1
                yield item
                if stop.is_set():
                    return
            changed = time.monotonic() if done > before else changed
            if not self._waits(changed):
                yield from self._left_over(done)
                return
            stop.wait(POLL_S)

    def _frames_from(self, done: int, changed: float) -> Iterator[SourceItem]:
        for position in range(done, len(self._stack)):
            item = self._item(position)
            if isinstance(item, Rejection) and self._waits(changed):
                return  # its pixels may still be on their way
            yield item

    def _waits(self, changed: float) -> bool:
        """Whether more may come, `changed` being when something last did (monotonic, s)."""
        idle_s = min(time.monotonic() - changed, age_s(self._path))
        return self._following and idle_s < self._idle_s

    def _item(self, position: int) -> SourceItem:
        try:
            frame = self._stack.frame(position)
        except FrameReadError as error:
            return Rejection(index=position, message=str(error), time_s=self._time_s)
        frame = calibrated(frame, self._sidecar, self._request)
        timed: bool = getattr(self._stack, "timed", False)
        self._time_s = frame.time_s if timed else frame.index * interval_s(frame, self._stack)
        return dataclasses.replace(frame, time_s=self._time_s)

    def _left_over(self, done: int) -> Iterator[SourceItem]:
        """What the file promised beyond its `done` frames: a torn one, then missing ones."""
        torn = _torn(self._stack)
        if torn:
            yield Rejection(index=done, message=torn, time_s=self._time_s)
        first = done + bool(torn)
        missing = expected_frames(self._stack) - first
        if missing > 0:
            yield Gap(
                first_missing=first,
                missing_frames=missing,
                reason="the file is cut",
                time_s=self._time_s,
            )

    def close(self) -> None:
        """Release the file."""
        self._stack.close()


def _idle_seconds(options: Mapping[str, str]) -> float:
    seconds = cal.positive(options.get("idle_s", IDLE_S))
    if set(options) - set(OPTIONS) or seconds is None:
        told = "&".join(f"{key}={value}" for key, value in options.items())
        meanings = "; ".join(f"{key}: {text}" for key, text in OPTIONS.items())
        raise SettingsError(f"{told}: a file understands {meanings}")
    return seconds


def _torn(stack: Stack) -> str:
    """What is wrong behind the last complete frame; empty if nothing is."""
    torn: str = getattr(stack, "torn", "")
    return torn


def calibrated(frame: Frame, sidecar: Calibration, request: SourceRequest) -> Frame:
    """`frame` with the file's own calibration, then ``meta.json``'s, then the operator's."""
    calibration = cal.completed(cal.merged(frame.calibration, sidecar), request.settings)
    return dataclasses.replace(frame, calibration=calibration)


def interval_s(frame: Frame, stack: Stack) -> float:
    """Time between two frames of `stack`, s; 1 s where nothing tells it."""
    return known_interval_s(frame, stack) or NOMINAL_INTERVAL_S


def known_interval_s(frame: Frame, stack: Stack) -> float | None:
    """Time between two frames of `stack`, s: the file's, else the scan time, else None."""
    told: float | None = getattr(stack, "interval_s", None)
    dwell_us = frame.calibration.dwell_us
    scan_s = frame.data.size * dwell_us * 1e-6 if dwell_us else None
    return told or scan_s


def expected_frames(stack: Stack) -> int:
    """Frames that the file holds or promises."""
    declared: int = getattr(stack, "declared_frames", 0)
    return max(declared, len(stack))
