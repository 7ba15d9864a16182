"""Publisher and client over real sockets, each in its own process where it matters."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from livedetect.errors import ProtocolError
from livedetect.protocols import FrameTap, ResultSink
from livedetect.stream import follower
from livedetect.stream.client import Link, ResultsClient
from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.status import CommandSource, StatusSink
from tests.stream.told import notice, picture, result
from tests.waiting import until

PROGRAM = Path(__file__).parents[1] / "synthetic_engine.py"
ANYWHERE = "tcp://127.0.0.1:0"


class Engine:
    """The synthetic engine in its own process."""

    def __init__(self, endpoint: str = ANYWHERE, **options: float) -> None:
        words = [f"{key}={value}" for key, value in options.items()]
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), endpoint, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.endpoint = self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def engine():
    engines = []

    def start(endpoint: str = ANYWHERE, **options: float) -> Engine:
        engines.append(Engine(endpoint, **options))
        return engines[-1]

    yield start
    for started in engines:
        started.close()


def test_it_is_what_the_session_expects(publisher):
    tap: FrameTap = publisher
    sink: ResultSink = publisher
    assert tap is sink
    assert isinstance(publisher, StatusSink)
    assert isinstance(publisher, CommandSource)


def test_every_event_arrives_in_order_across_processes(engine, client):
    watcher = client(engine(frames=70, fps=60).endpoint)
    events = []
    until(
        lambda: (
            events.extend(watcher.take().events)
            or any(event["event"] == "run_ended" for event in events)
        )
    )
    assert events[0]["event"] == "run_started"
    confirmed = [event["defect_id"] for event in events if event["event"] == "defect_confirmed"]
    assert confirmed == list(range(10))
    assert watcher.state()["counts"] == {"active": 10, "total": 10, "new": 10}


def test_late_client_gets_the_whole_history_and_the_last_image(engine, client):
    running = engine(frames=40, fps=100)
    first = client(running.endpoint)
    until(lambda: first.history()["events"][-1:] and first.state()["latest"].get("frame") == 39)
    late = client(running.endpoint)
    assert late.wait_until_attached(5.0)
    history = late.history()
    assert [event["frame"] for event in history["events"] if "defect_id" in event] == [
        20,
        25,
        30,
        35,
    ]
    assert history["series"]["frame"] == list(range(40))
    assert history["series"]["dose_e_per_A2"][-1] == 40_000.0
    assert history["run"]["source"] == "synthetic"
    preview = until(lambda: (got := late.take().preview) and got.header["frame"] == 39 and got)
    assert preview.image.std() > 10


def test_markers_of_the_preview_belong_to_its_frame(engine, client):
    watcher = client(engine(frames=80, fps=60).endpoint)
    seen = 0
    for _ in range(8):
        preview = until(
            lambda: (got := watcher.take().preview) and got.header["frame"] > 25 and got
        )
        columns = preview.header["tracks"]
        frame = preview.header["frame"]
        assert preview.header["analysed"]
        assert columns["x_px"][0] == pytest.approx(2 * 16 + 0.1 * frame, abs=1e-3)
        seen += 1
    assert seen == 8


def test_commands_reach_the_engine_and_become_events(engine, client):
    running = engine(frames=2000, fps=50)
    watcher = client(running.endpoint)
    until(lambda: watcher.state()["counts"]["new"] >= 2)
    assert watcher.request("rebaseline") == {"accepted": "rebaseline"}
    events = []
    until(
        lambda: (
            events.extend(watcher.take().events)
            or any(event["event"] == "command" for event in events)
        )
    )
    counts = watcher.state()["counts"]
    assert counts["new"] < counts["total"]
    watcher.request("stop")
    assert running.process.wait(5.0) == 0


def test_refused_commands_say_what_is_allowed(publisher, client):
    watcher = client(publisher.endpoint)
    with pytest.raises(ProtocolError, match=r"one of none, count"):
        watcher.request("set_alarm", rule="sometimes")
    with pytest.raises(ProtocolError, match="defect_id"):
        watcher.request("dismiss")
    assert list(publisher.poll()) == []


def test_a_note_is_a_command_with_its_text(publisher, client):
    watcher = client(publisher.endpoint)
    with pytest.raises(ProtocolError, match="text"):
        watcher.request("note", by="swift")
    with pytest.raises(ProtocolError, match="500 characters"):
        watcher.request("note", text="x" * 501)
    assert watcher.request("note", text="beam blanked", by="swift") == {"accepted": "note"}
    assert [command.args["text"] for command in publisher.poll()] == ["beam blanked"]


def test_a_result_names_the_scan_it_is_about(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    publisher.on_frame(dataclasses.replace(picture(0), stream="swift/HAADF", scan_id="abc"))
    publisher.on_result(result(0))
    latest = until(lambda: watcher.state()["latest"].get("origin"))
    assert latest == {"stream": "swift/HAADF", "scan_id": "abc", "shape": [32, 32]}


def test_after_the_end_of_the_run_commands_are_refused(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    publisher.on_event(notice(3, "run_ended", status="success"))
    until(lambda: watcher.history()["events"])
    assert watcher.state()["latest"]["phase"] == "ended"
    assert watcher.state()["end"]["status"] == "success"
    with pytest.raises(ProtocolError, match="the run has ended"):
        watcher.request("rebaseline")


def test_commands_that_nobody_fetches_are_bounded(publisher, client):
    watcher = client(publisher.endpoint)
    for _ in range(64):
        watcher.request("rebaseline", timeout_s=30)
    with pytest.raises(ProtocolError, match="too many commands"):
        watcher.request("rebaseline", timeout_s=30)
    assert len(publisher.poll()) == 64


def test_without_an_engine_a_request_fails_and_nothing_is_kept(client):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    watcher = client(f"tcp://127.0.0.1:{port}")
    assert watcher.take().link is Link.WAITING
    with pytest.raises(ProtocolError, match="no engine answers"):
        watcher.request("stop", timeout_s=0.2)
    late = ResultsPublisher(f"tcp://127.0.0.1:{port}")
    try:
        assert watcher.wait_until_attached(5.0)
        assert list(late.poll()) == []
    finally:
        late.close()


def test_client_attaches_again_after_the_engine_was_killed(engine, client):
    first = engine(frames=2000, fps=50)
    watcher = client(first.endpoint)
    until(lambda: watcher.state()["latest"].get("frame", 0) > 30)
    first.close()
    second = engine(first.endpoint, frames=10, fps=50)
    assert second.endpoint == first.endpoint
    until(lambda: watcher.state()["latest"].get("frame", 99) < 10)
    until(lambda: len(watcher.history()["series"]["frame"]) == 10)
    assert watcher.state()["counts"]["total"] == 0


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP on this system")
def test_hung_engine_is_noticed_and_its_return_too(engine, client, monkeypatch):
    monkeypatch.setattr(follower, "SILENCE_S", 1.5)
    running = engine(frames=4000, fps=50)
    watcher = client(running.endpoint)
    assert watcher.wait_until_attached(5.0)
    os.kill(running.process.pid, signal.SIGSTOP)
    until(lambda: watcher.take().link is Link.SILENT, 6.0)
    os.kill(running.process.pid, signal.SIGCONT)
    until(lambda: watcher.take().link is Link.ATTACHED)
    assert watcher.request("rebaseline") == {"accepted": "rebaseline"}


def test_closing_leaves_no_thread():
    before = threading.active_count()
    made = ResultsPublisher(ANYWHERE)
    watcher = ResultsClient(made.endpoint)
    assert watcher.wait_until_attached(5.0)
    watcher.close()
    watcher.close()
    made.close()
    assert threading.active_count() == before
