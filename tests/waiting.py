"""Waiting for what other threads and processes do, with a deadline instead of a guess."""

import threading
import time


def until(condition, timeout_s=10.0):
    """Wait for a true value and return it."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        threading.Event().wait(0.01)
    raise AssertionError(f"not within {timeout_s} s")
