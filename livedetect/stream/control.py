"""The ROUTER side of LDR/1: checking requests, answering them, keeping commands for the session.

Nothing a client sends can stop it: what is not a request is dropped and counted.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from livedetect.errors import ProtocolError
from livedetect.stream import wire_results as wire
from livedetect.types import Command

MAX_WAITING_COMMANDS = 64
MAX_PARTS = 3


class CommandDesk:
    """Answers requests in the publisher's thread; `poll` is called by the session's."""

    def __init__(self, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        self._snapshot = snapshot
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

    def answer(self, parts: Sequence[bytes]) -> list[bytes] | None:
        """The reply to a message of the ROUTER socket, or None for one to be dropped.

        `parts` are the client's identity, an empty delimiter if it is a REQ socket, and the
        request.
        """
        if not 2 <= len(parts) <= MAX_PARTS:
            self.refused += 1
            return None
        reply = self._reply(parts[-1])
        return None if reply is None else [*parts[:-1], reply]

    def _reply(self, data: bytes) -> bytes | None:
        try:
            request = wire.decode_request(data)
            return wire.encode_reply(request.id, self._carry_out(request))
        except ProtocolError as error:
            self.refused += 1
            request_id = wire.request_id(data)
            return None if request_id is None else wire.encode_refusal(request_id, str(error))

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
