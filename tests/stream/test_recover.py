"""Sessions with something missing or broken: what is said, and what can be put in order."""

import shutil
import sqlite3

import pytest

from livedetect.errors import SourceError
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.recover import recover
from livedetect.types import (
    Frame,
    NoticeEvent,
)
from tests.stream.recorded_runs import (
    session_of,
)
from tests.waiting import until


def remove(*parts):
    def damage(session):
        path = session.joinpath(*parts)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def write(data, *parts):
    return lambda session: session.joinpath(*parts).write_bytes(data)


def cut(session):
    path = session / "events.sqlite"
    path.write_bytes(path.read_bytes()[:5000])


def forget_tables(session):
    with sqlite3.connect(session / "events.sqlite") as database:
        database.execute("DROP TABLE frames")
    database.close()


def spoil_rows(session):
    with sqlite3.connect(session / "events.sqlite") as database:
        database.execute("UPDATE frames SET details = '{', calibration = '[1]'")
    database.close()


DAMAGE = {
    "no session.json": (remove("session.json"), "session.json does not exist"),
    "garbage in session.json": (write(b"\x00\xff{", "session.json"), "session.json is damaged"),
    "no table in session.json": (write(b"[1]", "session.json"), "session.json is damaged"),
    "other version": (write(b'{"schema_version": 99}', "session.json"), "version 99"),
    "no settings": (write(b'{"schema_version": 1}', "session.json"), "settings"),
    "odd settings": (
        write(b'{"schema_version": 1, "settings": {"magic": 1}}', "session.json"), "magic",
    ),
    "no events.sqlite": (remove("events.sqlite"), "events.sqlite does not exist"),
    "garbage in events.sqlite": (write(b"garbage" * 999, "events.sqlite"), "events.sqlite is dam"),
    "truncated events.sqlite": (cut, "events.sqlite is damaged"),
    "no tables": (forget_tables, "events.sqlite is damaged"),
    "rows of garbage": (spoil_rows, "a row is damaged"),
    "no array": (remove("frames-0001.zarr"), "frames-0001.zarr is missing or damaged"),
    "no description of the array": (remove("frames-0001.zarr", "zarr.json"), "frames-0001.zarr is"),
    "garbage for an array": (write(b"{", "frames-0001.zarr", "zarr.json"), "frames-0001.zarr is"),
    "a chunk missing": (remove("frames-0001.zarr", "c", "4", "0", "0"), "livedetect recover"),
    "a chunk cut": (write(b"123", "frames-0001.zarr", "c", "4", "0", "0"), "livedetect recover"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_sessions_say_what_is_wrong(small, damage, said):
    damage(small)
    with pytest.raises(SourceError, match=said):
        list(session_of(small))


@pytest.mark.parametrize(
    "damage", [remove("frames-0001.zarr", "c", "4", "0", "0"),
               write(b"123", "frames-0001.zarr", "c", "4", "0", "0")],
)  # fmt: skip
def test_a_lost_chunk_is_marked_and_the_rest_can_be_used(small, damage):
    damage(small)
    found = recover(small)
    assert (found.was_closed, found.frames, found.lost) == (True, 9, 1)
    items = list(session_of(small))
    assert [type(item) for item in items].count(Frame) == 9
    assert items[4].reason == "invalid"
    assert "lost" in items[4].message
    assert recover(small).lost == 0


@pytest.mark.parametrize("name", ["garbage in events.sqlite", "truncated events.sqlite",
                                  "no session.json", "no events.sqlite"])  # fmt: skip
def test_what_cannot_be_recovered_is_told(small, name):
    DAMAGE[name][0](small)
    with pytest.raises(SourceError):
        recover(small)


def test_a_session_that_cannot_be_closed_is_told(small):
    (small / "END.json").unlink()
    (small / "END.json.part").mkdir()
    with pytest.raises(SourceError, match="cannot be written to"):
        recover(small)


def test_a_session_in_recording_is_not_recovered(tmp_path, frames):
    recorder = Recorder(tmp_path / "s")
    recorder.on_event(NoticeEvent(event="run_started", frame=0, time_s=0.0, values={}))
    for frame in frames(3):
        recorder.on_frame(frame)
    until(lambda: (tmp_path / "s" / "events.sqlite").exists() and rows(tmp_path / "s") == 3)
    with pytest.raises(SourceError, match="still being recorded"):
        recover(tmp_path / "s")
    recorder.close()


def rows(directory):
    try:
        return Recording(directory).count()
    except SourceError:
        return 0
