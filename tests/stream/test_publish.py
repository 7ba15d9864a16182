"""Publisher and client over real sockets, each in its own process where it matters."""

import dataclasses
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from livedetect.errors import EndpointError, ProtocolError, SettingsError
from livedetect.protocols import FrameTap, ResultSink
from livedetect.stream import follower
from livedetect.stream import wire_results as wire
from livedetect.stream.client import Link, ResultsClient
from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.status import CommandSource, SessionStatus, StatusSink
from livedetect.stream.wire import encode_map
from livedetect.types import Frame, FrameResult, NoticeEvent, Phase

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


@pytest.fixture
def client():
    clients = []

    def attach(endpoint: str) -> ResultsClient:
        clients.append(ResultsClient(endpoint))
        return clients[-1]

    yield attach
    for attached in clients:
        attached.close()


@pytest.fixture
def publisher():
    made = ResultsPublisher(ANYWHERE)
    yield made
    made.close()


def until(condition, timeout_s: float = 10.0):
    """Wait for a true value and return it."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s} s")


def result(frame: int, phase: Phase = Phase.LIVE, events=()) -> FrameResult:
    return FrameResult(
        frame=frame, time_s=0.1 * frame, phase=phase, disposition="scored", events=events
    )


def notice(frame: int, name: str = "gap", **values) -> NoticeEvent:
    return NoticeEvent(event=name, frame=frame, time_s=0.0, values=values)


def picture(index: int, edge: int = 32) -> Frame:
    ramp = np.arange(edge * edge, dtype=np.float32).reshape(edge, edge)
    return Frame.from_array(ramp + index, index=index)


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


def test_taken_port_is_named_with_the_way_out(publisher):
    port = publisher.endpoint.rpartition(":")[2]
    with pytest.raises(EndpointError, match=rf"port {port} .* --publish tcp://127.0.0.1:PORT"):
        ResultsPublisher(publisher.endpoint)


def test_taken_control_port_is_named_too():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EndpointError, match=f"port {port} "):
            ResultsPublisher(f"tcp://127.0.0.1:{port - 1}")


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:5591", "tcp://192.0.2.1:5591", "tcp://*:1"])
def test_open_addresses_are_refused(endpoint):
    with pytest.raises(SettingsError, match="open to the network"):
        ResultsPublisher(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["", "5591", "tcp://127.0.0.1", "tcp://:5", "tcp://h:x", "tcp://h:70000", "udp://h:1"],
)
def test_malformed_addresses_are_refused(endpoint):
    with pytest.raises(SettingsError, match="write it as"):
        ResultsPublisher(endpoint)
    with pytest.raises(SettingsError, match="write it as"):
        ResultsClient(endpoint)


def test_ports_are_free_again_after_close():
    first = ResultsPublisher(ANYWHERE)
    first.close()
    first.close()
    second = ResultsPublisher(first.endpoint)
    assert second.endpoint == first.endpoint
    second.close()


def test_garbage_on_the_control_socket_changes_nothing(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    rng = random.Random(3)  # noqa: S311 - it must repeat itself
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.connect(publisher.control_endpoint)
        for number in range(300):
            parts = [rng.randbytes(rng.randint(0, 50)) for _ in range(rng.randint(1, 5))]
            stranger.send_multipart(
                [encode_map({"id": number}), *parts][rng.randint(0, 1) :] or [b""]
            )
        stranger.send(wire.encode_request("x" * 60_000, "stop", {"a": [[]] * 1000}))
        stranger.setsockopt(zmq.LINGER, 1000)
    with zmq.Context() as context, context.socket(zmq.DEALER) as giant:
        giant.setsockopt(zmq.LINGER, 0)
        giant.connect(publisher.control_endpoint)
        giant.send(b"\x00" * (wire.MAX_REQUEST_BYTES + 1))
        assert giant.poll(200) == 0
    with socket.create_connection(
        ("127.0.0.1", int(publisher.control_endpoint.rpartition(":")[2]))
    ) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
    assert watcher.request("rebaseline") == {"accepted": "rebaseline"}
    assert [command.name for command in publisher.poll()] == ["rebaseline"]


def test_request_of_another_version_is_answered(publisher):
    with zmq.Context() as context, context.socket(zmq.REQ) as socket_:
        socket_.setsockopt(zmq.LINGER, 0)
        socket_.connect(publisher.control_endpoint)
        message = {"p": "livedetect-results", "v": 2, "id": 5, "cmd": "stop", "args": {}}
        socket_.send(encode_map(message))
        assert socket_.poll(5000)
        reply = wire.decode_reply(socket_.recv())
    assert reply["id"] == 5
    assert "version 2, here 1" in reply["error"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (encode_map({"p": "livedetect-results", "v": 2, "kind": "status"}), "version 2, here 1"),
        (b"weather 21 C", "not a livedetect engine"),
    ],
)
def test_strangers_at_the_address_are_named(client, message, said):
    with zmq.Context() as context, context.socket(zmq.PUB) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        port = stranger.bind_to_random_port("tcp://127.0.0.1")
        watcher = client(f"tcp://127.0.0.1:{port}")
        update = until(lambda: stranger.send(message) or attached_or_not(watcher))
        assert said in update.message


def attached_or_not(watcher):
    update = watcher.take()
    return update if update.link is Link.INCOMPATIBLE else None


def test_listener_that_never_reads_slows_nobody(publisher, client):
    good = client(publisher.endpoint)
    with zmq.Context() as context, context.socket(zmq.SUB) as hung:
        hung.setsockopt(zmq.LINGER, 0)
        hung.setsockopt(zmq.RCVHWM, 1)
        hung.setsockopt(zmq.SUBSCRIBE, b"")
        hung.connect(publisher.endpoint)
        assert good.wait_until_attached(5.0)
        slowest_s = 0.0
        for frame in range(400):
            start = time.perf_counter()
            publisher.on_frame(picture(frame, 256))
            publisher.on_result(result(frame, events=(notice(frame, missing_frames=1),)))
            slowest_s = max(slowest_s, time.perf_counter() - start)
            time.sleep(0.002)
        until(lambda: len(good.history()["events"]) == 400)
    assert slowest_s < 0.1


def test_burst_loses_results_but_no_event(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    for frame in range(3000):
        events = (notice(frame, "defect_healed", defect_id=frame),) if frame % 3 == 0 else ()
        publisher.on_result(result(frame, events=events))
    until(lambda: watcher.state()["latest"].get("frame") == 2999)
    until(lambda: len(watcher.history()["events"]) == 1000)
    assert [event["defect_id"] for event in watcher.history()["events"]] == list(range(0, 3000, 3))


def test_status_comes_once_a_second_without_frames(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    publisher.on_status(SessionStatus(ledger={"received": 5}, stale=True))
    until(lambda: watcher.state()["latest"].get("flags", {}).get("stale"), 2.5)
    assert watcher.state()["latest"]["ledger"] == {"received": 5}


def test_big_frames_are_shrunk_and_say_how(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    data = np.zeros((2048, 1500), dtype=np.uint16)
    data[1000:1002, 600:602] = 4000
    data[::7, ::5] += 100
    publisher.on_frame(Frame.from_array(data, index=0))
    publisher.on_result(result(0, Phase.WARMING_UP))
    preview = until(lambda: watcher.take().preview)
    assert preview.image.shape == (1024, 750)
    brightest = np.unravel_index(np.argmax(preview.image), preview.image.shape)
    np.testing.assert_allclose(preview.affine @ (*brightest, 1), (1000.5, 600.5))


def test_previews_come_at_most_twenty_times_a_second(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    start = time.monotonic()
    for frame in range(200):
        publisher.on_frame(picture(frame))
        publisher.on_result(result(frame))
        time.sleep(0.005)
    elapsed_s = time.monotonic() - start
    time.sleep(0.1)
    received = watcher.take().previews_received
    assert 5 <= received <= 20 * (elapsed_s + 0.1) + 2


def test_the_picture_stays_live_while_the_analysis_is_busy(publisher, client):
    watcher = client(publisher.endpoint)
    assert watcher.wait_until_attached(5.0)
    publisher.on_frame(picture(7))
    preview = until(lambda: watcher.take().preview, 3.0)
    assert preview.header["frame"] == 7
    assert not preview.header["analysed"]


def test_publishing_can_wait_for_somebody(publisher, client):
    assert not publisher.wait_for_listener(0.05)
    client(publisher.endpoint)
    assert publisher.wait_for_listener(5.0)


def test_closing_leaves_no_thread():
    before = threading.active_count()
    made = ResultsPublisher(ANYWHERE)
    watcher = ResultsClient(made.endpoint)
    assert watcher.wait_until_attached(5.0)
    watcher.close()
    watcher.close()
    made.close()
    assert threading.active_count() == before
