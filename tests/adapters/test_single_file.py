"""The publisher in one file: the same bytes as ours, and no livedetect."""

import importlib.util
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq

import livedetect
from livedetect.stream import wire_frames as wire
from livedetect.types import Frame, Gap

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "adapters" / "single_file" / "livedetect_publisher.py"
NAMES = ("swift/HAADF", "s1", bytes(range(16)))
NUMBERS = (7, 1_700_000_000_000_000_000, 123_456_789)
PIXELS = np.array([[0, 1, 2], [3, 4, 65535]], dtype="<u2")
TOLD = {
    "sat": 65535,
    "dwell_us": 2.0,
    "current_pA": 50.5,
    "scan_id": "scan-1",
    "src": "test",
    "meta": {"magnification": 5e6},
}
PROGRAM = """
import sys, time
import numpy as np
from livedetect_publisher import FramePublisher

with FramePublisher("tcp://127.0.0.1:0", stream="camera") as publisher:
    print(publisher.endpoint, flush=True)
    sys.stdin.readline()
    for number in range(12):
        publisher.send(np.full((8, 8), number, ">f4"), pixel_size_nm=0.02)
        time.sleep(0.01)
assert "livedetect" not in sys.modules
"""


@pytest.fixture(scope="module")
def golden():
    path = ROOT / "tests" / "stream" / "golden_ldf1.json"
    texts = json.loads(path.read_text(encoding="ascii"))
    return {name: bytes.fromhex(text) for name, text in texts.items()}


@pytest.fixture(scope="module")
def single():
    spec = importlib.util.spec_from_file_location("livedetect_publisher", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def frame_parts(single, image, **told):
    return single.frame_parts(single.envelope("frame", *NAMES), NUMBERS, image, told)


def test_a_frame_says_what_the_golden_one_says(single, golden):
    header, pixels = frame_parts(single, PIXELS, **TOLD)
    assert pixels == golden["frame_pixels"]
    ours, theirs = msgpack.unpackb(golden["frame_header"]), msgpack.unpackb(header)
    assert {**theirs, "cal": ours["cal"]} == ours
    # the envelope and what every frame has come first, in the same order
    assert list(theirs)[:12] == list(ours)[:12]


def test_rows_say_what_the_golden_ones_say(single, golden):
    head = {**single.envelope("rows", *NAMES), "rows": [1, 2], "height": 2}
    header, pixels = single.frame_parts(head, NUMBERS, PIXELS[1:], TOLD)
    assert pixels == golden["rows_pixels"]
    ours, theirs = msgpack.unpackb(golden["rows_header"]), msgpack.unpackb(header)
    assert {**theirs, "cal": ours["cal"]} == ours


@pytest.mark.parametrize(
    ("kind", "last_seq", "status"), [("start", -1, ""), ("heartbeat", 7, ""), ("end", 7, "success")]
)
def test_controls_have_the_golden_bytes(single, golden, kind, last_seq, status):
    head = single.envelope(kind, *NAMES)
    assert single.control_part(kind, head, last_seq, status) == golden[kind]


@pytest.mark.parametrize("dtype", [*wire.DTYPES, ">u2", ">f8"])
def test_every_frame_reads_back(single, dtype):
    image = np.arange(6).reshape(2, 3).astype(dtype)
    parts = frame_parts(single, image.T, pixel_size_nm=0.02, pixel_aspect=2)
    header = wire.decode_header(parts)
    np.testing.assert_array_equal(wire.decode_pixels(header, parts[1]), image.T)
    assert header.cal == (wire.Axis(scale=0.04, units="nm"), wire.Axis(scale=0.02, units="nm"))


def test_what_cannot_travel_is_refused_at_once(single):
    for image, told in ((np.zeros(3), {}), (np.zeros((2, 2), complex), {}), (PIXELS, {"x": 1})):
        with pytest.raises(ValueError, match=r"frame|unknown"):
            frame_parts(single, image, **told)


def test_it_opens_nothing_to_the_network(single):
    for endpoint in ("tcp://0.0.0.0:0", "tcp://*:0", "tcp://192.0.2.1:5590"):
        with pytest.raises(ValueError, match="open to the network"):
            single.FramePublisher(endpoint)


class BusySocket:
    """Stands before the real socket and sends nothing until it is let go."""

    def __init__(self, socket):
        self.socket, self.free, self.reached = socket, threading.Event(), threading.Event()

    def send_multipart(self, parts, **how):
        self.reached.set()
        assert self.free.wait(30)
        self.socket.send_multipart(parts, **how)

    def __getattr__(self, name):
        return getattr(self.socket, name)


@pytest.fixture
def busy(single):
    """A publisher whose thread holds frame 0 and cannot send it."""
    with single.FramePublisher("tcp://127.0.0.1:0") as publisher:
        publisher._socket = socket = BusySocket(publisher._socket)
        publisher.send(PIXELS)
        assert socket.reached.wait(30)
        yield publisher
        socket.free.set()


def waiting_numbers(publisher):
    return [msgpack.unpackb(header)["seq"] for header, _ in publisher._waiting]


def test_frames_that_come_too_fast_are_dropped_oldest_first_and_counted(single, busy):
    for number in range(1, single.MAX_WAITING + 4):
        assert busy.send(PIXELS) == number
    assert busy.dropped == 3
    assert waiting_numbers(busy) == list(range(4, single.MAX_WAITING + 4))


def test_what_waits_is_bounded_in_bytes_too(single, busy, monkeypatch):
    monkeypatch.setattr(single, "MAX_WAITING_BYTES", 3 * PIXELS.nbytes)
    for _ in range(5):
        busy.send(PIXELS)
    assert (busy.dropped, waiting_numbers(busy)) == (2, [3, 4, 5])
    busy.send(np.zeros((64, 64), "u2"))  # larger than all that may wait: it is kept alone
    assert (busy.dropped, waiting_numbers(busy)) == (5, [6])


def test_what_was_dropped_is_a_gap_where_frames_arrive(single, busy):
    source = livedetect.open_source(busy.endpoint)
    items = []
    thread = threading.Thread(target=lambda: items.extend(source), daemon=True)
    for _ in range(single.MAX_WAITING + 4):
        busy.send(PIXELS)
    thread.start()
    busy._socket.free.set()
    # the first frames go to nobody until the listener is there
    deadline = time.monotonic() + 30
    while not any(isinstance(item, Frame) for item in items):
        assert time.monotonic() < deadline
        busy.send(PIXELS)
        threading.Event().wait(0.05)
    last = busy.send(PIXELS)
    busy.close()
    thread.join(20)
    seen = sum(isinstance(item, Frame) for item in items)
    missing = sum(item.missing_frames for item in items if isinstance(item, Gap))
    assert busy.dropped >= 4
    assert missing >= busy.dropped
    assert seen + missing == last + 1


def test_nothing_is_taken_after_it_was_closed(single):
    publisher = single.FramePublisher("tcp://127.0.0.1:0")
    publisher.send(PIXELS)
    publisher.close()
    publisher.close("abort")  # says nothing any more
    with pytest.raises(ValueError, match="closed"):
        publisher.send(PIXELS)
    with pytest.raises(ValueError, match="success, abort, fail"):
        publisher.close("done")


def test_a_port_that_is_taken_is_said_and_left_alone(single):
    with single.FramePublisher("tcp://127.0.0.1:0") as first, pytest.raises(zmq.ZMQError):
        single.FramePublisher(first.endpoint)
    # nothing of the failed one is left that would hold the address
    single.FramePublisher(first.endpoint).close()


def test_its_frames_arrive_from_a_program_without_livedetect(tmp_path):
    (tmp_path / FILE.name).write_text(FILE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "camera.py").write_text(PROGRAM, encoding="ascii")
    command = [sys.executable, tmp_path / "camera.py"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as camera:
        source = livedetect.open_source(camera.stdout.readline().strip())
        go = threading.Timer(1.0, lambda: (camera.stdin.write("go\n"), camera.stdin.flush()))
        go.start()
        items = list(source)
        camera.stdin.close()
        assert camera.wait(20) == 0
    frames = [item for item in items if isinstance(item, Frame)]
    assert [float(frame.data[0, 0]) for frame in frames] == [float(n) for n in range(12)]
    assert frames[0].calibration.pixel_size_nm == 0.02


def test_with_keys_it_lets_in_whom_it_knows(single, tmp_path):
    from livedetect.stream.curve import create_keys

    producer, subscriber = create_keys(tmp_path / "keys")
    items = []
    with single.FramePublisher("tcp://127.0.0.1:0", curve=str(producer)) as publisher:
        source = livedetect.open_source(f"{publisher.endpoint}?curve={subscriber}")
        thread = threading.Thread(target=lambda: items.extend(source), daemon=True)
        thread.start()
        # frames before the keys are checked go to nobody: send until one has arrived
        for number in range(200):
            publisher.send(np.full((8, 8), number, np.uint8))
            if any(isinstance(item, Frame) for item in items):
                break
            threading.Event().wait(0.05)
    thread.join(10)
    assert any(isinstance(item, Frame) for item in items)
    assert not thread.is_alive()


TALL = np.arange(64 * 8, dtype="<u2").reshape(64, 8)


def send_in_rows(publisher, blocks, upto=64):
    for first in range(0, upto, 64 // blocks):
        publisher.send_rows(TALL[first : first + 64 // blocks], first, 64, pixel_size_nm=0.02)


def received(single, send):
    """Frames that a source gives when `send(publisher)` has sent all."""
    with single.FramePublisher("tcp://127.0.0.1:0") as publisher:
        source, items = livedetect.open_source(publisher.endpoint), []
        thread = threading.Thread(target=lambda: items.extend(source), daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not items:  # the first frames go to nobody until the listener is there
            assert time.monotonic() < deadline
            joined = publisher.send(TALL)
            threading.Event().wait(0.05)
        send(publisher)
    thread.join(20)
    frames = [item for item in items if isinstance(item, Frame) and item.index > joined]
    return [(frame.index - joined, frame.valid_rows, frame.data) for frame in frames]


@pytest.mark.parametrize("blocks", [1, 4, 64])
def test_frames_sent_in_rows_arrive_whole(single, blocks):
    frames = received(single, lambda p: [send_in_rows(p, blocks) for _ in range(3)])
    assert [(number, rows) for number, rows, _ in frames] == [(1, None), (2, None), (3, None)]
    assert all((data == TALL).all() for _, _, data in frames)


def test_a_scan_that_is_aborted_needs_no_word(single):
    def send(publisher):
        send_in_rows(publisher, 4, upto=32)
        send_in_rows(publisher, 4, upto=16)
        publisher.send(TALL)

    frames = received(single, send)
    assert [(number, rows) for number, rows, _ in frames] == [(1, 32), (2, 16), (3, None)]


def test_rows_that_do_not_follow_are_refused(single):
    with single.FramePublisher("tcp://127.0.0.1:0") as publisher:
        publisher.send_rows(TALL[:16], 0, 64)
        for first, block in ((32, TALL[32:48]), (16, TALL[16:32, :4]), (16, TALL[16:32] * 0.5)):
            with pytest.raises(ValueError, match="follow"):
                publisher.send_rows(block, first, 64)
        with pytest.raises(ValueError, match="follow"):
            publisher.send_rows(TALL, 16, 64)
        assert publisher.send_rows(TALL[16:], 16, 64) == 0


def test_a_frame_in_rows_waits_as_one_and_is_dropped_as_one(single, busy):
    for _ in range(single.MAX_WAITING + 2):
        send_in_rows(busy, 4)
    assert busy.dropped == 2
    assert set(waiting_numbers(busy)) == set(range(3, single.MAX_WAITING + 3))
    assert len(waiting_numbers(busy)) == 4 * single.MAX_WAITING
