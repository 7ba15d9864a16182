"""An engine in its own process, started from the viewer."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections import deque
from typing import IO

from livedetect.stream.programs import end_program

_KEPT_LINES = 20


class EngineProcess:
    """``livedetect run SOURCE`` publishing at `endpoint`; raises `OSError` if it cannot start."""

    def __init__(self, source: str, endpoint: str) -> None:
        command = [sys.executable, "-m", "livedetect", "run", "--no-view"]
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [*command, "--publish", endpoint, "--", source],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stderr,), name="livedetect-engine-stderr"
        )
        self._reader.daemon = True
        self._reader.start()

    def _read(self, stream: IO[str] | None) -> None:
        # an undrained pipe would stop the engine once it is full
        for line in stream or ():
            if line.strip():
                self._said.append(line.strip())

    @property
    def running(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    @property
    def failure(self) -> str | None:
        """Its last word, if it ended with an error."""
        if self._process.poll() in (None, 0):
            return None
        self._reader.join(1.0)
        return self._said[-1] if self._said else f"exit code {self._process.returncode}"

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended, at most `timeout_s`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    def end(self) -> None:
        """Ask it to end, then make it; returns when it has ended."""
        end_program(self._process)
        self._reader.join(1.0)
        if self._process.stderr is not None:
            self._process.stderr.close()
