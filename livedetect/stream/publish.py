"""Publishing results (LDR/1) for viewers and other programs, without slowing the session.

The session's thread only fills bounded mailboxes; the sockets belong to one thread here,
which shrinks frames, packs messages and answers requests.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import zmq

from livedetect.errors import ProtocolError
from livedetect.stream import wire_requests
from livedetect.stream.control import CommandDesk
from livedetect.stream.endpoints import DEFAULT_ENDPOINT, bind_pair
from livedetect.stream.mailbox import Batch, FrameOrigins, FrameShelf, ResultMailbox
from livedetect.stream.publication import Publication
from livedetect.stream.queries import Query
from livedetect.stream.status import SessionStatus
from livedetect.stream.wakeup import WakeUp
from livedetect.stream.wire import encode_map
from livedetect.types import Command, Event, Frame, FrameResult, SourceItem

__all__ = ["DEFAULT_ENDPOINT", "ResultsPublisher"]

STATUS_PERIOD_S = 1.0
PREVIEW_PERIOD_S = 1 / 20
"""Faster than an eye follows; each costs the shrinking of a frame."""
PREVIEW_PATIENCE_S = 0.3
"""Where frames take longer to be analysed they are shown before, without their markers."""
REQUESTS_PER_ROUND = 16
"""Then results have their turn."""

_log = logging.getLogger(__name__)


class ResultsPublisher:
    """A `FrameTap`, `ResultSink`, `StatusSink` and `CommandSource` of the session.

    Binds at construction: raises `EndpointError` if a port is taken and `SettingsError` for
    an address that is malformed or open to the network. Results that the publisher cannot
    follow are dropped, which the log tells; their events are not lost.
    """

    known_as = "publishing for viewers"

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._pair = bind_pair(self._context, endpoint, wire_requests.MAX_REQUEST_BYTES)
        except Exception:
            self._context.term()
            raise
        self._wakeup = WakeUp()
        self._results = ResultMailbox()
        self._frames = FrameShelf()
        self._origins = FrameOrigins()
        self._publication = Publication(self._pair.control_endpoint.port)
        self._desk = CommandDesk(self._publication.snapshot, self._wakeup.raise_)
        self._watched = threading.Event()
        self._closing = threading.Event()
        self._closed = False
        self._listeners = 0
        self._status_due_s = self._preview_due_s = 0.0
        self._thread = threading.Thread(target=self._run, name="livedetect-publisher", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Where results are published, with the real port."""
        return str(self._pair.endpoint)

    @property
    def viewer_endpoint(self) -> str:
        """What a viewer on this computer is to be told, with its key where it needs one."""
        return self._pair.endpoint.for_a_viewer_here()

    @property
    def control_endpoint(self) -> str:
        """Where requests are taken, with the real port."""
        return str(self._pair.control_endpoint)

    def on_frame(self, item: SourceItem) -> None:
        """Remember a frame for the preview."""
        if isinstance(item, Frame):
            self._frames.put(item)
            self._origins.put(item)
            self._wakeup.raise_()

    def on_result(self, result: FrameResult) -> None:
        """Publish a result."""
        self._results.put(result)
        self._wakeup.raise_()

    def on_event(self, event: Event) -> None:
        """Publish an event of the session."""
        self._results.put(event)
        self._wakeup.raise_()

    def on_status(self, status: SessionStatus) -> None:
        """Publish `status` with all that follows, and once a second."""
        self._results.put_status(status)

    def poll(self) -> Sequence[Command]:
        """The commands that clients have sent since the last call."""
        return self._desk.poll()

    def queries(self) -> Sequence[Query]:
        """The next question of a client about a defect."""
        return self._desk.queries()

    def tell_recording(self, recording: Callable[[], Mapping[str, Any]]) -> None:
        """Publish with every status what `recording` says of the disk; asked once a second."""
        self._publication.recording = recording

    def wait_for_listener(self, timeout_s: float) -> bool:
        """Wait until somebody subscribes, at most `timeout_s`; False if nobody did."""
        return self._watched.wait(timeout_s)

    def close(self) -> None:
        """Publish what is left and release the ports; may be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._closing.set()
        self._wakeup.raise_()
        self._thread.join()
        if self._results.dropped:
            _log.warning("%d results came too fast to be published", self._results.dropped)
        self._wakeup.close()
        self._context.term()

    # -- from here on: the publisher's thread ---------------------------------------------

    def _run(self) -> None:
        poller = zmq.Poller()
        doorman = self._pair.doorman
        for readable in (self._wakeup, self._pair.control, self._pair.results):
            poller.register(readable, zmq.POLLIN)
        if doorman is not None:
            poller.register(doorman.socket, zmq.POLLIN)
        while not self._closing.is_set():
            poller.poll(self._timeout_ms())
            self._wakeup.clear()
            if doorman is not None:
                doorman.answer()
            self._round()
        self._publish(self._results.take())
        self._publish_preview()
        self._send_status(())
        self._send_answers()
        self._pair.close()

    def _timeout_ms(self) -> int:
        now_s, due_s = time.monotonic(), self._status_due_s
        if not self._frames.empty:
            waiting_s = self._preview_due_s if self._preview_due_s > now_s else now_s + 0.05
            due_s = min(due_s, waiting_s)
        return max(0, int(1e3 * (due_s - now_s)) + 1)

    def _round(self) -> None:
        self._count_listeners()
        self._publish(self._results.take())
        self._answer_requests()
        self._send_answers()
        if time.monotonic() >= self._preview_due_s:
            self._publish_preview()
        if time.monotonic() >= self._status_due_s:
            self._send_status(())

    def _count_listeners(self) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                message = self._pair.results.recv(zmq.NOBLOCK)
                self._listeners += {b"\1": 1, b"\0": -1}.get(message[:1], 0)
                if self._listeners > 0:
                    self._watched.set()

    def _publish(self, batch: Batch) -> None:
        self._publication.status = self._results.status
        spilled: Sequence[Event] = batch.spilled
        for item in batch.items:
            if isinstance(item, FrameResult):
                self._send_result(item, spilled)
            else:
                self._send_status((*spilled, item))
            spilled = ()
            # whoever looks must not wait until a long row of results has been told
            if time.monotonic() >= self._preview_due_s:
                self._publish_preview()

    def _send_result(self, result: FrameResult, earlier: Sequence[Event]) -> None:
        origin = self._origins.take(result.frame)
        self._send(lambda: [self._publication.result(result, earlier, origin)])

    def _send_status(self, events: Sequence[Event]) -> None:
        self._status_due_s = time.monotonic() + STATUS_PERIOD_S
        self._publication.status = self._results.status
        self._send(lambda: [self._publication.session(events)])
        self._desk.open = not self._publication.ended

    def _publish_preview(self) -> None:
        frame = self._frames.take(self._publication.latest_frame, PREVIEW_PATIENCE_S)
        if frame is None:
            return
        self._preview_due_s = time.monotonic() + PREVIEW_PERIOD_S
        self._publication.show(frame)
        if self._listeners > 0:
            self._send(self._preview_parts)

    def _preview_parts(self) -> list[bytes]:
        preview = self._publication.preview()
        return [encode_map(preview[0]), preview[1].tobytes()] if preview else []

    def _send(self, make: Callable[[], list[bytes]]) -> None:
        try:
            parts = make()
            if parts and self._listeners > 0:
                self._pair.results.send_multipart(parts, zmq.NOBLOCK)
        except (ProtocolError, zmq.ZMQError):
            _log.exception("a message could not be published")

    def _answer_requests(self) -> None:
        for _ in range(REQUESTS_PER_ROUND):
            try:
                reply = self._desk.answer(self._pair.control.recv_multipart(zmq.NOBLOCK))
                if reply is not None:
                    self._pair.control.send_multipart(reply, zmq.NOBLOCK)
            except zmq.Again:
                return
            except zmq.ZMQError:
                _log.exception("a reply could not be sent")

    def _send_answers(self) -> None:
        for reply in self._desk.finished():
            try:
                self._pair.control.send_multipart(reply, zmq.NOBLOCK)
            except zmq.ZMQError:
                _log.exception("an answer could not be sent")
