"""Runs that are recorded and played again, and what drives them."""

import threading

from livedetect.detect.detector import Detector
from livedetect.protocols import SourceRequest
from livedetect.settings import Settings
from livedetect.stream.playback import RecordedCommands, SessionSource
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.registry import open_source
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import (
    Frame,
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
