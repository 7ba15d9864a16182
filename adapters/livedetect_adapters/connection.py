"""The socket of a frame source: finds out how a producer wants to be listened to.

LDF/1 is published (SUB); other producers push (PULL) or answer requests (REQ). A producer of
another kind breaks the connection off before the handshake is done: then the next kind is tried.
The thread that iterates the source owns everything here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import zmq
from zmq.utils.monitor import recv_monitor_message

from livedetect.stream import wire_frames as wire
from livedetect.stream.curve import CurveKeys, join

KINDS = (zmq.SUB, zmq.PULL, zmq.REQ)
RECEIVE_HWM = 32
RETRY_S = 0.2
REQUEST = b"next"
SHARED_OUT = (
    "the producer deals its frames out: each one reaches a single program, and is missing "
    "from any other that pulls from it"
)

_CONNECTED = int(zmq.Event.CONNECTED)
_SUCCEEDED = int(zmq.Event.HANDSHAKE_SUCCEEDED)
_DISCONNECTED = int(zmq.Event.DISCONNECTED)
_TURNED_AWAY = int(zmq.Event.HANDSHAKE_FAILED_AUTH) | int(zmq.Event.HANDSHAKE_FAILED_PROTOCOL)
_BROKEN_OFF = int(zmq.Event.HANDSHAKE_FAILED_NO_DETAIL)


class Connection:
    """A connection to `address`, kept up until `close`."""

    def __init__(self, address: str, keys: CurveKeys | None) -> None:
        self._address = address
        self._keys = keys
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._kind = 0
        self._answered = False
        self._retry_s: float | None = None
        self.link = "waiting"
        """waiting, connected, lost or refused."""
        self._open()

    @property
    def kind(self) -> int:
        """zmq.SUB, zmq.PULL or zmq.REQ."""
        return int(KINDS[self._kind])

    def close(self) -> None:
        """Release the socket."""
        self._release()
        self._context.term()

    def wait(self, timeout_ms: int) -> None:
        """Wait for something to happen, at most so long."""
        if self._retry_s is not None and time.monotonic() >= self._retry_s:
            self._change_kind()
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        poller.poll(timeout_ms)

    def receive(self) -> list[memoryview | bytes] | None:
        """The parts of the next message; None if none waits."""
        try:
            parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.ZMQError as error:
            # nothing waits, or it is not our turn to listen
            if error.errno not in (zmq.EAGAIN, zmq.EFSM):
                raise
            return None
        self._ask()
        return [part.buffer for part in parts]

    def changes(self) -> Iterator[str]:
        """What became of the connection, as values of `link`."""
        with contextlib.suppress(zmq.Again):
            while True:
                event = int(recv_monitor_message(self._monitor, zmq.NOBLOCK)["event"])
                before, self.link = self.link, self._after(event)
                if self.link != before:
                    yield self.link

    def _after(self, event: int) -> str:
        # without keys a producer that hangs up has not refused us, but the kind of socket
        if event & _TURNED_AWAY or (event & _BROKEN_OFF and self._keys):
            self._answered = True
            return "refused"
        if event == _SUCCEEDED:
            self._answered = True
            self._ask()
            return "connected"
        if event == _CONNECTED:
            self._answered = False
        elif event == _DISCONNECTED and not self._answered:
            self._retry_s = time.monotonic() + RETRY_S
        elif event == _DISCONNECTED and self.link == "connected":
            return "lost"
        return self.link

    def _ask(self) -> None:
        if self.kind == zmq.REQ:
            with contextlib.suppress(zmq.Again):
                self._socket.send(REQUEST, zmq.NOBLOCK)

    def _change_kind(self) -> None:
        self._release()
        self._kind = (self._kind + 1) % len(KINDS)
        self._open()

    def _open(self) -> None:
        self._retry_s, self._answered = None, False
        self._socket = self._context.socket(self.kind)
        self._socket.setsockopt(zmq.RCVHWM, RECEIVE_HWM)
        self._socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_FRAME_BYTES + wire.MAX_HEADER_BYTES)
        self._socket.setsockopt(zmq.IPV6, int("[" in self._address))
        if self.kind == zmq.SUB:
            self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        if self.kind == zmq.REQ:
            self._socket.setsockopt(zmq.REQ_RELAXED, 1)
        if self._keys:
            join(self._socket, self._keys)
        self._monitor = self._socket.get_monitor_socket(
            _CONNECTED | _SUCCEEDED | _DISCONNECTED | _TURNED_AWAY | _BROKEN_OFF
        )
        self._socket.connect(self._address)

    def _release(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)
