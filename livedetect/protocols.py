"""The seams of livedetect, in the order in which a frame meets them.

1. A *source* is opened through its URI scheme, iterated, closed.
2. A *reader* gives a source the frames of one file.
3. *Taps* see every item as it arrived, before anything can be dropped.
4. The *engine* turns each item into a result; commands reach it between two items.
5. *Sinks* see every result. `close` comes last, and exactly once.

Taps, engine and sinks are called from the session's loop thread only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from livedetect.settings import Settings
from livedetect.types import (
    Command,
    Event,
    Frame,
    FrameResult,
    PartialFrame,
    SimulatedFrame,
    SourceInfo,
    SourceItem,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """What the user asked for, split up for the source that serves the scheme."""

    target: str
    """What stands behind the scheme, without the options: a path, a spec, an address."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The ``key=value`` pairs behind ``?``."""
    settings: Settings = field(default_factory=Settings)
    """Operator's values for what the source's metadata lack."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set by whoever wants the iteration to end soon."""
    live: bool = True
    """False: read what is there and end (replay)."""


class Source(Protocol):
    """Opened by a `SourceFactory`; iterate once; close."""

    @property
    def info(self) -> SourceInfo:
        """What it is; available before the first frame."""
        ...

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield items until the end, an error, or until the request's `stop` is set."""
        ...

    def close(self) -> None:
        """Release everything; may be called more than once."""
        ...


@runtime_checkable
class ManyChannels(Protocol):
    """What a source offers beside `Source` if several channels come through it."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Messages that gave no item of the followed channel, by what they were."""
        ...

    def divert(self, take: Callable[[Frame], None]) -> None:
        """Hand every frame of another channel to `take`, in the thread that iterates."""
        ...


@runtime_checkable
class GivesRows(Protocol):
    """What a source offers beside `Source` if frames can come to it in blocks of rows."""

    def give_rows(self) -> None:
        """Yield a `PartialFrame` with each block from now on, besides all the whole frames."""
        ...


class SourceFactory(Protocol):
    """Entry point of group ``livedetect.sources``; its name is the URI scheme."""

    def __call__(self, request: SourceRequest) -> Source:
        """Open the source, or raise `SourceError` saying what to do."""
        ...


class Stack(Protocol):
    """Frames of one open file."""

    def __len__(self) -> int:
        """Number of complete frames now in the file."""
        ...

    def frame(self, position: int) -> Frame:
        """Frame at `position` (from 0), index = position; raises `FrameReadError`."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class Reader(Protocol):
    """Entry point of group ``livedetect.readers``: opens files by suffix."""

    @property
    def suffixes(self) -> Sequence[str]:
        """Lower-case suffixes with their dot, most specific first."""
        ...

    def open(self, path: Path) -> Stack:
        """Open `path`, or raise `FrameReadError` (try again) or `SourceError` (hopeless)."""
        ...


@runtime_checkable
class ItemReader(Protocol):
    """What a `Reader` of files that can hold several images or stacks offers as well."""

    def open_item(self, path: Path, item: str) -> Stack:
        """Open what the user calls `item`; raises `SourceError` listing what there is."""
        ...


class FrameTap(Protocol):
    """Sees every item of the stream, skipped ones included."""

    def on_frame(self, item: SourceItem) -> None:
        """Take note of `item`; must not block."""
        ...


@runtime_checkable
class ChannelTap(Protocol):
    """A tap that wants the frames of channels that are not analysed as well."""

    def on_other_frame(self, frame: Frame) -> None:
        """Take note of a frame of another channel; must not block."""
        ...


class ResultSink(Protocol):
    """Sees every result, and the events of the session itself."""

    def on_result(self, result: FrameResult) -> None:
        """Take note of `result`; must not block."""
        ...

    def on_event(self, event: Event) -> None:
        """Take note of an event that belongs to no frame's result (run_started, run_ended)."""
        ...

    def close(self) -> None:
        """Flush and release; nothing follows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RefitRequest:
    """A model to be learnt anew beside the loop; immutable."""

    number: int
    """Counts the requests of an engine; another number is another request."""
    install_at: int
    """Index of the first frame that the new model may judge."""
    learn: Callable[[], Any]
    """Pure: its result depends on nothing but what it holds. May raise anything."""


@runtime_checkable
class Refitting(Protocol):
    """What an engine offers as well that learns its model anew while it runs.

    1. `refit_request` after a step, 2. `learn` in another thread, 3. `install` before the
    first frame whose index reaches `install_at`. An engine that is given no result by then
    learns by itself, so that results never depend on who drives it.
    """

    def refit_request(self) -> RefitRequest | None:
        """What is to be learnt now; None, or another number: the one before is off."""
        ...

    def install(self, number: int, learnt: Any) -> None:
        """Hand over what request `number` gave, or the exception that it raised."""
        ...


class Engine(Protocol):
    """What the session drives; `livedetect.Detector` is one."""

    def step(self, item: SourceItem) -> FrameResult:
        """Take in one item and say what follows from it."""
        ...

    def apply(self, command: Command) -> Sequence[Event]:
        """Carry out an operator's command between two frames."""
        ...

    def state(self) -> Mapping[str, Any]:
        """Arrays and scalars from which the engine can be rebuilt."""
        ...


@runtime_checkable
class LooksAtRows(Protocol):
    """What an engine offers beside `Engine` if it can judge a frame that is being scanned."""

    def look(self, partial: PartialFrame) -> FrameResult:
        """Judge the rows that have come since the previous look.

        A look that confirms nothing leaves no trace; what it confirms is not confirmed again.
        """
        ...


class Simulator(Protocol):
    """Entry point of group ``livedetect.simulators``: frames with their truth."""

    @property
    def meta(self) -> Mapping[str, Any]:
        """What ``meta.json`` of a simulated stream holds."""
        ...

    def __iter__(self) -> Iterator[SimulatedFrame]:
        """Yield each frame with all the defects in it."""
        ...

    def write(
        self, destination: Path, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Write frames, ``truth.csv`` and ``meta.json``; a suffix chooses the container.

        `progress` is called with the number of frames written and the number of all frames.
        """
        ...
