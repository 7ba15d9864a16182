"""Faults that need programs and clocks: killed producers, frozen viewers, jumps of an hour."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from livedetect.detect.detector import Detector
from livedetect.stream.client import ResultsClient
from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.registry import open_simulator, open_source
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import Frame, SourceInfo

POSIX = pytest.mark.skipif(os.name != "posix", reason="these signals are POSIX's")

FLOOD = """
import sys
import numpy as np
from livedetect.stream.frame_publisher import FramePublisher
publisher = FramePublisher(sys.argv[1])
sys.stdout.write(publisher.endpoint + "\\n")
sys.stdout.flush()
publisher.wait_for_listener(60)
number = 0
while True:
    publisher.send(np.full((1024, 1024), number % 60000, np.uint16))
    number += 1
"""

VIEWER = """
import sys, threading
from livedetect.stream.client import ResultsClient
client = ResultsClient(sys.argv[1])
client.wait_until_attached(60)
sys.stdout.write("attached\\n")
sys.stdout.flush()
while True:
    client.take()
    threading.Event().wait(0.02)
"""


@pytest.fixture
def program():
    """Start a program; what it says first is returned with it."""
    running = []

    def start(body, *arguments):
        command = [sys.executable, "-c", body, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in running:
        process.kill()
        process.communicate()


def until(holds, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


class Paced:
    """Frames that come by themselves until `stop`, a hundred a second."""

    info = SourceInfo(name="paced", live=True)

    def __init__(self, make, stop, seconds=0.01):
        self.make, self.stop, self.seconds = make, stop, seconds

    def __iter__(self):
        number = 0
        while not self.stop.wait(self.seconds):
            yield self.make(number)
            number += 1

    def close(self):
        pass


def in_thread(source, engine, stop, **listeners):
    outcomes = []
    options = SessionOptions(stop=stop, **listeners.pop("options", {}))

    def run():
        outcomes.append(run_session(source, engine, options=options, **listeners))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, outcomes


@POSIX
def test_a_producer_that_is_killed_while_it_sends_leaves_whole_frames_only(program, engine):
    process, endpoint = program(FLOOD, "tcp://127.0.0.1:0")
    stop = threading.Event()
    torn, seen = [], []

    class Looking(type(engine)):
        def step(self, item):
            if isinstance(item, Frame):
                seen.append(item.index)
                if len(np.unique(item.data)) != 1 or item.data[0, 0] != item.index % 60000:
                    torn.append(item.index)
                item = Frame.from_array(np.zeros((2, 2)), index=item.index)
            return super().step(item)

    thread, outcomes = in_thread(open_source(endpoint, stop=stop), Looking(), stop)
    until(lambda: len(seen) > 10)
    process.send_signal(signal.SIGKILL)
    process.wait()
    threading.Event().wait(0.5)
    stop.set()
    thread.join(20)
    ledger = outcomes[0].ledger
    assert not torn
    fates = set(ledger) - {"sent", "received", "missing"}
    assert ledger["received"] == sum(ledger[name] for name in fates)


@POSIX
def test_frozen_and_killed_viewers_harm_nobody(program, engine, frame):
    publisher = ResultsPublisher("tcp://127.0.0.1:0")
    stop = threading.Event()
    viewers = [program(VIEWER, publisher.endpoint)[0] for _ in range(2)]
    friend = ResultsClient(publisher.endpoint)
    source = Paced(lambda n: frame(n, (n % 8, 3)), stop)
    thread, outcomes = in_thread(
        source, engine, stop, taps=[publisher], sinks=[publisher],
        options={"commands": [publisher]},
    )  # fmt: skip
    try:
        assert friend.wait_until_attached(30)
        viewers[0].send_signal(signal.SIGSTOP)
        viewers[1].send_signal(signal.SIGKILL)
        before = len(engine.seen)
        until(lambda: len(engine.seen) > before + 200)
        assert friend.request("snapshot")["event_count"] >= 1
        frozen_at = friend.state()["latest"]["frame"]
        until(lambda: friend.state()["latest"]["frame"] > frozen_at + 50)
        viewers[0].send_signal(signal.SIGCONT)
    finally:
        stop.set()
        thread.join(20)
        friend.close()
        publisher.close()
    ledger = outcomes[0].ledger
    assert ledger["received"] == len(engine.seen) + ledger["pending"] + ledger["skipped"]
    assert outcomes[0].faults == ()


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0], ids=["forward", "back"])
def test_a_clock_that_jumps_changes_no_interval(monkeypatch, tmp_path, engine, notes, jump_s):
    """Clocks of this computer and of the producer jump in the middle of the stream."""
    true_time, true_time_ns, jumped = time.time, time.time_ns, threading.Event()
    monkeypatch.setattr(time, "time", lambda: true_time() + jump_s * jumped.is_set())
    monkeypatch.setattr(
        time, "time_ns", lambda: true_time_ns() + int(jump_s * 1e9) * jumped.is_set()
    )
    stop = threading.Event()
    recorder = Recorder(tmp_path / "s")
    with FramePublisher("tcp://127.0.0.1:0") as publisher:
        thread, outcomes = in_thread(
            open_source(publisher.endpoint, stop=stop), engine, stop,
            taps=[recorder, notes], sinks=[recorder, notes], options={"idle_timeout_s": 30},
        )  # fmt: skip
        assert publisher.wait_for_listener(20)
        for number in range(20):
            if number == 10:
                jumped.set()
            publisher.send(np.full((16, 16), number, np.uint16))
            threading.Event().wait(0.02)
        until(lambda: len(engine.seen) == 20)
    thread.join(20)
    assert outcomes[0].status == "success"
    assert outcomes[0].latency_ms["max"] < 60_000
    times = [item.time_s for item in notes.items if isinstance(item, Frame)]
    assert times == sorted(times)
    assert times[-1] < 60
    assert not {event.event for event in notes.events} & {"stalled", "source_restarted", "gap"}
    (stamps,) = {tuple(sorted(row.time_s for row in Recording(tmp_path / "s").rows()))}
    assert stamps[-1] < 60


def test_another_dtype_in_the_middle_is_learnt_anew_and_never_scored_with_the_old_model(notes):
    pixels = [s.frame.data for s in open_simulator("square?size=128&frames=40&damage=0")]
    stop = threading.Event()
    with FramePublisher("tcp://127.0.0.1:0") as publisher:
        thread, outcomes = in_thread(
            open_source(publisher.endpoint, stop=stop), Detector(), stop,
            taps=[notes], sinks=[notes], options={"idle_timeout_s": 60},
        )  # fmt: skip
        assert publisher.wait_for_listener(20)
        for number, array in enumerate(pixels):
            changed = number >= 20
            publisher.send((array * 3.0).astype("f4") if changed else array.astype("u2"))
            until(lambda number=number: len(notes.results) > number)
    thread.join(30)
    assert outcomes[0].status == "success"
    after = [result for result in notes.results if result.frame >= 20]
    assert "source_changed" in {event.event for result in after for event in result.events}
    learnt = next(
        result.frame for result in after for e in result.events if e.event == "model_ready"
    )
    between = {result.disposition for result in after if result.frame < learnt}
    assert "scored" not in between
    assert {result.segment_id for result in after} == {after[0].segment_id}
    assert after[0].segment_id != notes.results[0].segment_id
