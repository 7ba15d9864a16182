"""The thread of a client that owns its sockets: follows the engine, carries requests."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import zmq

from livedetect.errors import ProtocolError
from livedetect.stream import wire_requests
from livedetect.stream import wire_results as wire
from livedetect.stream.curve import join, load_keys
from livedetect.stream.endpoints import Endpoint
from livedetect.stream.history import RunHistory
from livedetect.stream.inbox import Inbox, Link
from livedetect.stream.wakeup import WakeUp
from livedetect.stream.wire import VersionError
from livedetect.stream.wire_results import Preview

SILENCE_S = 3.0
"""An engine says something every second: three are missing."""
RETRY_S = 0.25
CONNECT_S = 0.05
"""Until the snapshot is here, it is looked for so often."""
MAX_HELD_BACK = 512
"""Messages that came while a snapshot was fetched; if more did, it is fetched again."""
MAX_OPEN_REQUESTS = 64

_IDS = itertools.count(1)


class Outbox:
    """Requests on their way to the follower's thread, bounded; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[tuple[int, bytes, Future[dict[str, Any]]]] = []

    def put(self, cmd: str, args: Mapping[str, Any]) -> Future[dict[str, Any]]:
        """Add a request; raises `ProtocolError` if it cannot be packed or too many wait."""
        future: Future[dict[str, Any]] = Future()
        request_id = next(_IDS)
        data = wire_requests.encode_request(request_id, cmd, args)
        with self._lock:
            if len(self._requests) >= MAX_OPEN_REQUESTS:
                raise ProtocolError(f"{cmd}: too many requests wait for the engine")
            self._requests.append((request_id, data, future))
        return future

    def take(self) -> list[tuple[int, bytes, Future[dict[str, Any]]]]:
        """Remove and return all."""
        with self._lock:
            requests, self._requests = self._requests, []
            return requests


class Follower:
    """The thread that owns the sockets: follows publications, asks for snapshots."""

    def __init__(self, endpoint: Endpoint, inbox: Inbox, outbox: Outbox) -> None:
        self._endpoint = endpoint
        self._keys = load_keys(endpoint.curve, "subscriber") if endpoint.curve else None
        self._inbox = inbox
        self._outbox = outbox
        self.wakeup = WakeUp()
        """Raise it when there is something in the outbox, or to close."""
        self.closing = threading.Event()
        """Set it to end `run`."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._results = self._context.socket(zmq.SUB)
        self._control: zmq.Socket[bytes] | None = None
        self._control_port = 0
        self._epoch = ""
        self._seq: int | None = None
        self._held_back: deque[Mapping[str, Any]] = deque(maxlen=MAX_HELD_BACK)
        self._snapshot_id: int | None = None
        self._snapshot_due_s = 0.0
        self._heard_s = float("-inf")
        self._silent = False
        self._open: dict[int, Future[dict[str, Any]]] = {}

    def run(self) -> None:
        """Follow the engine until `closing` is set, then release everything."""
        self._results.setsockopt(zmq.RCVHWM, 64)
        self._results.setsockopt(zmq.MAXMSGSIZE, wire.MAX_PUBLICATION_BYTES)
        self._results.setsockopt(zmq.IPV6, int(":" in self._endpoint.host))
        self._results.setsockopt(zmq.SUBSCRIBE, b"")
        if self._keys:
            join(self._results, self._keys)
        self._results.connect(str(self._endpoint))
        while not self.closing.is_set():
            self._wait()
            self.wakeup.clear()
            self._receive()
            self._converse()
            self._watch_silence()
        self._close()

    def _wait(self) -> None:
        poller = zmq.Poller()
        for readable in (self.wakeup, self._results, self._control):
            if readable is not None:
                poller.register(readable, zmq.POLLIN)
        poller.poll(int(1e3 * (RETRY_S if self._seq is not None else CONNECT_S)))

    def _receive(self) -> None:
        for _ in range(64):  # then let requests have their turn
            try:
                parts = self._results.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                self._take_in(wire.decode_publication(parts))
            except VersionError as error:
                self._inbox.set_link(Link.INCOMPATIBLE, str(error))
            except ProtocolError as error:
                if self._heard_s == float("-inf"):
                    self._inbox.set_link(Link.INCOMPATIBLE, f"not a livedetect engine: {error}")

    def _take_in(self, publication: dict[str, Any] | Preview) -> None:
        header = publication.header if isinstance(publication, Preview) else publication
        self._heard_s = time.monotonic()
        self._inbox.set_link(Link.ATTACHED)
        if header["epoch"] != self._epoch:
            self._meet(header)
        elif self._silent:
            self._ask_again(0.0)
        self._silent = False
        if isinstance(publication, Preview):
            self._inbox.set_preview(publication)
        elif self._seq is None:
            self._held_back.append(publication)
        else:
            self._follow(publication)

    def _meet(self, header: Mapping[str, Any]) -> None:
        """Another engine: nothing of the last one holds."""
        self._inbox.attached.clear()
        self._epoch, self._control_port = header["epoch"], header["control"]
        self._refuse_open("the engine was restarted")
        if self._control is not None:
            self._control.close(0)
        self._control = self._context.socket(zmq.DEALER)
        self._control.setsockopt(zmq.LINGER, 0)
        self._control.setsockopt(zmq.IMMEDIATE, 1)  # no command waits for the next engine
        self._control.setsockopt(zmq.SNDHWM, MAX_OPEN_REQUESTS)
        self._control.setsockopt(zmq.MAXMSGSIZE, wire_requests.MAX_REPLY_BYTES)
        self._control.setsockopt(zmq.IPV6, int(":" in self._endpoint.host))
        if self._keys:
            join(self._control, self._keys)
        self._control.connect(str(self._endpoint.at(self._control_port)))
        self._ask_again(0.0)

    def _ask_again(self, delay_s: float) -> None:
        self._seq = self._snapshot_id = None
        self._held_back.clear()
        self._snapshot_due_s = time.monotonic() + delay_s

    def _follow(self, message: Mapping[str, Any]) -> None:
        if self._seq is None or message["seq"] <= self._seq:
            return
        if message["seq"] > self._seq + 1:
            # something was lost on the way: fetch the whole, so that no event is missing
            self._ask_again(RETRY_S)
            self._held_back.append(message)
            return
        self._seq = message["seq"]
        self._inbox.add(message)

    def _converse(self) -> None:
        if self._control is None:
            return
        if self._seq is None and time.monotonic() >= self._snapshot_due_s:
            self._request_snapshot()
        for request_id, data, future in self._outbox.take():
            if not future.set_running_or_notify_cancel():
                continue
            if self._send(data):
                self._open[request_id] = future
            else:
                future.set_exception(ProtocolError("the engine cannot be reached"))
        self._read_replies()

    def _request_snapshot(self) -> None:
        request_id = next(_IDS)
        if self._send(wire_requests.encode_request(request_id, "snapshot", {})):
            self._snapshot_id = request_id
            self._snapshot_due_s = time.monotonic() + SILENCE_S

    def _send(self, data: bytes) -> bool:
        try:
            if self._control is not None:
                self._control.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return self._control is not None

    def _read_replies(self) -> None:
        while self._control is not None:
            try:
                reply = wire_requests.decode_reply(self._control.recv_multipart(zmq.NOBLOCK)[-1])
            except zmq.Again:
                return
            except ProtocolError:
                continue
            if reply["id"] == self._snapshot_id:
                self._take_snapshot(reply)
            elif reply["id"] in self._open:
                _settle(self._open.pop(reply["id"]), reply)

    def _take_snapshot(self, reply: Mapping[str, Any]) -> None:
        try:
            history, preview = _unpack_snapshot(reply)
        except ProtocolError:
            self._snapshot_id, self._snapshot_due_s = None, time.monotonic() + RETRY_S
            return
        self._seq, self._snapshot_id = history.seq, None
        self._inbox.replace_history(history, preview)
        held_back = list(self._held_back)
        self._held_back.clear()
        for message in held_back:
            self._follow(message)

    def _watch_silence(self) -> None:
        if self._epoch and time.monotonic() - self._heard_s > SILENCE_S:
            self._silent = True
            self._inbox.set_link(Link.SILENT)
            self._refuse_open("the engine does not answer")

    def _refuse_open(self, reason: str) -> None:
        for future in self._open.values():
            future.set_exception(ProtocolError(reason))
        self._open.clear()

    def _close(self) -> None:
        self._refuse_open("the client was closed")
        for _, _, future in self._outbox.take():
            future.cancel()
        for socket in (self._results, self._control):
            if socket is not None:
                socket.close(0)
        self._context.term()
        self.wakeup.close()


def _settle(future: Future[dict[str, Any]], reply: Mapping[str, Any]) -> None:
    if reply["ok"]:
        future.set_result(reply["data"])
    else:
        future.set_exception(ProtocolError(reply["error"]))


def _unpack_snapshot(reply: Mapping[str, Any]) -> tuple[RunHistory, Preview | None]:
    if not reply["ok"]:
        raise ProtocolError(reply["error"])
    data = reply["data"]
    preview = data.get("preview")
    history = RunHistory.from_snapshot(data)
    if preview is None:
        return history, None
    if type(preview) is not dict or type(preview.get("image")) is not bytes:
        raise ProtocolError("snapshot: malformed preview")
    return history, wire.decode_preview(preview.get("header", {}), preview["image"])
