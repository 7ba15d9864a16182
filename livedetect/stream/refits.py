"""Model refits beside the loop: one at a time, in a thread of its own.

When a refit takes effect is decided by the index of a frame and never by how long it
took: that frame waits if the thread is late, while commands are obeyed and frames taken in.
So a replay gives the events of the live run.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from livedetect.protocols import Engine, RefitRequest, Refitting
from livedetect.types import Frame, SourceItem

THREAD_NAME = "livedetect-refit"
_POLL_S = 0.1
_PATIENCE_S = 5.0
"""What has begun may end in so long; the recording is complete by then."""

_log = logging.getLogger(__name__)


class Refits:
    """Carries out what an engine asks to be learnt; called from the session's loop only."""

    def __init__(self, engine: Engine) -> None:
        """An engine that asks for nothing costs nothing."""
        self._engine = engine if isinstance(engine, Refitting) else None
        self._request: RefitRequest | None = None
        self._learning: _Learning | None = None
        self._latest: _Learning | None = None

    def follow(self) -> None:
        """After a step or a command: begin what the engine asks for, leave what it does not."""
        wanted = self._engine.refit_request() if self._engine else None
        if wanted is not None and self._request and wanted.number == self._request.number:
            return
        if self._learning is not None:
            self._learning.unwanted.set()  # one that has begun ends unheard
        self._request, self._learning = wanted, None
        if wanted is not None:
            self._learning = self._latest = _Learning(wanted.learn, after=self._latest)
            self._learning.start()

    def before(self, item: SourceItem) -> bool:
        """Hand over what is due with `item`; False if, after 0.1 s, it has yet to be learnt."""
        request, learning = self._request, self._learning
        if self._engine is None or request is None or learning is None:
            return True
        if not isinstance(item, Frame) or item.index < request.install_at:
            return True
        learning.join(_POLL_S)
        if learning.is_alive():
            return False
        if learning.error is not None:
            _log.error("the model could not be learnt anew", exc_info=learning.error)
        self._engine.install(request.number, learning.error or learning.learnt)
        self._learning = None
        return True

    def close(self) -> None:
        """Begin nothing any more, and wait a little for what has begun."""
        if self._latest is not None:
            self._latest.unwanted.set()
            self._latest.join(_PATIENCE_S)


class _Learning(threading.Thread):
    """One refit; a daemon, so that a program that ends does not wait for it."""

    def __init__(self, learn: Callable[[], Any], after: _Learning | None) -> None:
        super().__init__(name=THREAD_NAME, daemon=True)
        self._learn = learn
        self._after = after
        self.unwanted = threading.Event()
        """It need not begin any more."""
        self.learnt: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        if self._after is not None:
            self._after.join()  # one at a time
            self._after = None
        if self.unwanted.is_set():
            return
        try:
            self.learnt = self._learn()
        except Exception as error:  # noqa: BLE001 - the engine is told
            self.error = error
