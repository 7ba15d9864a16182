"""Questions of clients about defects, answered by the engine between two frames."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from livedetect.errors import LivedetectError, ProtocolError
from livedetect.inspection import Inspectable, Inspection
from livedetect.protocols import Engine

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Query:
    """A client wants to see a defect."""

    defect_id: int
    """Which one."""
    answer: Future[Inspection] = field(default_factory=Future)
    """Settled by `answer_query`, with the pictures or a `LivedetectError`."""


@runtime_checkable
class QuerySource(Protocol):
    """Where questions come from, for example the publisher."""

    def queries(self) -> Sequence[Query]:
        """Those that have come since the last call; must not block."""
        ...


def answer_query(query: Query, engine: Engine) -> None:
    """Let `engine` answer; whatever goes wrong is told to the one who asked."""
    try:
        if not isinstance(engine, Inspectable):
            raise ProtocolError("inspect: this engine cannot show its defects")
        query.answer.set_result(engine.inspect(query.defect_id))
    except LivedetectError as error:
        query.answer.set_exception(error)
    except Exception as error:  # noqa: BLE001 - a picture must not end the run
        _log.exception("defect %d could not be shown", query.defect_id)
        query.answer.set_exception(ProtocolError(f"inspect: {error}"))
