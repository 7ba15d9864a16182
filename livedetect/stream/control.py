"""The ROUTER side of LDR/1: checking requests, answering them, keeping commands for the session.

Nothing a client sends can stop it: what is not a request is dropped and counted.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from livedetect.errors import ProtocolError
from livedetect.inspection import Inspection
from livedetect.stream import wire_requests as wire
from livedetect.stream.queries import Query
from livedetect.stream.wire import check_keys
from livedetect.stream.wire_pictures import inspection_map
from livedetect.types import Command

MAX_WAITING_COMMANDS = 64
MAX_WAITING_QUERIES = 8
MAX_PARTS = 3


class CommandDesk:
    """Answers requests in the publisher's thread; `poll` and `queries` are for the session's.

    `wake` is called, in any thread, when `finished` has something to say.
    """

    def __init__(
        self, snapshot: Callable[[], Mapping[str, Any]], wake: Callable[[], None] = lambda: None
    ) -> None:
        self._snapshot = snapshot
        self._wake = wake
        self._queries: queue.Queue[Query] = queue.Queue(MAX_WAITING_QUERIES)
        self._open: list[tuple[Sequence[bytes], int | str, Future[Inspection]]] = []
        self._commands: queue.Queue[Command] = queue.Queue(MAX_WAITING_COMMANDS)
        self.open = True
        """False once the run has ended: commands are refused, snapshots are not."""
        self.refused = 0
        """Messages that were no valid request."""

    def poll(self) -> list[Command]:
        """The commands that have come since the last call."""
        commands = []
        with contextlib.suppress(queue.Empty):
            while True:
                commands.append(self._commands.get_nowait())
        return commands

    def queries(self) -> list[Query]:
        """The next question, if there is one; each takes a few milliseconds of the session."""
        try:
            return [self._queries.get_nowait()]
        except queue.Empty:
            return []

    def finished(self) -> list[list[bytes]]:
        """Replies to the questions that have been answered since the last call."""
        settled = [entry for entry in self._open if entry[2].done() or not self.open]
        self._open = [entry for entry in self._open if entry not in settled]
        return [[*route, _told(request_id, future)] for route, request_id, future in settled]

    def answer(self, parts: Sequence[bytes]) -> list[bytes] | None:
        """The reply to a message of the ROUTER socket, or None for one to be dropped.

        `parts` are the client's identity, an empty delimiter if it is a REQ socket, and the
        request.
        """
        if not 2 <= len(parts) <= MAX_PARTS:
            self.refused += 1
            return None
        reply = self._reply(parts[-1], parts[:-1])
        return None if reply is None else [*parts[:-1], reply]

    def _reply(self, data: bytes, route: Sequence[bytes]) -> bytes | None:
        try:
            request = wire.decode_request(data)
            if request.cmd == "inspect":
                self._ask(request, route)
                return None
            return wire.encode_reply(request.id, self._carry_out(request))
        except ProtocolError as error:
            self.refused += 1
            request_id = wire.request_id(data)
            return None if request_id is None else wire.encode_refusal(request_id, str(error))

    def _ask(self, request: wire.Request, route: Sequence[bytes]) -> None:
        """Leave a question for the session; `finished` will have the reply."""
        if set(request.args) != {"defect_id"}:
            raise ProtocolError("inspect: exactly one argument, defect_id")
        check_keys(request.args, {"defect_id": (int,)})
        if not self.open:
            raise ProtocolError("inspect: the run has ended")
        query = Query(request.args["defect_id"])
        query.answer.add_done_callback(lambda _: self._wake())
        try:
            self._queries.put_nowait(query)
        except queue.Full:
            raise ProtocolError("inspect: too many questions wait, try again") from None
        self._open.append((route, request.id, query.answer))

    def _carry_out(self, request: wire.Request) -> Mapping[str, Any]:
        if request.cmd == "snapshot":
            return self._snapshot()
        command = wire.command(request)
        if not self.open:
            raise ProtocolError(f"{request.cmd}: the run has ended")
        try:
            self._commands.put_nowait(command)
        except queue.Full:
            raise ProtocolError(f"{request.cmd}: too many commands wait, try again") from None
        return {"accepted": request.cmd}


def _told(request_id: int | str, future: Future[Inspection]) -> bytes:
    if not future.done():
        return wire.encode_refusal(request_id, "inspect: the run has ended")
    error = future.exception()
    if error is not None:
        return wire.encode_refusal(request_id, str(error))
    return wire.encode_reply(request_id, inspection_map(future.result()))
