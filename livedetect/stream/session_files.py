"""The small files of a session directory: their names, and writing them whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livedetect.errors import SourceError
from livedetect.stream.open_files import despite_readers
from livedetect.stream.permissions import forbidden

SCHEMA_VERSION = 1
SESSION_FILE = "session.json"
END_FILE = "END.json"
JOURNAL_FILE = "events.sqlite"
A_SESSION = "a session is the folder that a run leaves with --record DIR"


def array_name(number: int) -> str:
    """Name of the `number`-th array of frames, from 1."""
    return f"frames-{number:04d}.zarr"


def to_json(value: Any) -> str:
    """Compact JSON; numpy scalars and arrays become plain numbers and lists."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write `path` atomically: readers see all of it or the file before it."""
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8", newline="\n") as target:
        json.dump(values, target, indent=1, default=_plain)
        target.write("\n")
        target.flush()
        os.fsync(target.fileno())
    despite_readers(lambda: draft.replace(path))
    sync_directory(path.parent)


def sync(path: Path) -> None:
    """Bring a file's contents to the disk itself, so that they outlive a power cut."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Bring the names in a directory to the disk; Windows does so by itself."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in `path`; raises `SourceError` saying what is wrong with the file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except PermissionError as error:
        raise forbidden(path) from error
    except (FileNotFoundError, NotADirectoryError):
        what = f"{path} does not exist: {path.parent} is"
        if path.parent.is_file():
            what = f"{path.parent} is a file and"
        raise SourceError(f"{what} no session; {A_SESSION}") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} is damaged or cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise SourceError(f"{path} is damaged: it holds no table of values")
    return values


def _plain(value: Any) -> Any:
    """What `json` cannot write by itself: numpy's values as Python's, the rest as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
