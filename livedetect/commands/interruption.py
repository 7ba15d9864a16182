"""Ctrl-C and its kin: the first asks the session to close properly, the second insists."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# SIGBREAK is Ctrl-Break, Windows only
_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")


@contextmanager
def interruptible(stop: threading.Event) -> Iterator[None]:
    """Within the block, an interruption sets `stop`; a second one raises `KeyboardInterrupt`."""

    def on_signal(*_: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    present = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, on_signal) for number in present}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
