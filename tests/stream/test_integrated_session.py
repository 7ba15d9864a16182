"""Summed frames through a whole session: the ledger, the recording, the replay."""

import json

import pytest

from livedetect import Settings
from livedetect.detect.integration import Integrator
from livedetect.stream.playback import RecordedCommands
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.registry import open_source
from livedetect.stream.session import SessionOptions, run_session
from livedetect.stream.sinks.jsonl import JsonLinesSink
from livedetect.types import Frame, Gap

SPEC = "sim:mos2?size=192&frames=100&seed=5&detected_e_per_px=0.3&damage=6&damage_from=60"
FATES = ("warm_up", "scored", "invalid", "suspect", "duplicate", "late", "skipped", "pending")
SETTINGS = Settings().with_values({"integrate": "auto"})


class Holed:
    """The simulator with a gap in it."""

    def __init__(self):
        self.source = open_source(SPEC)
        self.info = self.source.info

    def __iter__(self):
        for item in self.source:
            if isinstance(item, Frame) and 40 <= item.index < 43:
                continue
            yield item

    def close(self):
        self.source.close()


def run(source, lines, *, taps=(), sinks=(), commands=()):
    outcome = run_session(
        source,
        Integrator(SETTINGS),
        taps=taps,
        sinks=[*sinks, JsonLinesSink(str(lines))],
        options=SessionOptions(settings=SETTINGS, commands=commands),
    )
    assert not outcome.faults
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    return outcome, [e for e in events if e["event"] not in ("run_started", "run_ended")]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    directory = tmp_path_factory.mktemp("integrated")
    recorder = Recorder(directory / "session")
    outcome, events = run(Holed(), directory / "events", taps=[recorder], sinks=[recorder])
    return directory / "session", outcome, events


def test_the_ledger_balances_with_the_frames_within_sums(recorded):
    _, outcome, _ = recorded
    ledger = outcome.ledger
    assert ledger["integrated"] > ledger["scored"] * 0.8
    assert ledger["received"] == sum(ledger[fate] for fate in FATES) + ledger["integrated"] == 97
    assert ledger["sent"] == 100


def test_the_recording_holds_the_frames_as_they_came(recorded):
    directory, _, _ = recorded
    recording = Recording(directory)
    assert recording.count() == 97
    assert recording.dispositions()["integrated"] > 40


def test_a_replay_gives_equal_events(recorded, tmp_path):
    directory, _, events = recorded
    commands = RecordedCommands(Recording(directory))
    with open_source(str(directory), live=False) as source:
        items = list(source)
    assert sum(isinstance(item, Gap) for item in items) == 1
    _, again = run(
        open_source(str(directory), live=False),
        tmp_path / "events",
        taps=[commands],
        sinks=[commands],
        commands=[commands],
    )
    assert any(event["event"] == "model_ready" for event in events)
    assert again == events
