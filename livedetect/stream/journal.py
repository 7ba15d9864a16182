"""``events.sqlite``: a row for everything that came and happened, written as it happens.

A row is written after the pixels it speaks of, so readers trust rows only. The tables are
read by other programs: columns are added, never renamed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livedetect.stream.event_names import MODELS
from livedetect.stream.held import HeldDefects
from livedetect.stream.ledger import epoch_of
from livedetect.stream.open_files import despite_readers
from livedetect.stream.session_files import to_json
from livedetect.types import (
    Event,
    Frame,
    FrameResult,
    Gap,
    NoticeEvent,
    PartialFrame,
    Rejection,
    SourceItem,
)

SCHEMA = """
CREATE TABLE frames (
  position INTEGER PRIMARY KEY,   -- order of arrival, from 0
  kind TEXT NOT NULL,             -- frame, rejection, gap, notice
  "index" INTEGER NOT NULL,       -- the source's number; of the first missing frame for a gap
  segment INTEGER,
  area INTEGER,
  disposition TEXT NOT NULL,      -- as in the ledger; missing for a gap, none for a notice
  missing_frames INTEGER NOT NULL DEFAULT 0,
  time_s REAL NOT NULL,           -- since the source's first frame
  received_unix_s REAL NOT NULL,
  array TEXT,                     -- NULL where there are no pixels
  slot INTEGER,
  calibration TEXT,               -- JSON
  details TEXT NOT NULL,          -- JSON: what else the item said
  epoch TEXT NOT NULL DEFAULT ''  -- start of the producer, hexadecimal
);
-- a row for each frame that never came
CREATE VIEW missing AS
  WITH RECURSIVE each (position, "index", last, epoch, time_s) AS (
    SELECT position, "index", "index" + missing_frames - 1, epoch, time_s
      FROM frames WHERE kind = 'gap' AND missing_frames > 0
    UNION ALL
    SELECT position, "index" + 1, last, epoch, time_s FROM each WHERE "index" < last
  )
  SELECT position, "index", epoch, time_s FROM each
   WHERE "index" NOT IN (SELECT "index" FROM frames WHERE disposition = 'late');
CREATE TABLE other_frames (       -- of channels that were not analysed
  number INTEGER PRIMARY KEY,     -- order of arrival
  after_items INTEGER NOT NULL,   -- rows of `frames` that came before it
  stream TEXT NOT NULL,           -- name of the channel
  epoch TEXT NOT NULL,
  "index" INTEGER NOT NULL,       -- in its own channel
  time_s REAL NOT NULL,           -- since the first frame of its channel
  received_unix_s REAL NOT NULL,
  array TEXT,                     -- NULL where there are no pixels
  slot INTEGER,
  calibration TEXT,               -- JSON
  details TEXT NOT NULL           -- JSON
);
CREATE TABLE events (
  number INTEGER PRIMARY KEY,
  after_items INTEGER NOT NULL,   -- rows of `frames` that were analysed before it
  event TEXT NOT NULL,
  frame INTEGER NOT NULL,
  time_s REAL NOT NULL,
  area INTEGER,
  segment INTEGER,
  body TEXT NOT NULL              -- the line of JSON Lines
);
CREATE TABLE commands (
  number INTEGER PRIMARY KEY,
  after_items INTEGER NOT NULL,
  frame INTEGER NOT NULL,
  name TEXT NOT NULL,
  args TEXT NOT NULL,
  ok INTEGER NOT NULL,
  error TEXT
);
CREATE TABLE model_fits (
  number INTEGER PRIMARY KEY,
  after_items INTEGER NOT NULL,
  frame INTEGER NOT NULL,
  body TEXT NOT NULL
);
CREATE TABLE faults (
  number INTEGER PRIMARY KEY,
  position INTEGER,
  what TEXT NOT NULL
);
"""
_INSERT_ITEM = """
INSERT INTO frames (position, kind, "index", disposition, missing_frames, time_s,
                    received_unix_s, array, slot, calibration, details, epoch)
VALUES (:position, :kind, :index, :disposition, :missing_frames, :time_s,
        :received_unix_s, :array, :slot, :calibration, :details, :epoch)
"""
_INSERT_OTHER = """
INSERT INTO other_frames (after_items, stream, epoch, "index", time_s, received_unix_s, array,
                          slot, calibration, details)
VALUES (:after_items, :stream, :epoch, :index, :time_s, :received_unix_s, :array,
        :slot, :calibration, :details)
"""
_SETTLE = """
UPDATE frames SET segment = ?, area = ?,
  disposition = CASE kind WHEN 'gap' THEN disposition ELSE ? END,
  details = json_patch(details, ?)
WHERE position = ?
"""


class Journal:
    """Writes the tables; one thread only, which also closes it."""

    def __init__(self, path: Path) -> None:
        _create(path)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._held = HeldDefects()

    def begin(self) -> None:
        """Start a batch of rows."""
        self._database.execute("BEGIN")

    def commit(self) -> None:
        """Make the batch last."""
        self._database.execute("COMMIT")

    def add_item(
        self, position: int, item: SourceItem, place: tuple[str, int] | None, unix_s: float
    ) -> None:
        """A row for what the source gave, pending until its result comes."""
        array, slot = place or (None, None)
        common = {
            "position": position,
            "received_unix_s": unix_s,
            "array": array,
            "slot": slot,
            "calibration": None,
            "missing_frames": 0,
            "time_s": item.time_s,
            "epoch": epoch_of(item),
        }
        self._database.execute(_INSERT_ITEM, common | _columns(item))

    def add_other(
        self, after_items: int, frame: Frame, place: tuple[str, int] | None, unix_s: float
    ) -> None:
        """A row for a frame of a channel that is not analysed."""
        array, slot = place or (None, None)
        own = {
            "after_items": after_items,
            "stream": frame.stream,
            "epoch": epoch_of(frame),
            "time_s": frame.time_s,
            "received_unix_s": unix_s,
            "array": array,
            "slot": slot,
        }
        self._database.execute(_INSERT_OTHER, _columns(frame) | own)

    def make_durable(self) -> None:
        """Bring what is committed to the disk itself; its pixels must be there already."""
        self._database.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def settle(self, position: int, result: FrameResult) -> None:
        """What became of an item."""
        said = _objection(result)
        told = to_json(self._held.change(result) | ({"message": said} if said else {}))
        self._database.execute(
            _SETTLE, (result.segment_id, result.area_id, result.disposition, told, position)
        )

    def add_event(self, event: Event, after_items: int) -> None:
        """An event, and what it means for the other tables."""
        values = event.values if isinstance(event, NoticeEvent) else {}
        body = to_json(event.as_dict())
        self._database.execute(
            "INSERT INTO events (after_items, event, frame, time_s, area, segment, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                after_items,
                event.event,
                event.frame,
                event.time_s,
                event.area_id,
                event.segment_id,
                body,
            ),
        )
        if event.event == "command":
            self._add_command(event.frame, values, after_items)
        elif event.event in MODELS:
            self._database.execute(
                "INSERT INTO model_fits (after_items, frame, body) VALUES (?, ?, ?)",
                (after_items, event.frame, body),
            )
        elif event.event == "recording_stopped":
            self.add_fault(None, str(values.get("reason", "")))

    def add_fault(self, position: int | None, what: str) -> None:
        """Something that went wrong with the recording itself."""
        self._database.execute(
            "INSERT INTO faults (position, what) VALUES (?, ?)", (position, what)
        )

    def close(self) -> None:
        """Leave one file behind instead of three."""
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()

    def _add_command(self, frame: int, values: Mapping[str, Any], after_items: int) -> None:
        self._database.execute(
            "INSERT INTO commands (after_items, frame, name, args, ok, error) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                after_items,
                frame,
                values["name"],
                to_json(values["args"]),
                int(values["ok"]),
                values.get("error"),
            ),
        )


def _create(path: Path) -> None:
    """The tables appear with the file: whoever finds it can read it at once."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(unfinished, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(SCHEMA)
    despite_readers(lambda: unfinished.replace(path))


def _objection(result: FrameResult) -> str:
    """Why a frame was turned away, if it was."""
    for event in result.events:
        if isinstance(event, NoticeEvent) and event.event == "frame_rejected":
            return str(event.values.get("message", ""))
    return ""


def _columns(item: SourceItem) -> dict[str, Any]:
    if isinstance(item, Frame):
        return {
            "kind": "frame",
            "index": item.index,
            "disposition": "pending",
            "calibration": to_json(dataclasses.asdict(item.calibration)),
            "details": to_json(_frame_details(item)),
        }
    if isinstance(item, Gap):
        return {
            "kind": "gap",
            "index": item.first_missing,
            "disposition": "missing",
            "missing_frames": item.missing_frames,
            "details": to_json({"reason": item.reason}),
        }
    if isinstance(item, Rejection):
        return {
            "kind": "rejection",
            "index": item.index,
            "disposition": "pending",
            "details": to_json({"reason": item.reason, "source_message": item.message}),
        }
    if isinstance(item, PartialFrame):  # taps never see one: its frame follows
        raise TypeError("an unfinished frame is not recorded")
    return {
        "kind": "notice",
        "index": item.index,
        "disposition": "none",
        "details": to_json({"event": item.event, "values": dict(item.values)}),
    }


def _frame_details(frame: Frame) -> dict[str, Any]:
    return {
        "stream": frame.stream,
        "scan_id": frame.scan_id,
        "saturation_value": frame.saturation_value,
        "valid_rows": frame.valid_rows,
        "meta": dict(frame.meta),
    }
