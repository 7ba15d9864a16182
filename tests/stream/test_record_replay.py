"""A recorded run played again gives the same events, whatever happened in it."""

import dataclasses

import pytest

from livedetect.detect.detector import Detector
from livedetect.settings import Settings
from livedetect.stream.playback import RecordedCommands
from livedetect.stream.recording import Recording
from livedetect.types import (
    Calibration,
    Command,
    Frame,
    Gap,
    Notice,
    Rejection,
)
from tests.stream.recorded_runs import (
    Live,
    Script,
    Slow,
    all_frames,
    comparable,
    record,
    replayed,
    session_of,
)


@pytest.fixture(scope="module")
def simulated():
    return all_frames()


@pytest.fixture
def fresh(notes):
    """A new notebook with each call."""
    return type(notes)


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
