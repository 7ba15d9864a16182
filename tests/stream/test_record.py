"""Recording, inside one process: what goes in comes out."""

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
from livedetect.errors import RecordingError, SettingsError
from livedetect.settings import Settings
from livedetect.stream.frame_store import GROWTH_FRAMES
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.recording_queue import Happened, RecordingQueue
from livedetect.stream.registry import open_source
from livedetect.types import (
    Calibration,
    Frame,
    Gap,
    Notice,
    NoticeEvent,
    Rejection,
)
from tests.stream.recorded_runs import (
    Live,
    record,
    session_of,
)


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


def test_a_session_is_a_source_like_any_other(small):
    assert len(list(open_source(small))) == 10
    assert open_source(f"{small}?all=1").info.frame_count == 10
    with pytest.raises(SettingsError, match="all=1"):
        open_source(f"session:{small}?every=1")


def test_reading_a_closed_session_leaves_it_as_it_is(small):
    before = sorted(small.iterdir())
    list(session_of(small))
    assert sorted(small.iterdir()) == before
