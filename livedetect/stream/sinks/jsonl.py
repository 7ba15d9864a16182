"""JSON Lines: one event a line, complete on disk as soon as it has happened."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import TextIO

from livedetect.errors import SettingsError
from livedetect.types import Event, FrameResult


class JsonLinesSink:
    """Writes every event to a file, or to standard output for the name ``-``.

    Raises `SettingsError` if the file cannot be opened. When the program that reads
    standard output goes away, writing ends quietly and the session goes on.
    """

    known_as = "the events file"

    def __init__(self, target: str) -> None:
        self._to_stdout = target == "-"
        self._lines: TextIO | None = sys.stdout if self._to_stdout else _opened(Path(target))

    def on_result(self, result: FrameResult) -> None:
        """Write the events of `result`."""
        for event in result.events:
            self.on_event(event)

    def on_event(self, event: Event) -> None:
        """Write one line and flush it."""
        if self._lines is None:
            return
        line = json.dumps(event.as_dict(), allow_nan=False, separators=(", ", ": "))
        try:
            self._lines.write(line + "\n")
            self._lines.flush()
        except OSError as error:
            # Windows reports a closed pipe as an invalid argument
            if not self._to_stdout or error.errno not in (errno.EPIPE, errno.EINVAL):
                raise
            self._reader_left()

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._lines is not None and not self._to_stdout:
            self._lines.close()
        self._lines = None

    def _reader_left(self) -> None:
        self._lines = None
        # Python flushes standard output once more at its end and would complain
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _opened(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise SettingsError(f"--events {path} cannot be written: {error.strerror}") from error
