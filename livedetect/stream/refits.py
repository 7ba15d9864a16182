"""Model refits beside the loop: one at a time, in a thread of its own.

When a refit takes effect is decided by the index of a frame and never by how long it
took: the loop waits if the thread is late. So a replay gives the events of the live run.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from livedetect.protocols import Engine, RefitRequest, Refitting
from livedetect.types import Frame, SourceItem

THREAD_NAME = "livedetect-refit"
_POLL_S = 0.1

_log = logging.getLogger(__name__)


class Refits:
    """Carries out what an engine asks to be learnt; called from the session's loop only."""

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        """`stop` ends the waiting; an engine that asks for nothing costs nothing."""
        self._engine = engine if isinstance(engine, Refitting) else None
        self._stop = stop
        self._thread: ThreadPoolExecutor | None = None
        self._request: RefitRequest | None = None
        self._learning: Future[Any] | None = None

    def follow(self) -> None:
        """After a step or a command: begin what the engine asks for, leave what it does not."""
        wanted = self._engine.refit_request() if self._engine else None
        if wanted is not None and self._request and wanted.number == self._request.number:
            return
        if self._learning is not None:
            self._learning.cancel()  # one that has begun ends unheard
        self._request, self._learning = wanted, None
        if wanted is not None:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix=THREAD_NAME)
            self._learning = self._thread.submit(wanted.learn)

    def before(self, item: SourceItem) -> bool:
        """Hand over what is due with `item`, waiting for it; False if told to stop meanwhile."""
        request, learning = self._request, self._learning
        if self._engine is None or request is None or learning is None:
            return True
        if not isinstance(item, Frame) or item.index < request.install_at:
            return True
        while not wait([learning], _POLL_S).done:
            if self._stop.is_set():
                return False
        error = learning.exception()
        if error is not None:
            _log.error("the model could not be learnt anew", exc_info=error)
        self._engine.install(request.number, error or learning.result())
        self._learning = None
        return True

    def close(self) -> None:
        """Wait for the thread: what it has begun it ends, nothing else is begun."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
