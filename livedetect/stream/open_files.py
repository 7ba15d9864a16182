"""Changing files that somebody else may have open, which Windows forbids and POSIX does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 2.0
"""For a reader, or a virus scanner that looks at every new file, to be done."""
_PAUSE_S = 0.02
_HELD_BY_OTHERS = (5, 32, 33)  # ERROR_ACCESS_DENIED, _SHARING_VIOLATION, _LOCK_VIOLATION

Result = TypeVar("Result")


def despite_readers(change: Callable[[], Result]) -> Result:
    """Do `change` (replace, rename, write); again, for 2 s, where Windows says that others read.

    Raises
    ------
    OSError
        It is something else, or they read for longer.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return change()
        except PermissionError as error:
            # the attribute exists on Windows only; elsewhere the first word is the last
            held = getattr(error, "winerror", None) in _HELD_BY_OTHERS
            if not held or time.monotonic() >= deadline_s:
                raise
        threading.Event().wait(_PAUSE_S)
