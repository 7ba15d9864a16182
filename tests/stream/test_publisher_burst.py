"""A publisher whose thread was held up: what it did not count as dropped arrives."""

import threading

import numpy as np
import pytest
import zmq

from livedetect.stream import wire_frames as wire
from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.frame_queue import MAX_FRAMES

PATIENCE_S = 20
SENT = MAX_FRAMES + 18
SHAPE = (512, 512)  # more than the kernel takes of a burst, so that ZeroMQ's own bound counts


@pytest.fixture
def sender(monkeypatch):
    """The thread of publishers: it sends nothing while `way` is not set."""

    class Sender:
        way, all_sent = threading.Event(), threading.Event()

    send = FramePublisher._send_frames

    def held(publisher):
        was_held = not Sender.way.is_set()
        assert Sender.way.wait(PATIENCE_S)
        send(publisher)
        if was_held:
            Sender.all_sent.set()

    monkeypatch.setattr(FramePublisher, "_send_frames", held)
    Sender.way.set()
    yield Sender
    Sender.way.set()


@pytest.fixture
def subscriber():
    """A subscriber with little room of its own."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, 1)
        socket.setsockopt(zmq.RCVBUF, 2**16)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        yield socket


def numbers_heard(socket, count):
    """Sequence numbers of frames as they come, until there are `count` or silence."""
    heard = []
    while len(heard) < count and socket.poll(1000 * PATIENCE_S):
        header = wire.decode_header(parts := socket.recv_multipart())
        if isinstance(header, wire.FrameHeader):
            assert (wire.decode_pixels(header, parts[1]) == header.seq).all()
            heard.append(header.seq)
        elif header.kind == "heartbeat" and header.last_seq >= SENT - 1:
            break  # whatever is not here by now was lost
    return heard


def test_a_burst_that_leaves_at_once_arrives_but_for_what_was_counted(sender, subscriber):
    with FramePublisher("tcp://127.0.0.1:0") as publisher:
        subscriber.connect(publisher.endpoint)
        assert publisher.wait_for_listener(PATIENCE_S)
        sender.way.clear()
        for number in range(SENT):
            publisher.send(np.full(SHAPE, number, np.uint16))
        dropped = publisher.dropped
        sender.way.set()
        assert sender.all_sent.wait(PATIENCE_S)
        heard = numbers_heard(subscriber, SENT - dropped)
    assert dropped >= SENT - MAX_FRAMES - 1
    assert len(heard) == SENT - dropped
    assert heard == sorted(set(heard))
    assert heard[-1] == SENT - 1
