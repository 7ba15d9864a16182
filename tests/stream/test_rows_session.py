"""Frames in blocks of rows through a whole session, recorded and played again."""

import dataclasses
import json

import numpy as np
import pytest

import livedetect
from livedetect.stream.playback import RecordedCommands
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.registry import open_simulator, open_source
from livedetect.stream.session import SessionOptions, run_session
from livedetect.stream.sinks.jsonl import JsonLinesSink
from livedetect.types import Command, Frame, FrameResult, PartialFrame, Phase, SourceInfo

BLOCKS = 4
SPEC = "mos2?size=256&frames=40&seed=2"
TORN = 33
"""Index of a frame of which half the rows come."""


class Blocks:
    """A source whose frames come in blocks of rows; one of them is aborted."""

    def __init__(self):
        self.info = SourceInfo(name="blocks", live=False)
        self.rows = False

    def give_rows(self):
        self.rows = True

    def __iter__(self):
        for simulated in open_simulator(SPEC):
            frame = simulated.frame
            yield from self.of(frame)

    def of(self, frame):
        height = len(frame.data)
        whole = BLOCKS if frame.index != TORN else BLOCKS // 2
        for block in range(1, whole if frame.index != TORN else whole + 1):
            done, first = height * block // BLOCKS, height * (block - 1) // BLOCKS
            if self.rows:
                part = dataclasses.replace(frame, valid_rows=done, time_s=frame.time_s - 0.01)
                yield PartialFrame(frame=part, first_row=first)
        yield frame if frame.index != TORN else dataclasses.replace(frame, valid_rows=height // 2)

    def close(self):
        pass


class Once:
    """A command that comes when a frame has begun, but after its first look."""

    def __init__(self, engine, command, index):
        self.engine, self.command, self.index = engine, command, index

    def poll(self):
        if self.command is not None and self.engine.looked == self.index:
            command, self.command = self.command, None
            return [command]
        return []


class Watched(livedetect.Detector):
    """Knows at which frame it looked last."""

    looked = -1

    def look(self, partial):
        self.looked = partial.index
        return super().look(partial)


def events_in(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    ignored = ("run_started", "run_ended")
    return [line for line in lines if line["event"] not in ignored]


def run(source, engine, directory, *, taps=(), sinks=(), commands=()):
    lines = directory.with_suffix(".jsonl")
    options = SessionOptions(commands=commands)
    sink = JsonLinesSink(str(lines))
    outcome = run_session(source, engine, taps=taps, sinks=[*sinks, sink], options=options)
    assert not outcome.faults
    return outcome, events_in(lines)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rows") / "session"
    recorder, engine = Recorder(directory), Watched()
    order = Once(engine, Command(name="roi", args={"rectangle": [0, 0, 250, 250]}), 30)
    outcome, events = run(
        Blocks(), engine, directory, taps=[recorder], sinks=[recorder], commands=[order]
    )
    return directory, outcome, events


def test_every_frame_is_counted_and_recorded_once(recorded):
    directory, outcome, _ = recorded
    assert outcome.ledger["received"] == 40
    assert outcome.ledger["suspect"] == 1
    assert Recording(directory).count() == 40


def test_defects_are_told_early_and_once(recorded):
    _, _, events = recorded
    confirmed = [event for event in events if event["event"] == "defect_confirmed"]
    assert any("rows" in event for event in confirmed)
    ids = [event["defect_id"] for event in confirmed]
    assert len(set(ids)) == len(ids)


def test_a_replay_looks_again_where_something_was_confirmed(recorded, tmp_path):
    directory, _, events = recorded
    source = open_source(str(directory), live=False)
    commands = RecordedCommands(Recording(directory))
    _, again = run(
        source,
        livedetect.Detector(),
        tmp_path / "again",
        taps=[commands],
        sinks=[commands],
        commands=[commands],
    )
    assert again == events


def test_who_does_not_ask_plays_whole_frames(recorded):
    directory, _, _ = recorded
    with open_source(str(directory), live=False) as source:
        assert not any(isinstance(item, PartialFrame) for item in source)


def test_an_engine_that_cannot_look_is_shown_whole_frames():
    class Whole:
        def __init__(self):
            self.inner, self.items = livedetect.Detector(), []

        def step(self, item):
            self.items.append(item)
            return self.inner.step(item)

        def apply(self, command):
            return self.inner.apply(command)

        def state(self):
            return {}

    engine = Whole()
    run_session(Blocks(), engine, options=SessionOptions(frames=5))
    assert [type(item) for item in engine.items] == [Frame] * 5


def test_live_looks_leave_half_of_the_time_to_whole_frames(stop):
    class Slow:
        def __init__(self):
            self.rows = []

        def look(self, partial):
            self.rows.append((partial.index, partial.first_row, partial.rows_done))
            stop.wait(0.3)
            return self.step(partial.frame)

        def step(self, item):
            return FrameResult(frame=item.index, time_s=0.0, phase=Phase.LIVE, disposition="scored")

        def apply(self, _command):
            return ()

        def state(self):
            return {}

    class Quick(Blocks):
        def __init__(self):
            super().__init__()
            self.info = SourceInfo(name="blocks", live=True)

        def __iter__(self):
            for number in range(2):
                frame = livedetect.Frame.from_array(np.ones((64, 64)), index=number)
                for partial in self.of(frame):
                    yield partial
                    stop.wait(0.1)

    engine = Slow()
    outcome = run_session(Quick(), engine, options=SessionOptions(stop=stop))
    assert outcome.ledger["scored"] == 2
    assert 1 <= len(engine.rows) <= 4
    seen_to = {}
    for index, first_row, rows_done in engine.rows:  # rows of a look left out come with the next
        assert first_row == seen_to.get(index, 0)
        seen_to[index] = rows_done
