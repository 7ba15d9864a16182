"""Frames over real sockets and from real programs, up to the ledger of the session."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import zmq

import livedetect
from livedetect.errors import EndpointError, ProtocolError, SettingsError, SourceError
from livedetect.stream import frame_publisher
from livedetect.stream import wire_frames as wire
from livedetect.stream.curve import create_keys, load_keys
from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.registry import open_source
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import Calibration, Frame, FrameResult, Notice, Phase

FATES = ("warm_up", "scored", "invalid", "suspect", "duplicate", "late", "skipped", "pending")
ANY_PORT = "tcp://127.0.0.1:0"


def image(number):
    return np.full((16, 16), number, np.uint16)


def balanced(ledger):
    return (
        ledger["received"] == sum(ledger[fate] for fate in FATES)
        and ledger["sent"] == ledger["received"] - ledger["duplicate"] + ledger["missing"]
    )


class Scorer:
    """An engine that scores everything, at its own pace."""

    def __init__(self, step_s=0.0):
        self.step_s, self.seen, self.notices = step_s, [], []

    def step(self, item):
        if isinstance(item, Frame):
            time.sleep(self.step_s)
            self.seen.append(item.index)
            return self.result(item, "scored")
        if isinstance(item, Notice):
            self.notices.append(item.event)
        return self.result(item, getattr(item, "reason", "none"))

    def result(self, item, disposition):
        index = getattr(item, "index", 0)
        return FrameResult(
            frame=index, time_s=item.time_s, phase=Phase.LIVE, disposition=disposition
        )

    def apply(self, _command):
        return ()

    def state(self):
        return {}


class Running:
    """A session on a thread of its own."""

    def __init__(self, source, engine=None, **options):
        self.engine = engine or Scorer()
        self.stop = threading.Event()
        self.source = open_source(source, stop=self.stop)
        self.options = SessionOptions(stop=self.stop, **options)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        self.outcome = run_session(self.source, self.engine, options=self.options)

    def wait_for(self, condition, timeout_s=20):
        end = time.monotonic() + timeout_s
        while not condition(self.engine):
            assert time.monotonic() < end, (self.engine.seen, self.engine.notices)
            time.sleep(0.02)

    def ended(self, timeout_s=20):
        self.thread.join(timeout_s)
        assert not self.thread.is_alive()
        assert balanced(self.outcome.ledger), self.outcome.ledger
        return self.outcome


@pytest.fixture
def running():
    sessions = []

    def begin(*args, **options):
        sessions.append(Running(*args, **options))
        return sessions[-1]

    yield begin
    for session in sessions:
        session.stop.set()
        session.thread.join(10)


class RawProducer:
    """A socket that says exactly what it is told."""

    def __init__(self, start=1, address=ANY_PORT):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.bind(address)
        self.endpoint = self.socket.getsockopt(zmq.LAST_ENDPOINT).decode()
        self.start = start

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close(1000)
        self.context.term()

    def await_listener(self):
        assert self.socket.poll(10_000)
        self.socket.recv()

    def origin(self, stream):
        return wire.Origin(stream=stream, epoch=self.start.to_bytes(16, "big"))

    def frame(self, seq, stream="a"):
        header = wire.FrameHeader(
            origin=self.origin(stream),
            seq=seq,
            t_ns=time.time_ns(),
            mono_ns=time.monotonic_ns(),
            dtype="<u2",
            shape=(16, 16),
        )
        self.socket.send_multipart(wire.encode_frame(header, image(seq)))

    def end(self, last_seq, stream="a"):
        message = wire.Control(
            kind="end", origin=self.origin(stream), last_seq=last_seq, status="success"
        )
        self.socket.send_multipart(wire.encode_control(message))


def test_every_frame_arrives_with_what_it_knows():
    with FramePublisher(ANY_PORT, stream="camera/HAADF", session="s") as publisher:
        items = []
        source = livedetect.open_source(publisher.endpoint)
        thread = threading.Thread(target=lambda: items.extend(source), daemon=True)
        thread.start()
        assert publisher.wait_for_listener(10)
        calibration = Calibration(
            pixel_size_nm=0.02, pixel_aspect=1.5, dwell_us=2.0, current_pA=50.0
        )
        buffer = image(0)
        for number in range(10):
            buffer[:] = number  # as a camera does, which uses one buffer again and again
            publisher.send(buffer, calibration=calibration, scan_id=str(number))
    thread.join(10)
    assert [item.index for item in items] == list(range(10))
    for number, frame in enumerate(items):
        np.testing.assert_array_equal(frame.data, image(number))
        assert not frame.data.flags.writeable
        assert frame.scan_id == str(number)
        assert frame.stream == "camera/HAADF"
    found = items[0].calibration
    assert abs(found.pixel_aspect - 1.5) < 1e-9
    assert (found.pixel_size_nm, found.dwell_us, found.current_pA) == (0.02, 2.0, 50.0)
    assert found.current_source == "instrument"
    assert items[0].time_s == 0.0
    times = [item.time_s for item in items]
    assert times == sorted(times)


def test_gaps_repeats_late_frames_and_a_restart_balance(running):
    with RawProducer() as producer:
        session = running(producer.endpoint)
        producer.await_listener()
        for seq in (2, 3, 3, 6, 5, 7):
            producer.frame(seq)
        producer.start = 2
        for seq in (0, 1, 1):
            producer.frame(seq)
        producer.end(3)
        outcome = session.ended()
    assert outcome.status == "success"
    ledger = outcome.ledger
    assert (ledger["duplicate"], ledger["late"], ledger["received"]) == (2, 1, 9)
    assert ledger["missing"] == 2 + 1 + 2  # before joining, 4, and the last two
    assert ledger["sent"] == 8 + 4
    assert session.engine.seen == [2, 3, 6, 7, 8, 9]
    assert session.engine.notices == ["source_restarted"]


def test_rubbish_neither_stops_nor_counts(running):
    with RawProducer() as producer:
        session = running(producer.endpoint)
        producer.await_listener()
        for parts in ([b"GET / HTTP/1.1"], [b"\x80\x04N.", b""], [b""] * 7, [b"\x91" * 900]):
            producer.socket.send_multipart(parts)
        producer.frame(0)
        producer.end(0)
        outcome = session.ended()
    assert outcome.ledger["received"] == outcome.ledger["sent"] == 1
    assert session.engine.notices == ["source_changed"]


def test_two_channels_do_not_mix(running):
    with FramePublisher(ANY_PORT, stream="HAADF") as publisher:
        first = running(publisher.endpoint)
        second = running(f"{publisher.endpoint}?stream=BF")
        for session in (first, second):
            # what is repeated while the producer is idle shows that the subscription is there
            session.wait_for(lambda _, source=session.source._source: source._heard_s is not None)
        for number in range(5):
            publisher.send(image(number))
            publisher.send(image(number), stream="BF")
    for session in (first, second):
        assert session.ended().ledger["received"] == 5
        assert session.engine.notices == ["source_changed"]


def test_the_subscriber_may_be_first_and_the_producer_restart(running):
    with FramePublisher(ANY_PORT) as publisher:
        endpoint = publisher.endpoint
    session = running(endpoint)
    time.sleep(0.3)
    for status in ("killed", "ended"):
        publisher = FramePublisher(endpoint)
        assert publisher.wait_for_listener(10)
        before = len(session.engine.seen)
        for number in range(5):
            publisher.send(image(number))
        session.wait_for(lambda engine, before=before: len(engine.seen) == before + 5)
        if status == "killed":
            publisher._send_control = lambda *_: None  # no end: as if the power had failed
        publisher.close()
    assert session.ended().ledger["sent"] == 10
    assert session.engine.seen == list(range(10))
    assert "source_restarted" in session.engine.notices


def simulate(address, frames=400):
    spec = f"square?size=64&fps=40&frames={frames}"
    command = [sys.executable, "-m", "livedetect", "simulate", spec, "--to", address]
    # a group of its own, so that nothing of it can be left
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_producer_that_is_killed_and_started_again(running):
    with FramePublisher(ANY_PORT) as publisher:
        endpoint = publisher.endpoint
    session = running(endpoint)
    first = simulate(endpoint)
    try:
        session.wait_for(lambda engine: len(engine.seen) >= 5, 60)
    finally:
        first.kill()
        first.wait(10)
    session.wait_for(lambda engine: "stalled" in engine.notices)
    seen = len(session.engine.seen)
    second = simulate(endpoint, frames=60)
    try:
        outcome = session.ended(60)
    finally:
        second.kill()
        second.wait(10)
    assert outcome.status == "success"
    assert len(session.engine.seen) > seen
    assert "source_restarted" in session.engine.notices
    assert session.engine.seen == sorted(set(session.engine.seen))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a program can answer")
def test_an_interrupted_producer_says_that_it_ends(running):
    with FramePublisher(ANY_PORT) as publisher:
        endpoint = publisher.endpoint
    session = running(endpoint)
    producer = simulate(endpoint)
    try:
        session.wait_for(lambda engine: len(engine.seen) >= 3, 60)
        producer.send_signal(signal.SIGTERM)
        assert session.ended(10).status == "success"
        assert producer.wait(10) == 130
    finally:
        producer.kill()
        producer.wait(10)


def test_an_engine_that_is_too_slow_skips_and_says_so(running):
    with FramePublisher(ANY_PORT) as publisher:
        session = running(publisher.endpoint, Scorer(step_s=0.1), backlog_frames=2)
        assert publisher.wait_for_listener(10)
        for number in range(60):
            publisher.send(image(number))
            time.sleep(0.01)
    ledger = session.ended().ledger
    assert ledger["skipped"] > 10
    assert ledger["sent"] == 60
    assert session.engine.seen[-1] == 59


def test_silence_is_told_once(running):
    with RawProducer() as producer:
        session = running(f"{producer.endpoint}?stall_s=0.3")
        producer.await_listener()
        producer.frame(0)
        session.wait_for(lambda engine: "stalled" in engine.notices)
        time.sleep(0.6)
        assert session.engine.notices == ["stalled"]
        producer.frame(1)
        producer.end(1)
        assert session.ended().ledger["received"] == 2


def test_heartbeats_keep_an_idle_producer_alive(running, monkeypatch):
    monkeypatch.setattr(frame_publisher, "IDLE_S", 0.1)
    with FramePublisher(ANY_PORT) as publisher:
        session = running(f"{publisher.endpoint}?stall_s=1.5")
        assert publisher.wait_for_listener(10)
        publisher.send(image(0))
        time.sleep(2)
        assert session.engine.notices == []
    session.ended()


@pytest.mark.skipif(not zmq.has("ipc"), reason="this computer has no ipc")
def test_ipc_works_as_well(running, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with FramePublisher("ipc://frames.sock") as publisher:
        session = running("ipc://frames.sock")
        assert publisher.wait_for_listener(10)
        publisher.send(image(1))
    assert session.ended().ledger["received"] == 1


class TestKeys:
    @pytest.fixture
    def keys(self, tmp_path):
        return create_keys(tmp_path / "keys")

    def test_a_known_subscriber_is_let_in_and_strangers_are_not(self, running, keys, tmp_path):
        producer, subscriber = keys
        _, other = create_keys(tmp_path / "others")
        with FramePublisher("tcp://127.0.0.1:0", curve=producer) as publisher:
            stranger = running(f"{publisher.endpoint}?curve={other}")
            plain = running(publisher.endpoint)
            for session in (stranger, plain):
                session.wait_for(lambda engine: "stalled" in engine.notices)
            friend = running(f"{publisher.endpoint}?curve={subscriber}")
            assert publisher.wait_for_listener(10)
            for number in range(3):
                publisher.send(image(number))
        assert friend.ended().ledger["received"] == 3
        for session in (stranger, plain):
            session.stop.set()
            assert session.ended().ledger["received"] == 0

    def test_a_client_of_the_right_server_with_another_own_key_is_turned_away(
        self, running, keys, tmp_path
    ):
        producer, _ = keys
        _, other = create_keys(tmp_path / "others")
        text = other.read_text(encoding="ascii")
        wrong, right = (
            load_keys(path, role)
            for path, role in zip((other, producer), ("subscriber", "producer"), strict=True)
        )
        other.write_text(text.replace(wrong.peer.decode(), right.public.decode()), encoding="ascii")
        with FramePublisher(ANY_PORT, curve=producer) as publisher:
            session = running(f"{publisher.endpoint}?curve={other}")
            session.wait_for(lambda engine: "stalled" in engine.notices)
            publisher.send(image(0))
            assert session.source._source.link == "refused"

    @pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
    def test_only_their_owner_can_read_them(self, keys):
        assert [path.stat().st_mode & 0o777 for path in keys] == [0o600, 0o600]
        keys[0].chmod(0o644)
        with pytest.raises(SettingsError, match="chmod 600"):
            load_keys(keys[0], "producer")

    def test_they_are_not_overwritten_nor_mixed_up(self, keys):
        with pytest.raises(SettingsError, match="exists"):
            create_keys(keys[0].parent)
        with pytest.raises(SettingsError, match=r"producer\.key is needed"):
            FramePublisher(ANY_PORT, curve=keys[1])
        keys[0].write_text("{}", encoding="ascii")
        with pytest.raises(SettingsError, match="no key file"):
            load_keys(keys[0], "producer")

    def test_the_secret_is_not_shown(self, keys):
        loaded = load_keys(keys[0], "producer")
        assert loaded.secret.decode() not in repr(loaded)


def test_nothing_is_opened_to_the_network_without_keys(tmp_path):
    with pytest.raises(SettingsError, match="livedetect keys"):
        FramePublisher("tcp://0.0.0.0:0")
    producer, _ = create_keys(tmp_path)
    with FramePublisher("tcp://0.0.0.0:0", curve=producer) as publisher:
        assert publisher.endpoint.startswith("tcp://0.0.0.0:")


def test_a_taken_address_is_told():
    with FramePublisher(ANY_PORT) as publisher, pytest.raises(EndpointError, match="taken"):
        FramePublisher(publisher.endpoint)


def test_what_cannot_travel_is_refused_by_send_and_costs_no_number():
    with FramePublisher(ANY_PORT) as publisher:
        for wrong in ({"meta": {"x": object()}}, {"sat": "high"}, {"meta": {"x": float("nan")}}):
            with pytest.raises(ProtocolError):
                publisher.send(image(0), details=wrong)
        with pytest.raises(ProtocolError):
            publisher.send(np.zeros(5))
        assert publisher.send(image(0)) == 0
    with pytest.raises(EndpointError, match="closed"):
        publisher.send(image(1))


@pytest.mark.parametrize(
    "source", ["tcp://x", "tcp://127.0.0.1:99999", "tcp://127.0.0.1:5590?stall_s=0", "ipc://?"]
)
def test_malformed_addresses_are_told(source):
    with pytest.raises(SettingsError):
        open_source(source)


def test_a_producer_cannot_be_replayed():
    with pytest.raises(SourceError, match="livedetect run"):
        open_source("tcp://127.0.0.1:5590", live=False)
