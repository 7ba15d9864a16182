"""Following a running engine from another program (LDR/1), without any GUI toolkit.

A thread of its own keeps up with the engine; whoever displays takes what is newest when it
has time (`ResultsClient.take`).
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from livedetect.errors import ProtocolError
from livedetect.stream.endpoints import DEFAULT_ENDPOINT, parse_endpoint
from livedetect.stream.follower import Follower, Outbox
from livedetect.stream.inbox import Inbox, Link, Update
from livedetect.stream.wire_results import Preview

__all__ = ["DEFAULT_ENDPOINT", "Link", "Preview", "ResultsClient", "Update"]


class ResultsClient:
    """Attaches to the engine at `endpoint`, and again whenever it comes back.

    Thread-safe. Raises `SettingsError` for a malformed endpoint; an engine that is not there
    is no error.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT) -> None:
        address = parse_endpoint(endpoint)
        self.endpoint = str(address)
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._follower = Follower(address, self._inbox, self._outbox)
        self._thread = threading.Thread(
            target=self._follower.run, name="livedetect-results-client", daemon=True
        )
        self._thread.start()

    def take(self) -> Update:
        """The newest of everything since the last call; never waits."""
        return self._inbox.take()

    def history(self) -> dict[str, Any]:
        """A copy of all that is known of the run, see `RunHistory.snapshot`."""
        return self._inbox.history()

    def state(self) -> dict[str, Any]:
        """The short form of `history`: latest message, counts, run, model, end, baseline frame."""
        return self._inbox.state()

    def series(self) -> dict[str, list[Any]]:
        """Copies of the counts against frame and dose."""
        return self._inbox.series()

    def submit(self, cmd: str, **args: Any) -> Future[dict[str, Any]]:
        """Send a request; the future yields the reply's data or raises `ProtocolError`.

        Nothing is kept for later: without an engine it raises at once.
        """
        if not self._inbox.attached.is_set():
            raise ProtocolError(f"{cmd}: no engine answers at {self.endpoint}")
        future = self._outbox.put(cmd, args)
        self._follower.wakeup.raise_()
        return future

    def request(self, cmd: str, *, timeout_s: float = 3.0, **args: Any) -> dict[str, Any]:
        """Wait for the engine if need be, send a request and wait for its data.

        Raises `ProtocolError` if the engine is not there or refuses, `TimeoutError` if it
        does not answer.
        """
        self.wait_until_attached(timeout_s)
        return self.submit(cmd, **args).result(timeout_s)

    def wait_until_attached(self, timeout_s: float) -> bool:
        """Wait until an engine is heard and its snapshot is here; False after `timeout_s`."""
        return self._inbox.attached.wait(timeout_s)

    def close(self) -> None:
        """Detach; the engine does not notice. May be called more than once."""
        if not self._follower.closing.is_set():
            self._follower.closing.set()
            self._follower.wakeup.raise_()
            self._thread.join()
