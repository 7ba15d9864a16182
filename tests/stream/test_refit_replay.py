"""A run in which the model was learnt anew plays again to the same events."""

import dataclasses
import threading

import pytest

from livedetect.detect.detector import Detector
from livedetect.settings import Settings
from livedetect.types import Command, Gap
from tests.stream.recorded_runs import (
    Live,
    Script,
    Slow,
    all_frames,
    comparable,
    record,
    replayed,
)

SPEC = "sim:square?size=128&frames=90&detected_e_per_px=10&damage_from=14&background=0&seed=2"
SETTINGS = Settings(warm_up_frames=8)


AHEAD_FRAMES = 4


class SlowLearner(Slow):
    """A slow detector whose refits a session carries out beside it."""

    taken = 0

    def step(self, item):
        result = super().step(item)
        self.taken += 1
        return result

    def refit_request(self):
        return self.detector.refit_request()

    def install(self, number, learnt):
        self.detector.install(number, learnt)


class Ahead(Live):
    """A live source that comes a few frames before what the engine can do, and no more."""

    def __init__(self, items, engine):
        super().__init__(items)
        self.engine = engine

    def __iter__(self):
        for number, item in enumerate(self.frames):
            while number - self.engine.taken > AHEAD_FRAMES:
                threading.Event().wait(0.002)
            yield item


@pytest.fixture(scope="module")
def brightened():
    """The contrast doubles at frame 20, and falls again at frame 56."""
    return [
        dataclasses.replace(frame, data=2 * frame.data) if 20 <= frame.index < 56 else frame
        for frame in all_frames(SPEC)
    ]


def test_skipped_frames_a_hole_and_commands(tmp_path, brightened, notes):
    to_and_fro = [*range(54, 20, -1), *range(20, 55)] * 2
    longer = [
        dataclasses.replace(brightened[there], index=n, time_s=float(n))
        for n, there in enumerate(to_and_fro, start=56)
    ]
    items = [*brightened[:56], *longer]
    items[30:33] = [Gap(first_missing=30, missing_frames=3, reason="lost", time_s=30.0)]
    script = Script(
        (34, Command(name="dismiss", args={"defect_id": 0})),
        (150, Command(name="rebaseline")),
    )
    engine = SlowLearner(SETTINGS)
    outcome = record(
        Ahead(items, engine), engine, tmp_path / "s", notes, script=script, settings=SETTINGS
    )
    assert outcome.status == "success"
    assert outcome.ledger["skipped"] > 0
    # whether there was a refit depends on which frames a busy computer has skipped; the other
    # tests ask for one
    live = comparable(notes.events)
    assert replayed(tmp_path / "s", type(notes)()) == live
    again = type(notes)()
    assert replayed(tmp_path / "s", again, Slow(SETTINGS)) == live


def test_refits_come_back_at_their_frames(tmp_path, brightened, notes, listed):
    record(listed(brightened), Detector(SETTINGS), tmp_path / "s", notes, settings=SETTINGS)
    at = [event["frame"] for event in notes.named("model_refitted")]
    assert len(at) == 2
    alone = type(notes)()
    assert replayed(tmp_path / "s", alone, Slow(SETTINGS)) == comparable(notes.events)
    assert [event["frame"] for event in alone.named("model_refitted")] == at


def test_a_command_while_a_refit_is_pending(tmp_path, brightened, notes, listed):
    # drifted after five frames, eight frames collected: pending from frame 33 on
    script = Script((33, Command(name="rebaseline")))
    record(
        listed(brightened[:50]),
        Detector(SETTINGS),
        tmp_path / "s",
        notes,
        script=script,
        settings=SETTINGS,
    )
    assert not notes.named("model_refitted")
    assert len(notes.named("model_ready")) == 2
    assert replayed(tmp_path / "s", type(notes)()) == comparable(notes.events)
