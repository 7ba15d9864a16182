"""Recording and playing again, inside one process: what goes in comes out."""

import dataclasses
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import zarr

from livedetect.detect.detector import Detector
from livedetect.errors import RecordingError, SettingsError, SourceError
from livedetect.protocols import SourceRequest
from livedetect.settings import Settings
from livedetect.stream.frame_store import GROWTH_FRAMES
from livedetect.stream.playback import RecordedCommands, SessionSource
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.recording_queue import Happened, RecordingQueue
from livedetect.stream.recover import recover
from livedetect.stream.registry import open_source
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import (
    Calibration,
    Command,
    Frame,
    Gap,
    Notice,
    NoticeEvent,
    Rejection,
    SourceInfo,
)

SPEC = "sim:square?size=128&frames=40&damage_from=14"
FOR_THE_RUN = ("session_id", "source", "latency_ms", "duration_s")


class Script:
    """Commands at the frames that a list says."""

    def __init__(self, *orders):
        self.orders = list(orders)
        self.seen = 0

    def on_frame(self, _):
        self.seen += 1

    def poll(self):
        due = [command for at, command in self.orders if self.seen > at]
        self.orders = [order for order in self.orders if self.seen <= order[0]]
        return due


class Slow:
    """A detector that needs 30 ms more for each frame."""

    def __init__(self, settings=None):
        self.detector = Detector(settings)

    def step(self, item):
        if isinstance(item, Frame):
            threading.Event().wait(0.03)
        return self.detector.step(item)

    def apply(self, command):
        return self.detector.apply(command)

    def state(self):
        return self.detector.state()


class Live:
    """Frames that come by themselves, every 10 ms."""

    info = SourceInfo(name="live", live=True)

    def __init__(self, frames):
        self.frames = frames

    def __iter__(self):
        for frame in self.frames:
            threading.Event().wait(0.01)
            yield frame

    def close(self):
        pass


def record(source, engine, directory, notes, **options):
    recorder = Recorder(directory)
    script = options.pop("script", Script())
    return run_session(
        source,
        engine,
        taps=[recorder, script],
        sinks=[recorder, notes],
        options=SessionOptions(commands=[script], backlog_frames=2, **options),
    )


def session_of(directory, settings=None, **options):
    return SessionSource(
        SourceRequest(target=str(directory), settings=settings or Settings(), options=options)
    )


def replayed(directory, notes, engine=None, **options):
    recording = Recording(directory)
    commands = RecordedCommands(recording, same_run=not options)
    outcome = run_session(
        session_of(directory, recording.settings, **options),
        engine or Detector(recording.settings),
        taps=[commands, notes],
        sinks=[commands, notes],
        options=SessionOptions(settings=recording.settings, commands=[commands]),
    )
    assert outcome.status == "success"
    return comparable(notes.events)


def comparable(events):
    told = [event if isinstance(event, dict) else event.as_dict() for event in events]
    return [{k: v for k, v in event.items() if k not in FOR_THE_RUN} for event in told]


def all_frames(spec=SPEC):
    return list(open_source(spec))


@pytest.fixture(scope="module")
def simulated():
    return all_frames()


@pytest.fixture
def fresh(notes):
    """A new notebook with each call."""
    return type(notes)


@pytest.fixture
def small(tmp_path, frames, engine, notes, listed):
    """A session of ten small frames."""
    record(listed(frames(10)), engine, tmp_path / "s", notes)
    return tmp_path / "s"


def test_frames_come_back_as_they_were_received(tmp_path, engine, notes, listed):
    rng = np.random.default_rng(0)
    scan = Calibration(pixel_size_nm=0.02, dwell_us=3.0, current_pA=20.0, current_source="operator")
    kinds = ["u1", "u2", "i2", "u4", "f4", "f8"]
    sent = [
        Frame(
            data=rng.integers(0, 90, (8, 8 + 2 * (index % 2))).astype(kind),
            index=index,
            time_s=index / 3,
            calibration=dataclasses.replace(scan, rotation_deg=float(index)),
            stream="HAADF",
            scan_id=str(index),
            saturation_value=255.0,
            valid_rows=8,
            meta={"operator": "x", "n": index},
        )
        for index, kind in enumerate(kinds)
    ]
    sent += [Frame.from_array(np.zeros((8, 8), "u1"), index=6)]
    outcome = record(listed(sent), engine, tmp_path / "s", notes)
    assert outcome.faults == ()
    got = list(session_of(tmp_path / "s"))
    assert len(got) == len(sent)
    for a, b in zip(sent, got, strict=True):
        assert a.data.dtype == b.data.dtype
        np.testing.assert_array_equal(a.data, b.data)
        assert not b.data.flags.writeable
        assert dataclasses.replace(a, data=b.data) == b


def test_arrays_are_plain_zarr_with_a_frame_to_a_chunk(small):
    array = zarr.open_array(small / "frames-0001.zarr", mode="r")
    assert array.shape == (10, 8, 8)
    assert array.chunks == (1, 8, 8)
    assert array.metadata.zarr_format == 3
    description = json.loads((small / "frames-0001.zarr" / "zarr.json").read_text())
    (blosc,) = [c["configuration"] for c in description["codecs"] if c["name"] == "blosc"]
    assert (blosc["cname"], blosc["shuffle"]) == ("lz4", "bitshuffle")
    assert sorted(p.name for p in small.iterdir()) == [
        "END.json", "events.sqlite", "frames-0001.zarr", "session.json",
    ]  # fmt: skip


def test_long_sessions_grow_and_are_cut_to_their_length(tmp_path, engine, notes, frames, listed):
    count = 2 * GROWTH_FRAMES + 3
    record(listed(frames(count)), engine, tmp_path / "s", notes)
    assert zarr.open_array(tmp_path / "s" / "frames-0001.zarr").shape[0] == count
    assert sum(1 for _ in session_of(tmp_path / "s")) == count


def test_the_tables_say_what_became_of_each_frame(tmp_path, engine, notes, frame, listed):
    items = [
        Notice(event="source_restarted", index=0, values={"reason": "x", "size": np.float32(2)}),
        *(frame(n) for n in range(4)),
        frame(3),
        Rejection(index=4, reason="invalid", message="torn", time_s=0.4),
        Gap(first_missing=5, missing_frames=3, reason="lost", time_s=0.5),
        frame(9),
        frame(8),
        frame(10, value=np.nan),
    ]
    record(listed(items), engine, tmp_path / "s", notes)
    end = json.loads((tmp_path / "s" / "END.json").read_text())
    assert (end["status"], end["frames_recorded"]) == ("success", 7)
    counts = Recording(tmp_path / "s").dispositions()
    ledger = dict(end["ledger"])
    assert ledger["late"] == ledger["duplicate"] == 1
    assert counts.pop("missing") - ledger["late"] == ledger["missing"]
    assert counts == {k: v for k, v in ledger.items() if v and k in counts}
    with sqlite3.connect(tmp_path / "s" / "events.sqlite") as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        assert {"frames", "events", "commands", "model_fits", "faults"} <= tables
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        late = database.execute(
            'SELECT "index", slot IS NOT NULL FROM frames WHERE disposition = ?', ("late",)
        )
        assert late.fetchall() == [(8, 1)]
    database.close()


def test_everything_odd_gives_equal_events_again_and_again(
    tmp_path, engine, notes, fresh, frame, listed
):
    items = [
        frame(2),
        *(frame(n) for n in range(3, 8)),
        frame(5),
        Rejection(index=8, reason="invalid", message="torn", time_s=0.8),
        Notice(event="source_restarted", index=8, time_s=0.85, values={"reason": "x"}),
        Gap(first_missing=9, missing_frames=3, reason="lost", time_s=0.9),
        frame(14, (1, 2)),
        frame(10),
        frame(15, (3, 3)),
    ]
    record(listed(items), engine, tmp_path / "a", notes)
    kind = type(engine)
    first = replayed(tmp_path / "a", fresh(), kind())
    assert first == comparable(notes.events)
    again = fresh()
    record(session_of(tmp_path / "a"), kind(), tmp_path / "b", again)
    assert comparable(again.events) == first
    assert replayed(tmp_path / "b", fresh(), kind()) == first


def test_a_slow_engine_skips_and_the_replay_skips_the_same(tmp_path, simulated, notes, fresh):
    outcome = record(Live(simulated), Slow(), tmp_path / "s", notes)
    assert outcome.ledger["skipped"] > 0
    assert outcome.ledger["scored"] > 0
    first = replayed(tmp_path / "s", fresh())
    assert first == comparable(notes.events)
    assert replayed(tmp_path / "s", fresh()) == first
    every = fresh()
    replayed(tmp_path / "s", every, all="1")
    assert every.named("run_ended")[0]["ledger"]["skipped"] == 0
    pixels = [item for item in every.items if isinstance(item, Frame)]
    assert len(pixels) == len(simulated)


def test_commands_come_back_at_their_frames(tmp_path, simulated, notes, fresh, listed):
    script = Script(
        (16, Command(name="set_alarm", args={"rule": "count", "limit": 1.0})),
        (20, Command(name="dismiss", args={"defect_id": 0})),
        (20, Command(name="dismiss", args={"defect_id": 999})),
        (22, Command(name="rebaseline")),
        (30, Command(name="roi", args={"rectangle": [10, 10, 100, 100]})),
    )
    record(listed(simulated), Detector(), tmp_path / "s", notes, script=script)
    told = notes.named("command")
    assert [event["ok"] for event in told] == [True, True, False, True, True]
    assert len(notes.named("model_ready")) == 2
    assert notes.named("alarm")
    assert replayed(tmp_path / "s", fresh()) == comparable(notes.events)
    changed = RecordedCommands(Recording(tmp_path / "s"), same_run=False)
    changed._arrived = changed._judged = 99
    assert [c.name for c in changed.poll()] == ["set_alarm", "rebaseline", "roi"]


def test_a_stop_ends_the_replay_where_it_ended_the_run(tmp_path, frames, engine, notes, fresh):
    script = Script((6, Command(name="stop")))
    live = Live(frames(20))
    record(live, engine, tmp_path / "s", notes, script=script)
    assert notes.named("run_ended")[0]["reason"] == "command"
    again = fresh()
    events = replayed(tmp_path / "s", again, type(engine)())
    assert again.named("run_ended")[0]["reason"] == "command"
    assert [e["event"] for e in events[:-1]] == [e.event for e in notes.events[:-1]]


def test_operators_values_can_be_corrected_afterwards(tmp_path, engine, notes, frame, listed):
    scan = Calibration(pixel_size_nm=0.05, dwell_us=2.0)
    frames = [dataclasses.replace(frame(n), calibration=scan) for n in range(3)]
    settings = Settings(pixel_size_nm=0.05)
    record(listed(frames), engine, tmp_path / "s", notes, settings=settings)
    wanted = Settings(pixel_size_nm=0.02, dwell_us=9.0, current_pA=30.0)
    for got in session_of(tmp_path / "s", wanted):
        assert got.calibration.pixel_size_nm == 0.02
        assert got.calibration.dwell_us == 2.0
        assert (got.calibration.current_pA, got.calibration.current_source) == (30.0, "operator")


def test_a_directory_is_never_written_over(small, tmp_path):
    with pytest.raises(SettingsError, match="a session is there already"):
        Recorder(small)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(SettingsError, match="not empty"):
        Recorder(tmp_path / "other")
    with pytest.raises(SettingsError, match="cannot be made"):
        Recorder(tmp_path / "other" / "thesis.txt" / "s")


def test_a_recorder_without_a_session_leaves_nothing(tmp_path):
    Recorder(tmp_path / "s").close()
    assert not (tmp_path / "s").exists()


def test_a_full_queue_never_waits_and_counts(frame):
    queue = RecordingQueue(max_bytes=600, max_entries=4)
    for n in range(6):
        queue.put_item(n, frame(n))
    assert (queue.dropped_frames, queue.dropped_entries) == (4, 2)
    event = NoticeEvent(event="run_ended", frame=0, time_s=0.0)
    queue.put(Happened(event=event, after_items=6))
    batch = queue.take()
    assert [entry.pixels for entry in batch[:-1]] == [True, True, False, False]
    assert batch[-1].event is event
    queue.put_item(6, frame(6))
    assert queue.take()[0].pixels
    queue.close()
    assert queue.take() == []


def test_frames_that_found_no_room_are_told_and_replayed_as_unreadable(tmp_path, frames):
    recorder = Recorder(tmp_path / "s")
    recorder._queue._max_bytes = 300
    started = threading.Event()
    store = recorder._frames.add
    recorder._frames.add = lambda frame: (started.wait(5), store(frame))[1]
    recorder.on_event(NoticeEvent(event="run_started", frame=0, time_s=0.0, values={}))
    begun = time.monotonic()
    for frame in frames(6):
        recorder.on_frame(frame)
    assert time.monotonic() - begun < 1
    started.set()
    recorder.close()
    end = json.loads((tmp_path / "s" / "END.json").read_text())
    assert end["frames_not_recorded"] >= 1
    assert end["frames_recorded"] + end["frames_not_recorded"] == 6
    items = list(session_of(tmp_path / "s", Settings(), all="1"))
    lost = [item for item in items if isinstance(item, Rejection)]
    assert len(lost) == end["frames_not_recorded"]
    assert {item.reason for item in lost} == {"invalid"}


def test_what_zarr_cannot_hold_is_a_fault_and_not_the_end(tmp_path, notes, frame, listed):
    empty = Frame.from_array(np.zeros((0, 8)), index=1)
    strange = Frame.from_array(np.array([[object()]]), index=2)
    record(listed([frame(0), empty, strange, frame(3)]), Detector(), tmp_path / "s", notes)
    recording = Recording(tmp_path / "s")
    assert len(recording.faults()) == 2
    assert recording.end["frames_recorded"] == 2


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 8 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = shutil.which("mount")
    command = [mounting or "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if not mounting or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
def test_a_full_disk_ends_the_recording_and_not_the_detection(tiny_disk, engine, notes):
    rng = np.random.default_rng(0)
    frames = [Frame.from_array(rng.random((256, 256)), index=n, time_s=n / 10) for n in range(40)]
    outcome = record(Live(frames), engine, tiny_disk / "s", notes)
    assert outcome.status == "success"
    assert outcome.ledger["received"] == 40
    assert "the disk is full" in outcome.faults[0]
    (stopped,) = notes.named("recording_stopped")
    assert "the disk is full" in stopped["reason"]
    assert stopped["frame"] < 39
    recording = Recording(tiny_disk / "s")
    assert recording.end["status"] == "recording_stopped"
    assert "the disk is full" in recording.faults()[-1]
    kept = [item for item in session_of(tiny_disk / "s", all="1") if isinstance(item, Frame)]
    assert 5 < len(kept) == recording.end["frames_recorded"] < 16
    for a, b in zip(frames, kept, strict=False):
        np.testing.assert_array_equal(a.data, b.data)
    with pytest.raises(RecordingError, match="disk is full"):
        crowded(tiny_disk)


def crowded(place):
    (place / "filler").write_bytes(bytes(shutil.disk_usage(place).free))
    Recorder(place / "t")


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


def test_a_session_is_a_source_like_any_other(small):
    assert len(list(open_source(small))) == 10
    assert open_source(f"{small}?all=1").info.frame_count == 10
    with pytest.raises(SettingsError, match="all=1"):
        open_source(f"session:{small}?every=1")


def test_reading_a_closed_session_leaves_it_as_it_is(small):
    before = sorted(small.iterdir())
    list(session_of(small))
    assert sorted(small.iterdir()) == before


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


def until(holds, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
