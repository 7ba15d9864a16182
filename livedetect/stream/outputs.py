"""Everything a session tells anyone; a listener that fails is let go, the session goes on."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from functools import partial

from livedetect.protocols import ChannelTap, FrameTap, ResultSink
from livedetect.stream.status import SessionStatus, StatusSink
from livedetect.types import Event, Frame, FrameResult, NoticeEvent, SourceItem

_log = logging.getLogger(__name__)


class Outputs:
    """Calls the taps and sinks of a session, in the order in which they were given."""

    def __init__(self, taps: Sequence[FrameTap], sinks: Sequence[ResultSink]) -> None:
        self._taps = list(taps)
        self._sinks = list(sinks)
        self._all_sinks = list(sinks)
        self._last = NoticeEvent(event="", frame=0, time_s=0.0)
        self.faults: list[str] = []
        """One line for each listener that failed."""

    def on_frame(self, item: SourceItem) -> None:
        """Show an item as it arrived to every tap."""
        for tap in list(self._taps):
            self._call(tap, partial(tap.on_frame, item))

    @property
    def wants_other_channels(self) -> bool:
        """Some tap takes the frames of channels that are not analysed."""
        return any(isinstance(tap, ChannelTap) for tap in self._taps)

    def on_other_frame(self, item: SourceItem) -> None:
        """Show a frame of a channel that is not analysed to those who want it."""
        for tap in list(self._taps):
            if isinstance(tap, ChannelTap) and isinstance(item, Frame):
                self._call(tap, partial(tap.on_other_frame, item))

    def on_result(self, result: FrameResult) -> None:
        """Pass a result on."""
        self._last = NoticeEvent(event="", frame=result.frame, time_s=result.time_s)
        for sink in list(self._sinks):
            self._call(sink, partial(sink.on_result, result))

    def on_event(self, event: Event) -> None:
        """Pass on an event that belongs to no frame's result."""
        for sink in list(self._sinks):
            self._call(sink, partial(sink.on_event, event))

    def on_status(self, status: SessionStatus) -> None:
        """Pass the state of the session on to those who want it."""
        for sink in list(self._sinks):
            if isinstance(sink, StatusSink):
                self._call(sink, partial(sink.on_status, status))

    def close(self) -> None:
        """Close every sink once, those that failed before included."""
        self._sinks = []
        for sink in self._all_sinks:
            self._call(sink, sink.close)

    def _call(self, listener: FrameTap | ResultSink, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - detection must outlive every listener
            _log.exception("%s failed and is left out from now on", known_as(listener))
            self._let_go(listener, error)

    def _let_go(self, listener: FrameTap | ResultSink, error: Exception) -> None:
        reason = f"{known_as(listener)}: {error}"
        self.faults.append(reason)
        self._taps = [tap for tap in self._taps if tap is not listener]
        self._sinks = [sink for sink in self._sinks if sink is not listener]
        self.on_event(
            dataclasses.replace(self._last, event="recording_stopped", values={"reason": reason})
        )


def known_as(listener: FrameTap | ResultSink) -> str:
    """What a user calls a listener: its attribute ``known_as``, else the name of its class."""
    return str(getattr(listener, "known_as", type(listener).__name__))
