"""`Recording`: reads a session directory; rows are trusted, nothing else is."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from numpy.typing import NDArray

from livedetect.errors import SettingsError, SourceError
from livedetect.settings import Settings
from livedetect.stream.frame_store import StoredFrames
from livedetect.stream.session_files import (
    END_FILE,
    JOURNAL_FILE,
    SCHEMA_VERSION,
    SESSION_FILE,
    read_json,
)
from livedetect.types import Calibration, Command, Frame

_ROWS = (
    'SELECT position, kind, "index", disposition, missing_frames, time_s, array, slot, '
    "calibration, details, segment, {epoch} FROM frames WHERE position >= {first:d} "
    "ORDER BY position"
)
_OTHER_ROWS = (
    "SELECT stream, number, 'frame', \"index\", 'none', 0, time_s, array, slot, calibration, "
    "details, NULL, epoch FROM other_frames ORDER BY number"
)
_ARRAYS = (
    "SELECT array, MAX(slot) + 1 FROM {table} WHERE array IS NOT NULL GROUP BY array ORDER BY array"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table ``frames``."""

    position: int
    """Order of arrival, from 0."""
    kind: str
    """frame, rejection, gap or notice."""
    index: int
    """The source's number; of the first missing frame for a gap."""
    disposition: str
    """As in the ledger; missing for a gap, none for a notice."""
    missing_frames: int
    """Of a gap."""
    time_s: float
    """Since the source's first frame, s."""
    array: str | None
    """Name of the array that holds the pixels; None where there are none."""
    slot: int
    """Place in the array."""
    calibration: Calibration
    """Of a frame, as received."""
    details: Mapping[str, Any]
    """What else was said of it, and what came of it (see `HeldDefects.change`)."""
    epoch: str = ""
    """Start of the producer, hexadecimal; empty where there is none."""
    segment_id: int | None = None
    """Stretch of constant scan settings; None before it is analysed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedCommand:
    """A command and when it was carried out."""

    after_items: int
    """Number of items analysed before it."""
    command: Command
    """What was ordered."""


class Recording:
    """One session directory.

    Raises `SourceError` where something is missing or damaged, naming the file and, if it
    can help, ``livedetect recover``. Rows can be read while the session is being recorded.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        """Where it is."""
        self.session = read_json(self.directory / SESSION_FILE)
        """What ``session.json`` says: source, settings, versions."""
        version = self.session.get("schema_version")
        if version != SCHEMA_VERSION:
            raise SourceError(
                f"{self.directory / SESSION_FILE}: sessions of version {version!r} are not "
                f"understood, only those of version {SCHEMA_VERSION}"
            )
        self.frames = StoredFrames(self.directory)
        """The pixels."""

    @property
    def end(self) -> dict[str, Any] | None:
        """What ``END.json`` says; None for a session that goes on, or was cut off."""
        path = self.directory / END_FILE
        return read_json(path) if path.exists() else None

    @property
    def settings(self) -> Settings:
        """The settings of the session; raises `SourceError` if they are not understood."""
        try:
            return Settings().with_values(self.session["settings"])
        except (KeyError, AttributeError, SettingsError) as error:
            raise SourceError(
                f"{self.directory / SESSION_FILE}: its settings are not understood: {error}"
            ) from error

    def rows(self, first: int = 0) -> Iterator[Row]:
        """Rows in the order of arrival, from position `first` on."""
        # sessions recorded by earlier versions lack the column
        epoch = "epoch" if "epoch" in self._columns("frames") else "''"
        for values in self._select(_ROWS.format(first=first, epoch=epoch)):
            yield _row(values, self.directory)

    def other_channels(self) -> dict[str, int]:
        """Number of frames by channel, of those that were recorded beside the analysed one."""
        if not self._columns("other_frames"):
            return {}
        sql = "SELECT stream, COUNT(*) FROM other_frames GROUP BY stream ORDER BY stream"
        return {str(name): int(number) for name, number in self._select(sql)}

    def channel(self) -> str:
        """Name of the analysed channel; empty where it has none."""
        sql = "SELECT details FROM frames WHERE kind = 'frame' ORDER BY position LIMIT 1"
        details = [_loaded(text, self.directory) for (text,) in self._select(sql)]
        return str(details[0].get("stream", "")) if details else ""

    def other_rows(self, channel: str) -> Iterator[Row]:
        """Rows of a channel that was not analysed, in the order of arrival."""
        for stream, *values in self._select(_OTHER_ROWS):
            if stream == channel:
                yield _row(tuple(values), self.directory)

    def _columns(self, table: str) -> list[str]:
        """Names of the columns of a table; empty where it is not there."""
        return [name for _, name, *_ in self._select(f"PRAGMA table_info({table})")]

    def count(self) -> int:
        """Frames that came, those turned away included."""
        sql = "SELECT COUNT(*) FROM frames WHERE kind IN ('frame', 'rejection')"
        return int(next(self._select(sql))[0])

    def dispositions(self) -> dict[str, int]:
        """Number of frames by what became of them; ``missing`` are those that never came."""
        sql = (
            "SELECT disposition, SUM(MAX(missing_frames, 1)) FROM frames "
            "WHERE kind != 'notice' GROUP BY disposition ORDER BY 2 DESC"
        )
        return {str(name): int(number) for name, number in self._select(sql)}

    def arrays(self) -> dict[str, int]:
        """Number of frames that rows speak of, by array."""
        lengths: dict[str, int] = {}
        for table in ("frames", *["other_frames"] * bool(self._columns("other_frames"))):
            for name, number in self._select(_ARRAYS.format(table=table)):
                lengths[str(name)] = int(number)
        return dict(sorted(lengths.items()))

    def events(self, first: int = 0) -> Iterator[dict[str, Any]]:
        """Events as they stand in JSON Lines, without the `first` ones."""
        sql = f"SELECT body FROM events ORDER BY number LIMIT -1 OFFSET {first:d}"  # noqa: S608
        for (body,) in self._select(sql):
            yield _loaded(body, self.directory)

    def commands(self) -> list[TimedCommand]:
        """All commands in their order, refused ones included."""
        sql = "SELECT after_items, name, args FROM commands ORDER BY number"
        return [
            TimedCommand(
                after_items=int(after),
                command=Command(name=name, args=_loaded(args, self.directory)),
            )
            for after, name, args in self._select(sql)
        ]

    def faults(self) -> list[str]:
        """What went wrong with the recording."""
        return [str(what) for (what,) in self._select("SELECT what FROM faults ORDER BY number")]

    def pixels(self, row: Row) -> NDArray[Any]:
        """Pixels (y, x) of a row that has an array; raises `SourceError`."""
        assert row.array is not None  # noqa: S101 - asked for by the docstring
        try:
            return self.frames.read(row.array, row.slot)
        except SourceError as error:
            raise SourceError(
                f"{error}; `livedetect recover {self.directory}` marks what is lost, and the "
                "rest can be used"
            ) from error

    def frame(self, row: Row) -> Frame:
        """The frame of a row of kind ``frame`` that has pixels."""
        known = row.details
        return Frame(
            data=self.pixels(row),
            index=row.index,
            time_s=row.time_s,
            calibration=row.calibration,
            stream=known.get("stream", ""),
            scan_id=known.get("scan_id", ""),
            saturation_value=known.get("saturation_value"),
            valid_rows=known.get("valid_rows"),
            meta=known.get("meta", {}),
        )

    def _select(self, sql: str) -> Iterator[tuple[Any, ...]]:
        path = self.directory / JOURNAL_FILE
        try:
            with contextlib.closing(open_journal(path)) as database:
                yield from database.execute(sql)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise SourceError(f"{path} is damaged or cannot be read: {error}") from error


def open_journal(path: Path) -> sqlite3.Connection:
    """Open ``events.sqlite`` for reading; raises `SourceError` if it is not there.

    SQLite is told where nobody writes any more: then it leaves no files of its own beside the
    session, and can read from a medium that cannot be written to. A session that was cut off
    there is read from a copy in memory.
    """
    if not path.is_file():
        raise SourceError(
            f"{path} does not exist: without it nobody knows what the frames of this session are"
        )
    closed = (path.parent / END_FILE).exists() and not _has_more(path)
    options = "?mode=ro&immutable=1" if closed else "?mode=ro"
    database = sqlite3.connect(_uri(path) + options, uri=True)
    try:
        database.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        database.close()
        if closed or not any(word in str(error) for word in ("unable to open", "readonly")):
            raise
        return _copy_in_memory(path)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _copy_in_memory(path: Path) -> sqlite3.Connection:
    """The journal with what waits in its log, where SQLite cannot write beside it."""
    copy = sqlite3.connect(":memory:")
    with tempfile.TemporaryDirectory() as folder:
        for part in (path, path.with_name(path.name + "-wal")):
            if part.exists():
                shutil.copyfile(part, Path(folder) / part.name)
        with contextlib.closing(sqlite3.connect(Path(folder) / path.name)) as database:
            database.backup(copy)
    return copy


def _uri(path: Path) -> str:
    """As SQLite reads it: always an empty host, for drives and network shares of Windows too."""
    text = quote(path.resolve().as_posix(), safe="/:")
    return f"file://{text}" if text.startswith("/") else f"file:///{text}"


def _has_more(path: Path) -> bool:
    """Rows wait beside the file, in SQLite's write-ahead log."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _row(values: tuple[Any, ...], directory: Path) -> Row:
    position, kind, index, disposition, missing, *more = values
    time_s, array, slot, scan, details, segment, epoch = more
    try:
        calibration = Calibration(**json.loads(scan)) if scan else Calibration()
    except (TypeError, ValueError) as error:
        raise _damaged(directory, error) from error
    return Row(
        position=position,
        kind=kind,
        index=index,
        disposition=disposition,
        missing_frames=missing,
        time_s=time_s,
        array=array,
        slot=-1 if slot is None else slot,
        calibration=calibration,
        details=_loaded(details, directory),
        segment_id=segment,
        epoch=epoch,
    )


def _loaded(text: str, directory: Path) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (TypeError, ValueError) as error:
        raise _damaged(directory, error) from error
    return dict(values)


def _damaged(directory: Path, error: Exception) -> SourceError:
    return SourceError(f"{directory / JOURNAL_FILE}: a row is damaged: {error}")
