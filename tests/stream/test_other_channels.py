"""Frames of channels that are not analysed: recorded, counted, and played when asked for."""

import dataclasses
import json
import os
import sqlite3

import numpy as np
import pytest
import zarr

from livedetect.errors import SettingsError
from livedetect.protocols import SourceRequest
from livedetect.settings import Settings
from livedetect.stream import session_files
from livedetect.stream.frame_store import FrameStore
from livedetect.stream.journal import Journal
from livedetect.stream.pack import pack
from livedetect.stream.playback import RecordedCommands, SessionSource
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.recover import recover
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import Frame, Gap, Rejection, SourceInfo


class TwoChannels:
    """Yields frames of HAADF and hands those of BF aside, two for each."""

    def __init__(self, items, live=True):
        self.info = SourceInfo(name="two", live=live)
        self.items, self.counts = items, {}
        self.take = None

    def divert(self, take):
        self.take = take

    def __iter__(self):
        for item in self.items:
            if isinstance(item, Frame) and self.take:
                self.beside(item)
            yield item

    def beside(self, item):
        for number in (2 * item.index, 2 * item.index + 1):
            data = np.full((4, 6), number, "u2")
            self.take(dataclasses.replace(item, data=data, index=number, stream="BF"))
            self.counts["other_channels"] = self.counts.get("other_channels", 0) + 1

    def close(self):
        pass


def of_haadf(frame):
    return dataclasses.replace(frame, stream="HAADF", meta={"epoch": "ab", "seq": frame.index})


@pytest.fixture
def session(tmp_path, engine, notes, frames):
    items = [of_haadf(frame) for frame in frames(8)]
    del items[5]
    items.insert(4, items[2])
    items += [Gap(first_missing=8, missing_frames=3, epoch="ab"), of_haadf(frames(10)[9])]
    recorder = Recorder(tmp_path / "s")
    outcome = run_session(TwoChannels(items), engine, taps=[recorder, notes], sinks=[recorder])
    assert outcome.faults == ()
    assert outcome.not_taken == {"other_channels": 18}
    assert outcome.ledger["received"] == 9
    return tmp_path / "s"


def opened(directory, **settings):
    request = SourceRequest(target=str(directory), settings=Settings(**settings))
    return SessionSource(request)


def database(session):
    return sqlite3.connect(session / "events.sqlite")


def test_they_are_recorded_in_arrays_of_their_own(session):
    recording = Recording(session)
    assert recording.other_channels() == {"BF": 18}
    assert recording.channel() == "HAADF"
    assert recording.end["other_frames_recorded"] == 18
    (beside,) = {row.array for row in recording.other_rows("BF")}
    stored = zarr.open_array(session / beside, mode="r")
    assert stored.attrs["stream"] == "BF"
    assert stored.shape == (18, 4, 6)
    assert recording.arrays()[beside] == 18


def test_the_analysed_channel_plays_as_if_they_were_not_there(session, engine, notes):
    recording = Recording(session)
    before = recording.end["ledger"]
    commands = RecordedCommands(recording)
    outcome = run_session(
        opened(session),
        type(engine)(),
        taps=[commands, notes],
        sinks=[commands, notes],
        options=SessionOptions(settings=recording.settings, commands=[commands]),
    )
    assert outcome.ledger == before
    assert {item.stream for item in notes.items if isinstance(item, Frame)} == {"HAADF"}


def test_they_can_be_played_by_name(session):
    source = opened(session, stream="BF")
    played = list(source)
    assert source.info.frame_count == len(played) == 18
    assert {frame.stream for frame in played} == {"BF"}
    assert all((frame.data == frame.index).all() for frame in played)
    with pytest.raises(SettingsError, match="HAADF, BF"):
        opened(session, stream="DF")


def test_packing_gives_each_channel_its_file(session, tmp_path):
    written = pack(session, tmp_path / "p.tif")
    assert [path.name for path in written] == ["p-0001.tif", "p-0002.tif"]
    with pytest.raises(SettingsError, match="overwrite"):
        pack(session, tmp_path / "p.tif")
    assert pack(session, tmp_path / "p.tif", overwrite=True) == written


def test_a_lost_chunk_of_theirs_is_marked_too(session):
    rows = list(Recording(session).other_rows("BF"))
    session.joinpath(rows[3].array, "c", str(rows[3].slot), "0", "0").unlink()
    assert recover(session).lost == 0
    assert len([row for row in Recording(session).other_rows("BF") if row.array is None]) == 1


def test_every_missing_frame_is_a_row(session):
    with database(session) as journal:
        rows = journal.execute('SELECT "index", epoch FROM missing ORDER BY "index"').fetchall()
    journal.close()
    # what arrived after all is no longer missing
    assert [index for index, _ in rows] == [5, 8, 10]
    assert {index: epoch for index, epoch in rows if index > 5} == {8: "ab", 10: "ab"}


def test_rows_know_the_start_of_the_producer(session):
    epochs = {row.epoch for row in Recording(session).rows() if row.kind == "frame"}
    assert epochs == {"ab"}
    gaps = [item for item in opened(session) if isinstance(item, Gap)]
    assert gaps[-1].epoch == "ab"
    repeated = [item for item in opened(session) if isinstance(item, Rejection)]
    assert {item.epoch for item in repeated if item.reason == "duplicate"} == {"ab"}


def test_a_gap_of_a_thousand_million_frames_costs_one_row(tmp_path, engine, frames, listed):
    items = [*frames(2), Gap(first_missing=2, missing_frames=10**9)]
    recorder = Recorder(tmp_path / "s")
    run_session(listed(items), engine, taps=[recorder], sinks=[recorder])
    with database(tmp_path / "s") as journal:
        count = journal.execute("SELECT COUNT(*) FROM frames").fetchone()[0]
        first = journal.execute('SELECT "index" FROM missing LIMIT 1').fetchone()[0]
    journal.close()
    assert (count, first) == (3, 2)


def test_sessions_of_earlier_versions_are_read_and_put_in_order(session):
    with database(session) as journal:
        journal.execute("DROP VIEW missing")
        journal.execute("DROP TABLE other_frames")
        journal.execute("ALTER TABLE frames DROP COLUMN epoch")
    journal.close()
    recording = Recording(session)
    assert recording.other_channels() == {}
    assert len(list(opened(session))) == len(list(recording.rows()))
    assert {row.epoch for row in recording.rows()} == {""}
    assert recover(session).lost == 0


def test_chunks_reach_the_disk_before_the_rows(tmp_path, monkeypatch, frames):
    order = []
    synced = FrameStore.sync
    monkeypatch.setattr(FrameStore, "sync", lambda self: (synced(self), order.append("chunks"))[0])
    monkeypatch.setattr("livedetect.stream.record.SYNC_S", 0.0)
    recorder = Recorder(tmp_path / "s")
    monkeypatch.setattr(Journal, "make_durable", lambda _: order.append("rows"))
    files = []
    fsync = os.fsync
    monkeypatch.setattr(
        session_files.os, "fsync", lambda fd: (files.append(os.fstat(fd).st_ino), fsync(fd))
    )
    for frame in frames(5):
        recorder.on_frame(frame)
    recorder.close()
    assert "rows" in order
    assert all(order[n - 1] == "chunks" for n, what in enumerate(order) if what == "rows")
    assert order[0] == "chunks"
    chunks = [tmp_path.joinpath("s", "frames-0001.zarr", "c", str(n), "0", "0") for n in range(5)]
    assert {chunk.stat().st_ino for chunk in chunks} <= set(files)
    if os.name == "posix":
        assert {chunk.parent.stat().st_ino for chunk in chunks} <= set(files)
    assert json.loads((tmp_path / "s" / "END.json").read_text())["frames_recorded"] == 5
