"""`Recorder`: writes a session directory beside the running analysis, in a thread of its own.

The directory holds ``session.json``, ``frames-0001.zarr`` ..., ``events.sqlite`` and, once it
is complete, ``END.json``. The chunk of a frame is written first, its row second. The loop never
waits: what the disk cannot follow is dropped and counted, and when recording must end (no
space, a fault of the disk) the analysis goes on.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from livedetect.errors import RecordingError, SettingsError
from livedetect.stream.disk_space import check_room, estimate
from livedetect.stream.frame_store import FrameStore
from livedetect.stream.journal import Journal
from livedetect.stream.recording_queue import Arrived, Entry, Happened, Judged, RecordingQueue
from livedetect.stream.session_files import (
    END_FILE,
    JOURNAL_FILE,
    SCHEMA_VERSION,
    SESSION_FILE,
    write_json,
)
from livedetect.types import Event, Frame, FrameResult, NoticeEvent, SourceItem

PATIENCE_S = 60.0
SYNC_S = 1.0
"""A power cut takes the last second; what is older is on the disk itself."""
SYNC_PATIENCE = 4.0
"""A slow disk is left alone for so many times as long as it took."""
ABORT_S = 1.0
"""After an interruption frames are still written for so long, then only their rows."""
_PACKAGES = ("livedetect", "numpy", "scipy", "scikit-learn", "numba", "zarr")

_log = logging.getLogger(__name__)


class Recorder:
    """A `FrameTap` and `ResultSink` that keeps everything of one session.

    Raises `SettingsError` if `directory` holds something already or cannot be made, and
    `RecordingError` if its disk is full. When recording had to end, the next call from the
    session raises `RecordingError` with the reason.

    Parameters
    ----------
    directory : of the session; it is made.
    tell : called once, from the recorder's thread, with a line on the disk space.
    """

    known_as = "the recording"

    def __init__(self, directory: Path, tell: Callable[[str], None] = _log.info) -> None:
        self._directory = _made(Path(directory))
        self._tell = tell
        self._queue = RecordingQueue()
        self._items = self._results = 0
        self._started: Mapping[str, Any] = {}
        self._ended: Mapping[str, Any] = {}
        self._frames = FrameStore(self._directory)
        self._journal: Journal | None = None
        self._written = 0
        self._lost = 0
        self._others = 0
        self._give_up_s = float("inf")
        self._sync_due_s = 0.0
        self._failure = ""
        self._failure_told = False
        self._thread = threading.Thread(target=self._run, name="livedetect-recorder", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        return len(self._queue)

    def on_frame(self, item: SourceItem) -> None:
        """Keep an item as it arrived."""
        self._raise_failure()
        self._queue.put_item(self._items, item)
        self._items += 1

    def on_other_frame(self, frame: Frame) -> None:
        """Keep a frame of a channel that is not analysed."""
        self._raise_failure()
        self._queue.put_item(self._items, frame, beside=True)

    def on_result(self, result: FrameResult) -> None:
        """Keep what became of it; results come in the order of the items."""
        self._raise_failure()
        self._queue.put(Judged(position=self._results, result=result))
        self._results += 1

    def on_event(self, event: Event) -> None:
        """Keep an event of the session itself."""
        self._raise_failure()
        if event.event == "run_ended" and isinstance(event, NoticeEvent):
            aborted = event.values.get("status") == "abort"
            self._give_up_s = time.monotonic() + ABORT_S if aborted else float("inf")
        self._queue.put(Happened(event=event, after_items=self._results))

    def room(self) -> dict[str, Any]:
        """Whether it records, where to, and the bytes that are free there; from any thread."""
        try:
            free_bytes = shutil.disk_usage(self._directory).free
        except OSError:
            free_bytes = None
        state = "stopped" if self._failure else "on"
        return {"state": state, "directory": str(self._directory), "free_bytes": free_bytes}

    def close(self) -> None:
        """Write what waits, then ``END.json``; raises `RecordingError` if that failed."""
        self._queue.close()
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            raise RecordingError(f"{self._directory} could not be closed: the disk does not answer")
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure and not self._failure_told:
            self._failure_told = True
            raise RecordingError(self._failure)

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._write(batch)
                if time.monotonic() >= self._sync_due_s:
                    self._make_durable()
        except (OSError, sqlite3.Error) as error:
            self._failure = str(error)
            _log.exception("recording has ended")
        except Exception as error:  # noqa: BLE001 - the analysis must outlive its recording
            self._failure = repr(error)
            _log.exception("recording has ended")
        try:
            self._finish()
        except (OSError, sqlite3.Error, ValueError) as error:
            self._failure = self._failure or str(error)
            _log.exception("the recording could not be closed")

    def _next_batch(self) -> list[Entry]:
        """What is to be written next; in a pause, what has been written is made durable."""
        waiting_s = max(0.0, self._sync_due_s - time.monotonic())
        if self._frames.unsynced and not self._queue.wait(waiting_s):
            self._make_durable()
        return self._queue.take()

    def _make_durable(self) -> None:
        """Chunks first, rows second: after a power cut no row speaks of a missing frame."""
        begun_s = time.monotonic()
        self._frames.sync()
        if self._journal is not None:
            self._journal.make_durable()
        took_s = time.monotonic() - begun_s
        self._sync_due_s = time.monotonic() + max(SYNC_S, SYNC_PATIENCE * took_s)

    def _write(self, batch: list[Entry]) -> None:
        if self._journal is None:
            self._begin(batch)
        assert self._journal is not None  # noqa: S101 - just opened
        self._journal.begin()
        try:
            for entry in batch:
                self._write_one(self._journal, entry)
        finally:
            # the rows before a fault speak of chunks that are complete
            self._journal.commit()

    def _begin(self, batch: list[Entry]) -> None:
        events = [entry.event for entry in batch if isinstance(entry, Happened)]
        started = next((e for e in events if e.event == "run_started"), None)
        told = started.values if isinstance(started, NoticeEvent) else {}
        write_json(self._directory / SESSION_FILE, _description(told))
        self._journal = Journal(self._directory / JOURNAL_FILE)

    def _write_one(self, journal: Journal, entry: Entry) -> None:
        if isinstance(entry, Arrived):
            place = self._store(journal, entry)
            if entry.beside and isinstance(entry.item, Frame):
                journal.add_other(entry.position, entry.item, place, entry.unix_s)
            else:
                journal.add_item(entry.position, entry.item, place, entry.unix_s)
        elif isinstance(entry, Judged):
            journal.settle(entry.position, entry.result)
            for event in entry.result.events:
                journal.add_event(event, entry.position + 1)
        else:
            journal.add_event(entry.event, entry.after_items)
            if entry.event.event == "run_ended" and isinstance(entry.event, NoticeEvent):
                self._ended = entry.event.values

    def _store(self, journal: Journal, entry: Arrived) -> tuple[str, int] | None:
        """Write the pixels of a frame; where they cannot be kept, a fault says why."""
        frame = entry.item
        if not isinstance(frame, Frame):
            return None
        position = None if entry.beside else entry.position
        if not entry.pixels or time.monotonic() > self._give_up_s:
            self._lost += 1
            journal.add_fault(position, "not recorded: the disk was too slow")
            return None
        check_room(self._directory, frame.data.nbytes)
        try:
            place = self._frames.add(frame, channel=frame.stream if entry.beside else "")
        except (ValueError, TypeError) as error:
            self._lost += 1
            journal.add_fault(position, f"not recorded: {error}")
            return None
        self._written += not entry.beside
        self._others += entry.beside
        if self._written + self._others == 1:
            self._tell(estimate(self._directory, frame.data.nbytes))
        return place

    def _finish(self) -> None:
        if self._journal is None:
            # nothing ever came: an empty directory would only confuse
            with contextlib.suppress(OSError):
                self._directory.rmdir()
            return
        if self._failure:
            self._journal.add_fault(None, self._failure)
        self._frames.close()
        # who interrupts wants to leave: the end is written first
        hurried = self._give_up_s != float("inf")
        if not hurried:
            self._sync_if_possible()
        self._journal.close()
        write_json(self._directory / END_FILE, self._end())
        if hurried:
            self._sync_if_possible()

    def _sync_if_possible(self) -> None:
        try:
            self._frames.sync()
        except OSError as error:
            self._failure = self._failure or str(error)
            _log.exception("the last frames could not be brought to the disk")

    def _end(self) -> dict[str, Any]:
        ended = dict(self._ended)
        status = "recording_stopped" if self._failure else ended.get("status", "fail")
        return {
            "schema_version": SCHEMA_VERSION,
            "status": status,
            "reason": self._failure or ended.get("reason", "the session did not end"),
            "message": ended.get("message", ""),
            "ended_utc": datetime.now(UTC).isoformat(),
            "frames_recorded": self._written,
            "other_frames_recorded": self._others,
            "frames_not_recorded": self._lost,
            "rows_not_recorded": self._queue.dropped_entries,
            "ledger": ended.get("ledger"),
        }


def _made(directory: Path) -> Path:
    if (directory / SESSION_FILE).exists():
        raise SettingsError(
            f"--record {directory}: a session is there already and is never written over; "
            "give a new name"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        occupied = any(directory.iterdir())
    except OSError as error:
        raise SettingsError(f"--record {directory} cannot be made: {error.strerror}") from error
    if occupied:
        raise SettingsError(f"--record {directory}: the directory is not empty; give a new name")
    check_room(directory, 0)
    return directory


def _description(started: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "session_id": started.get("session_id", ""),
        "source": started.get("source", ""),
        "settings": started.get("settings", {}),
        "started_utc": datetime.now(UTC).isoformat(),
        "versions": {"python": platform.python_version(), **_versions()},
        "platform": f"{sys.platform} {platform.machine()}",
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
