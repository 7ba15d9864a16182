"""The sources ``tcp`` and ``ipc``: frames of a running producer over ZeroMQ (LDF/1).

The producer binds and we connect, in either order and again after each restart. What it speaks
is found out: LDF/1 or an installed dialect (`livedetect_adapters.dialects`). The thread that
iterates owns the socket; the session iterates in a thread of its own and lets the newest frame
win, so what waits here is bounded by `connection.RECEIVE_HWM` frames. What a full socket drops
shows as a gap in the numbering. The iteration ends with the producer's ``end``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import zmq

from livedetect.errors import SettingsError, SourceError
from livedetect.protocols import SourceRequest
from livedetect.stream.curve import CurveKeys, load_keys
from livedetect.stream.frame_address import check_address
from livedetect.types import Frame, SourceInfo, SourceItem
from livedetect_adapters import calibration as cal
from livedetect_adapters.connection import SHARED_OUT, Connection
from livedetect_adapters.frame_order import FrameOrder

OPTIONS = {
    "stream": "name of the channel to analyse (the first seen)",
    "curve": "subscriber.key of `livedetect keys`, for an encrypted producer",
    "stall_s": "silence after which the producer is called stalled, s (5)",
}
POLL_MS = 100
LOST_S = 0.5
STALL_S = 5.0
MESSAGES_PER_ROUND = 64

_log = logging.getLogger(__name__)


def open_tcp(request: SourceRequest) -> ZeroMQSource:
    """A producer of frames (LDF/1, karabo-bridge 2.2, DECTRIS Stream V2): tcp://127.0.0.1:5590."""
    return ZeroMQSource(f"tcp://{request.target}", request)


def open_ipc(request: SourceRequest) -> ZeroMQSource:
    """A producer of frames (LDF/1) on this computer, at a path; not on Windows."""
    return ZeroMQSource(f"ipc://{request.target}", request)


class ZeroMQSource:
    """Follows one channel of one producer; see the module's docstring."""

    def __init__(self, address: str, request: SourceRequest) -> None:
        _check_options(request.options)
        if not request.live:
            raise SourceError(f"{address} is live and cannot be replayed; use `livedetect run`")
        self._address = check_address(address)
        self._stop = request.stop
        self._keys = _keys(request.options.get("curve"))
        self._stall_s = _seconds(request.options)
        wanted = request.options.get("stream") or request.settings.stream
        self._order = FrameOrder(wanted, request.settings)
        self._closed = threading.Event()
        self._heard_s: float | None = None
        self._lost_s: float | None = None
        self._stalled = False
        self._refused = False
        self._told_shared = False
        self._connection: Connection | None = None

    @property
    def info(self) -> SourceInfo:
        """Name and kind; the number of frames is the producer's to say, at its end."""
        return SourceInfo(name=self._address, live=True, has_channels=True)

    @property
    def link(self) -> str:
        """waiting, connected, lost or refused: how the connection is."""
        return self._connection.link if self._connection else "waiting"

    @property
    def channel(self) -> str | None:
        """The channel that is followed, None while there is none to choose."""
        return self._order.channel

    @property
    def counts(self) -> Mapping[str, int]:
        """Messages not taken: other_channels, foreign, other_version, stray, repeated_rows."""
        return dict(self._order.counts)

    def divert(self, take: Callable[[Frame], None]) -> None:
        """Hand the frames of other channels to `take`, see `livedetect.protocols.ManyChannels`."""
        self._order.divert(take)

    def give_rows(self) -> None:
        """Yield the state of unfinished frames too, see `livedetect.protocols.GivesRows`."""
        self._order.give_rows()

    def close(self) -> None:
        """Let the iteration end soon; it releases the socket itself."""
        self._closed.set()

    def __iter__(self) -> Iterator[SourceItem]:
        connection = self._connection = Connection(self._address, self._keys)
        try:
            yield from self._follow(connection)
        finally:
            connection.close()
            if any(self._order.counts.values()):
                _log.info("messages of %s not taken: %s", self._address, self.counts)

    def _follow(self, connection: Connection) -> Iterator[SourceItem]:
        while not (self._stop.is_set() or self._closed.is_set() or self._order.ended):
            connection.wait(POLL_MS)
            yield from self._receive(connection)
            yield from self._watch_link(connection)
            yield from self._watch_silence()

    def _receive(self, connection: Connection) -> Iterator[SourceItem]:
        for _ in range(MESSAGES_PER_ROUND):
            parts = connection.receive()
            if parts is None:
                return
            now_s = self._heard_s = time.monotonic()
            self._stalled, self._lost_s = False, None
            yield from self._order.take(parts, now_s)
            if self._order.ended or self._stop.is_set():
                return

    def _watch_link(self, connection: Connection) -> Iterator[SourceItem]:
        for link in connection.changes():
            if link == "refused":
                yield from self._refusal()
            elif link == "connected":
                self._lost_s = None
                yield from self._shared_out(connection)
            elif link == "lost":
                self._lost_s = time.monotonic()

    def _shared_out(self, connection: Connection) -> Iterator[SourceItem]:
        if connection.kind == zmq.PULL and not self._told_shared:
            self._told_shared = True
            yield self._order.notice("source_changed", time.monotonic(), reason=SHARED_OUT)

    def _refusal(self) -> Iterator[SourceItem]:
        if not self._refused:
            self._refused = True
            hint = "its keys are others" if self._keys else "it may be encrypted: append ?curve="
            reason = f"{self._address} refuses the connection; {hint}"
            yield self._order.notice("stalled", time.monotonic(), reason=reason)

    def _watch_silence(self) -> Iterator[SourceItem]:
        """Say once that the producer is gone: its connection, or its heartbeats."""
        if self._stalled or self._heard_s is None or self._order.ended:
            return
        now_s = time.monotonic()
        lost = self._lost_s is not None and now_s - self._lost_s >= LOST_S
        if lost or now_s - self._heard_s >= self._stall_s:
            self._stalled = True
            reason = "the connection was lost" if lost else "the producer is silent"
            values: dict[str, Any] = {"reason": reason, "idle_s": now_s - self._heard_s}
            yield self._order.notice("stalled", now_s, **values)


def _check_options(options: Mapping[str, str]) -> None:
    unknown = set(options) - set(OPTIONS)
    if unknown:
        raise SettingsError(
            f"a producer does not understand {', '.join(sorted(unknown))} behind '?'; "
            f"allowed are {', '.join(OPTIONS)}"
        )


def _keys(path: str | None) -> CurveKeys | None:
    return load_keys(path, "subscriber") if path else None


def _seconds(options: Mapping[str, str]) -> float:
    seconds = cal.positive(options.get("stall_s", STALL_S))
    if seconds is None:
        raise SettingsError(f"stall_s={options['stall_s']}: a number of seconds above 0")
    return seconds
