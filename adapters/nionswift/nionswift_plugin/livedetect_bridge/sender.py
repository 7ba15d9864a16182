"""Publishing frames (LDF/1): a bounded queue, and one thread that owns the socket.

`put` is called on Swift's acquisition threads: it appends and returns. What comes faster than it
can be sent is dropped, oldest first, and counted; the numbering shows it as a gap.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import zmq

from nionswift_plugin.livedetect_bridge import wire
from nionswift_plugin.livedetect_bridge.curve import Doorman, KeyFileError, is_local, load_keys
from nionswift_plugin.livedetect_bridge.settings import BridgeSettings
from nionswift_plugin.livedetect_bridge.tap import TappedFrame

MAX_WAITING = 16
MAX_WAITING_BYTES = 256 * 2**20
SEND_HWM = 4 * MAX_WAITING
"""What ZeroMQ has no room for, it loses without a word, and of room it learns only when half of all
this has left: the other half holds what waits and leaves at once, and what comes meanwhile."""
IDLE_S = 1.0
LOOK_S = 0.05
END_REPEATS = 3
END_PERIOD_S = 0.1
LINGER_MS = 1000

_log = logging.getLogger(__name__)

Describe = Callable[[TappedFrame, int], wire.FrameHeader]


class CannotListenError(OSError):
    """The address is taken, malformed, or open to the network without keys."""


class FrameSender:
    """Publishes at the address of `settings` until `close`.

    Parameters
    ----------
    settings : address and key.
    describe : makes the header of a frame; called in the sender's thread.

    Raises
    ------
    CannotListenError
        Saying what to do.
    """

    def __init__(self, settings: BridgeSettings, describe: Describe) -> None:
        self._describe = describe
        self._epoch = os.urandom(16)
        self._session = uuid.uuid4().hex
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        for option, value in (
            (zmq.SNDHWM, SEND_HWM),
            (zmq.MAXMSGSIZE, 1024),
            (zmq.XPUB_VERBOSE, 1),
        ):
            self._socket.setsockopt(option, value)
        self._doorman: Doorman | None = None
        self.endpoint = self._listen(settings)
        """Where frames are published, with the real port."""
        self.counts: Counter[str] = Counter()
        """sent, dropped, fault."""
        self.listeners = 0
        """Programs that are subscribed."""
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, TappedFrame]] = deque()
        self._waiting_bytes = 0
        self._skipped: Counter[str] = Counter()
        self._next_seq: dict[str, int] = {}
        self._told_s: dict[str, float] = {}
        self._status = "success"
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livedetect-frames", daemon=True)
        self._thread.start()

    def _listen(self, settings: BridgeSettings) -> str:
        try:
            if settings.frames_key:
                keys = load_keys(settings.frames_key, "producer")
                self._doorman = Doorman(self._context, self._socket, keys)
            elif not is_local(settings.frames):
                raise KeyFileError(f"{settings.frames} is open to the network: a key is needed")
            self._socket.bind(settings.frames)
        except (zmq.ZMQError, KeyFileError) as error:
            self._release(0)
            raise CannotListenError(_why_not(settings.frames, error)) from error
        bound: bytes = self._socket.getsockopt(zmq.LAST_ENDPOINT)
        return bound.rstrip(b"\0").decode()

    @property
    def waiting(self) -> int:
        """Frames that have not been sent yet."""
        return len(self._waiting)

    def put(self, stream: str, frame: TappedFrame) -> bool:
        """Add a frame of `stream`, without waiting; False once the sender is closed."""
        with self._lock:
            if self._closing.is_set():
                return False
            self._waiting.append((stream, frame))
            self._waiting_bytes += frame.pixels.nbytes
            while len(self._waiting) > 1 and self._is_full():
                skipped, oldest = self._waiting.popleft()
                self._waiting_bytes -= oldest.pixels.nbytes
                self._skipped[skipped] += 1
                self.counts["dropped"] += 1
        self._wake.set()
        return True

    def _is_full(self) -> bool:
        return len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES

    def close(self, status: str = "success") -> None:
        """Send what waits and the end of every stream."""
        with self._lock:  # what was put before is sent, nothing is put after
            self._status = status
            self._closing.set()
        self._wake.set()
        self._thread.join(5.0)

    # -- from here on: the sender's thread -------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(LOOK_S)
            self._wake.clear()
            self._guarded(self._round)
        self._guarded(self._round)
        while self._waiting:  # a fault ends a round early
            self._guarded(self._send_frames)
        for _ in range(END_REPEATS):
            self._guarded(lambda: self._controls("end"))
            threading.Event().wait(END_PERIOD_S)
        self._release(LINGER_MS)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:  # noqa: BLE001 - one frame that cannot be sent must not end the stream
            self.counts["fault"] += 1
            if self.counts["fault"] == 1:
                _log.exception("livedetect: a frame could not be sent")

    def _round(self) -> None:
        self._send_frames()
        if self._doorman is not None:
            self._doorman.answer()
        while self._socket.poll(0):
            joined = self._socket.recv()[:1] == b"\1"
            self.listeners += 1 if joined else -1
            if joined:
                self._controls("start")
        self._keep_alive()

    def _send_frames(self) -> None:
        while self._waiting:
            with self._lock:
                stream, frame = self._waiting.popleft()
                self._waiting_bytes -= frame.pixels.nbytes
                seq = self._next_seq.get(stream, 0) + self._skipped.pop(stream, 0)
                self._next_seq[stream] = seq
            self._send(stream, frame, seq)

    def _send(self, stream: str, frame: TappedFrame, seq: int) -> None:
        header = self._describe(frame, seq)
        parts = wire.frame_parts(self._origin(stream), header, frame.pixels)
        self._next_seq[stream] = seq + 1
        # the pixels are ours alone, so ZeroMQ may keep them instead of a copy
        self._socket.send_multipart(parts, copy=False)
        self._told_s[stream] = time.monotonic()
        self.counts["sent"] += 1

    def _keep_alive(self) -> None:
        now_s = time.monotonic()
        for stream in list(self._next_seq):
            if now_s - self._told_s.get(stream, float("-inf")) >= IDLE_S:
                self._control("heartbeat", stream)

    def _controls(self, kind: str) -> None:
        for stream in list(self._next_seq):
            self._control(kind, stream)

    def _control(self, kind: str, stream: str) -> None:
        last_seq = self._next_seq[stream] - 1
        parts = wire.control_parts(kind, self._origin(stream), last_seq, self._status)
        self._socket.send_multipart(parts)
        self._told_s[stream] = time.monotonic()

    def _origin(self, stream: str) -> wire.Origin:
        return wire.Origin(stream, self._session, self._epoch)

    def _release(self, linger_ms: int) -> None:
        if self._doorman is not None:
            self._doorman.close()
        self._socket.close(linger_ms)
        self._context.term()


def _why_not(address: str, error: Exception) -> str:
    """For people: why nothing can be published at `address`, and what to do."""
    if isinstance(error, KeyFileError):
        return str(error)
    if getattr(error, "errno", None) == zmq.EADDRINUSE:
        return f"{address} is in use, perhaps by another Swift; stop that one or take another port"
    return f"nothing can be published at {address}: {error}"


def names_of(seen: dict[tuple[str, str], str], device: str, channel: str) -> str:
    """Name of a channel's stream, the same for ever; the device is named where two would clash."""
    key = (device, channel)
    if key not in seen:
        plain: Any = f"swift/{channel}"[:200]
        seen[key] = f"swift/{device}/{channel}"[:200] if plain in seen.values() else plain
    return seen[key]
