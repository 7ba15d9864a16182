"""Putting a session in order that was cut off: by a kill, a crash, a full disk."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from livedetect.errors import SourceError
from livedetect.stream.frame_store import trim_array
from livedetect.stream.journal import SCHEMA
from livedetect.stream.ledger import balance
from livedetect.stream.recording import Recording, Row
from livedetect.stream.session_files import (
    END_FILE,
    JOURNAL_FILE,
    SCHEMA_VERSION,
    array_name,
    to_json,
    write_json,
)

_LOST = "its pixels were lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was found in a session."""

    was_closed: bool
    """It had been closed properly."""
    frames: int
    """Frames with their pixels."""
    lost: int
    """Frames that a row speaks of, but whose pixels are missing or damaged."""
    pending: int
    """Frames that were recorded, but not analysed any more."""


def recover(directory: Path) -> Recovered:
    """Find the last consistent state of a session and close it there.

    Frames whose pixels cannot be read are marked, arrays are cut to what rows speak of, and
    ``END.json`` is written with the status ``recovered``. A session that was closed properly
    keeps its ``END.json``.

    Raises
    ------
    SourceError
        It is no session, ``events.sqlite`` is damaged, or the session is still open.
    """
    recording = Recording(directory)
    was_closed = recording.end is not None
    if not (directory / JOURNAL_FILE).exists() and (directory / array_name(1)).exists():
        raise SourceError(
            f"{directory / JOURNAL_FILE} is gone: nobody knows what the frames of this session "
            "are. They can still be opened as zarr arrays."
        )
    with _alone(directory / JOURNAL_FILE) as database:
        lost = [row for row in recording.rows() if row.array and not _is_whole(recording, row)]
        for row in lost:
            _mark_lost(database, row)
        _mark_lost_others(recording, database)
    counts = recording.dispositions()
    frames = sum(row.array is not None for row in recording.rows())
    try:
        for array, length in recording.arrays().items():
            trim_array(directory, array, length)
        if not was_closed:
            write_json(directory / END_FILE, _end(counts, frames, len(lost)))
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{directory} cannot be written to: {error}") from error
    return Recovered(
        was_closed=was_closed, frames=frames, lost=len(lost), pending=counts.get("pending", 0)
    )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[sqlite3.Connection]:
    """The journal, while nobody else has it open; raises `SourceError`."""
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            _require_whole(database, path)
            # leaving the WAL needs the file for oneself, which a recording run does not allow
            database.execute("PRAGMA journal_mode=DELETE")
            try:
                yield database
            finally:
                database.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise SourceError(f"{path} cannot be put in order: {error}") from error
        raise SourceError(
            f"{path} is in use: the session is still being recorded or read; end that first"
        ) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path} is damaged: {error}. The frames can still be opened as zarr arrays."
        ) from error


def _require_whole(database: sqlite3.Connection, path: Path) -> None:
    if not database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
        # killed in its very first moment
        database.executescript(SCHEMA)
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise SourceError(
            f"{path} is damaged: {found}. The frames can still be opened as zarr arrays."
        )


def _is_whole(recording: Recording, row: Row) -> bool:
    try:
        recording.pixels(row)
    except SourceError:
        return False
    return True


def _mark_lost(database: sqlite3.Connection, row: Row) -> None:
    details = to_json({**row.details, "lost": _LOST})
    database.execute(
        "UPDATE frames SET array = NULL, slot = NULL, details = ? WHERE position = ?",
        (details, row.position),
    )
    database.execute(
        "INSERT INTO faults (position, what) VALUES (?, ?)",
        (row.position, f"{row.array}, frame {row.slot}: {_LOST}"),
    )


def _mark_lost_others(recording: Recording, database: sqlite3.Connection) -> None:
    for channel in recording.other_channels():
        rows = [row for row in recording.other_rows(channel) if row.array]
        for row in [row for row in rows if not _is_whole(recording, row)]:
            sql = "UPDATE other_frames SET array = NULL, slot = NULL WHERE number = ?"
            database.execute(sql, (row.position,))


def _end(counts: dict[str, int], frames: int, lost: int) -> dict[str, object]:
    missing = max(0, counts.get("missing", 0) - counts.get("late", 0))
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "recovered",
        "reason": "the session was cut off",
        "message": "",
        "ended_utc": datetime.now(UTC).isoformat(),
        "frames_recorded": frames,
        "frames_not_recorded": lost,
        "rows_not_recorded": 0,
        "ledger": balance(counts, missing),
    }
