"""The source ``stack``: the frames of one file, in their order in the file.

With ``live`` a file that was modified within the last `idle_s` seconds is followed: frames
that are appended (TIFF, HDF5, zarr; a NumPy file cannot grow) are played as they come. It
ends when the file has not changed for `idle_s` seconds, or when `stop` is set. An older file,
and every file without ``live``, is played once, to its end, without ever dropping a frame.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from livedetect.errors import FrameReadError, SettingsError, SourceError
from livedetect.protocols import SourceRequest, Stack
from livedetect.stream.registry import reader_for
from livedetect.types import Calibration, Frame, Gap, Rejection, SourceInfo, SourceItem
from livedetect_adapters import calibration as cal

OPTIONS = {"idle_s": "end of a growing file: seconds without a change (10)"}
IDLE_S = 10.0
POLL_S = 0.25
NOMINAL_INTERVAL_S = 1.0


def open_source(request: SourceRequest) -> StackSource:
    """One file of frames: .npy, .tif, .zarr, .h5, Nion and vendor formats."""
    return StackSource(request)


class StackSource:
    """Plays one file; see the module's docstring."""

    def __init__(self, request: SourceRequest) -> None:
        self._request = request
        self._path = Path(request.target)
        self._idle_s = idle_seconds(request.options)
        self._sidecar = cal.beside(self._path)
        self._following = request.live and _age_s(self._path) < self._idle_s
        self._stack = self._open()

    @property
    def info(self) -> SourceInfo:
        """Name, whether the file is being followed, and its frames now."""
        return SourceInfo(
            name=str(self._path),
            live=self._following,
            frame_count=None if self._following else expected_frames(self._stack),
        )

    def _open(self) -> Stack:
        """Open the file; one that is still being written is given `idle_s` to become readable."""
        reader = reader_for(self._path)
        deadline = time.monotonic() + (self._idle_s if self._following else 0.0)
        while True:
            try:
                return reader.open(self._path)
            except FrameReadError as error:
                if time.monotonic() >= deadline or self._request.stop.wait(POLL_S):
                    raise SourceError(f"{error}; copy or export the file again") from error

    def __iter__(self) -> Iterator[SourceItem]:
        stop, done, changed = self._request.stop, 0, time.monotonic()
        while not stop.is_set():
            length = len(self._stack)
            for position in range(done, length):
                if stop.is_set():
                    return
                yield self._item(position)
            if length > done:
                done, changed = length, time.monotonic()
            elif not self._following or time.monotonic() - changed >= self._idle_s:
                yield from left_over(self._stack, done)
                return
            elif _age_s(self._path) < POLL_S:
                changed = time.monotonic()
            if self._following:
                stop.wait(POLL_S)

    def _item(self, position: int) -> SourceItem:
        try:
            frame = self._stack.frame(position)
        except FrameReadError as error:
            return Rejection(index=position, message=str(error), time_s=float(position))
        return timed(calibrated(frame, self._sidecar, self._request), self._stack)

    def close(self) -> None:
        """Release the file."""
        self._stack.close()


def idle_seconds(options: Mapping[str, str]) -> float:
    """The option ``idle_s``; raises `SettingsError` for any other key or value."""
    seconds = cal.positive(options.get("idle_s", IDLE_S))
    if set(options) - set(OPTIONS) or seconds is None:
        told = "&".join(f"{key}={value}" for key, value in options.items())
        raise SettingsError(f"{told}: a stack understands idle_s=SECONDS, the {OPTIONS['idle_s']}")
    return seconds


def calibrated(frame: Frame, sidecar: Calibration, request: SourceRequest) -> Frame:
    """`frame` with the file's own calibration, then ``meta.json``'s, then the operator's."""
    calibration = cal.completed(cal.merged(frame.calibration, sidecar), request.settings)
    return dataclasses.replace(frame, calibration=calibration)


def timed(frame: Frame, stack: Stack) -> Frame:
    """`frame` with its time: the file's interval, else the scan time, else 1 s a frame."""
    return dataclasses.replace(frame, time_s=frame.index * interval_s(frame, stack))


def interval_s(frame: Frame, stack: Stack) -> float:
    """Time between two frames of `stack`, s."""
    told: float | None = getattr(stack, "interval_s", None)
    dwell_us = frame.calibration.dwell_us
    scan_s = frame.data.size * dwell_us * 1e-6 if dwell_us else None
    return told or scan_s or NOMINAL_INTERVAL_S


def left_over(stack: Stack, done: int) -> Iterator[SourceItem]:
    """What a file promised beyond its `done` complete frames: a torn one, then missing ones."""
    torn: str = getattr(stack, "torn", "")
    if torn:
        yield Rejection(index=done, message=torn)
        done += 1
    missing = expected_frames(stack) - done
    if missing > 0:
        yield Gap(first_missing=done, missing_frames=missing, reason="the file is cut")


def expected_frames(stack: Stack) -> int:
    """Frames that the file holds or promises."""
    declared: int = getattr(stack, "declared_frames", 0)
    return max(declared, len(stack))


def _age_s(path: Path) -> float:
    """Seconds since the last modification; never negative, whatever the clocks say."""
    return max(0.0, time.time() - path.stat().st_mtime)
