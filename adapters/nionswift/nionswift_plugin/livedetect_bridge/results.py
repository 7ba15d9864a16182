"""Following the engine's results (LDR/1): one thread that owns the sockets.

We connect and never listen: nobody can order anything through these sockets. What the engine
says is passed on as it comes; notes for its log go the other way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

import zmq

from nionswift_plugin.livedetect_bridge import wire
from nionswift_plugin.livedetect_bridge.curve import KeyFileError, join, load_keys
from nionswift_plugin.livedetect_bridge.settings import BridgeSettings

POLL_MS = 50
RECEIVE_HWM = 256
SILENCE_S = 3.0
MAX_NOTES = 64
BY = "nionswift"

_log = logging.getLogger(__name__)

Message = Mapping[str, Any]


class CannotFollowError(OSError):
    """The engine's address or its key is malformed."""


class ResultsLink:
    """Follows the engine at the address of `settings` until `close`.

    Parameters
    ----------
    settings : address and key.
    take : called in the link's thread with every result and status; may be slow.

    Raises
    ------
    CannotFollowError
        Saying what is wrong.
    """

    def __init__(self, settings: BridgeSettings, take: Callable[[Message], None]) -> None:
        self._take = take
        self._address = settings.results
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._keys = _keys(settings.results_key)
            self._socket = self._make(zmq.SUB)
            self._socket.setsockopt(zmq.RCVHWM, RECEIVE_HWM)
            self._socket.setsockopt(zmq.SUBSCRIBE, wire.STATE_PREFIX)
            self._socket.connect(self._address)
        except (KeyFileError, zmq.ZMQError) as error:
            self._context.destroy(0)
            raise CannotFollowError(f"results from {self._address}: {error}") from error
        self._control: zmq.Socket[bytes] | None = None
        self._control_port = 0
        self._notes: deque[str] = deque(maxlen=MAX_NOTES)
        self._requests = 0
        self._heard_s = float("-inf")
        self.counts: Counter[str] = Counter()
        """results, foreign, refused, fault."""
        self.phase = ""
        """Of the engine, as it said last."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livedetect-results", daemon=True)
        self._thread.start()

    @property
    def heard(self) -> bool:
        """The engine has spoken lately."""
        return time.monotonic() - self._heard_s < SILENCE_S

    def note(self, text: str) -> None:
        """Have `text` written into the engine's log of commands; without an engine it is lost."""
        self._notes.append(text)

    def close(self) -> None:
        """Send the notes that wait, and detach."""
        self._closing.set()
        self._thread.join(5.0)

    # -- from here on: the link's thread ---------------------------------------------------

    def _make(self, kind: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 500)
        socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_PUBLICATION_BYTES)
        if self._keys:
            join(socket, self._keys)
        return socket

    def _run(self) -> None:
        while not self._closing.is_set():
            if self._socket.poll(POLL_MS):
                self._receive()
            self._send_notes()
            self._read_replies()
        self._send_notes()
        for socket in (self._control, self._socket):
            if socket is not None:
                socket.close()
        self._context.term()

    def _receive(self) -> None:
        parts = self._socket.recv_multipart()
        try:
            message = wire.decode_publication(parts)
        except wire.WireError as error:
            self.counts["foreign"] += 1
            if self.counts["foreign"] == 1:
                _log.warning(
                    "livedetect: %s sends what is not understood: %s", self._address, error
                )
            return
        if message is None:
            return
        self._heard_s = time.monotonic()
        self.phase = str(message.get("phase", ""))
        self.counts["results"] += message["kind"] == "result"
        try:
            self._take(message)
            self._attach(message["control"])
        except Exception:  # noqa: BLE001 - the next result may be understood
            self.counts["fault"] += 1
            _log.exception("livedetect: a result could not be acted upon")

    def _attach(self, port: int) -> None:
        if port == self._control_port:
            return
        if self._control is not None:
            self._control.close(0)
        host = self._address.rpartition(":")[0]
        self._control, self._control_port = self._make(zmq.DEALER), port
        self._control.connect(f"{host}:{port}")

    def _send_notes(self) -> None:
        while self._notes and self._control is not None:
            self._requests += 1
            args = {"text": self._notes.popleft()[:500], "by": BY}
            try:
                self._control.send(wire.request(self._requests, "note", args), zmq.NOBLOCK)
            except zmq.ZMQError:
                return

    def _read_replies(self) -> None:
        while self._control is not None and self._control.poll(0):
            try:
                refusal = wire.decode_reply(self._control.recv())
            except wire.WireError as error:
                refusal = str(error)
            if refusal:
                self.counts["refused"] += 1
                _log.warning("livedetect: the engine did not take a note: %s", refusal)


def _keys(path: str) -> dict[str, bytes] | None:
    return load_keys(path, "subscriber") if path else None
