"""Ctrl-C and its kin: the first asks the session to close properly, the second insists."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# SIGBREAK is Ctrl-Break, Windows only
_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")
_ENDING = "Ending after this frame ... (Ctrl-C again: at once, what is not yet written is lost)"
_ENDED = "livedetect: ended at once; the last events and the report may be missing"


@contextmanager
def interruptible(stop: threading.Event) -> Iterator[None]:
    """Within the block, an interruption sets `stop`; a second one raises `KeyboardInterrupt`.

    Both are acknowledged on standard error, since learning the crystal can take seconds.
    """

    def on_signal(*_: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        _acknowledge(_ENDING)

    present = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, on_signal) for number in present}
    try:
        yield
    except KeyboardInterrupt:
        _acknowledge(_ENDED)
        raise
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _acknowledge(line: str) -> None:
    """Write past the buffer of standard error, which a signal may have caught in a write."""
    with suppress(OSError, ValueError, AttributeError):
        os.write(sys.stderr.fileno(), f"{line}\n".encode())
