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
from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.registry import open_source
from livedetect.types import Calibration
from tests.adapters.socket_sessions import ANY_PORT, RawProducer, Scorer, image


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
