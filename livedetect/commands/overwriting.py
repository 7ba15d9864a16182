"""Files that results go to: only what livedetect wrote itself is written over.

A slip of the pen, the name of the frames behind ``--events`` say, would destroy what cannot be
acquired again.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from livedetect.errors import SettingsError

FIRST_LINE_BYTES_MAX = 2**20
"""More than the settings of a run take, which stand in the first line of its events."""
_LOGGED = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ")


def spare_all_but_events(path: Path) -> None:
    """Raise `SettingsError` if `path` holds anything but events of an earlier run."""
    line = _first_line(path, "--events")
    if line and not _is_event(line):
        raise SettingsError(
            f"--events {path}: this file is there already and holds no events of livedetect; "
            "it is left as it is. Give the name of a new file, for example events.jsonl"
        )


def spare_all_but_logs(path: Path) -> None:
    """Raise `SettingsError` if `path` holds anything but the log of an earlier run."""
    line = _first_line(path, "--log")
    if line and not _LOGGED.match(line):
        raise SettingsError(
            f"--log {path}: this file is there already and is no log of livedetect; "
            "it is left as it is. Give the name of a new file, for example livedetect.log"
        )


def _first_line(path: Path, option: str) -> bytes:
    """The beginning of a file; empty where there is none, or a pipe or device, which keep nothing.

    Raises `SettingsError` where it cannot be looked at: then nobody knows what would be lost.
    """
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.readline(FIRST_LINE_BYTES_MAX)
    except OSError as error:
        raise SettingsError(
            f"{option} {path}: a file is there already and cannot be read ({error.strerror}); "
            "give the name of a new file"
        ) from error


def _is_event(line: bytes) -> bool:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and "event" in values
