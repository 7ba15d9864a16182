"""Both ends of a socket: a session on a thread of its own, a producer that says what it is told."""

import threading
import time

import numpy as np
import zmq

from livedetect.stream import wire_frames as wire
from livedetect.stream.registry import open_source
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import Frame, FrameResult, Notice, Phase

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
