"""Ending programs that were started from here."""

from __future__ import annotations

import subprocess
from typing import Any

PATIENCE_S = 3.0
"""Time to end by itself, once asked to."""


def end_program(program: subprocess.Popen[Any]) -> None:
    """Ask it to end, then make it; returns when it has ended, however it was before.

    On Windows asking is making: what has something to save is told to stop over its socket first.
    """
    if program.poll() is not None:
        return
    program.terminate()
    try:
        program.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
