"""Frames of karabo-bridge and of DECTRIS Stream V2, in messages of their own libraries."""

import random
import threading
import time

import numpy as np
import pytest
import zmq

from livedetect.errors import MissingExtraError, ProtocolError
from livedetect.settings import Settings
from livedetect.stream.registry import open_source
from livedetect.types import Frame, Notice
from livedetect_adapters import dectris
from livedetect_adapters.dialects import Dialects
from livedetect_adapters.frame_order import FrameOrder

SOURCE = "SPB_STEM/CAM/1:output"


def image(number):
    return np.full((12, 16), number, np.uint16)


def train(tid, array=None, **more):
    serializer = pytest.importorskip("karabo_bridge.serializer")
    data = {SOURCE: {"data.image": image(tid) if array is None else array, "gain": 3, **more}}
    meta = {SOURCE: {"source": SOURCE, "timestamp": 1.7e9, "timestamp.tid": tid}}
    return [bytes(part) for part in serializer.serialize(data, meta)]


def typed(array, tag=69):
    cbor2 = pytest.importorskip("cbor2")
    return cbor2.CBORTag(40, [list(array.shape), cbor2.CBORTag(tag, array.tobytes())])


def series(kind, number=0, data=None, unique="series-1", **more):
    cbor2 = pytest.importorskip("cbor2")
    message = {"type": kind, "series_id": 1, "series_unique_id": unique}
    if kind == "image":
        message |= {
            "image_id": number,
            "start_time": [number * 500_000, 1_000_000],
            "data": data or {"threshold_1": typed(image(number))},
        }
    return [cbor2.dumps(message | more)]


class Taking:
    """A `FrameOrder` that is given message after message."""

    def __init__(self, wanted=None):
        self.order = FrameOrder(wanted, Settings())
        self.items, self.aside = [], []
        self.order.divert(self.aside.append)

    def take(self, *messages):
        for number, parts in enumerate(messages):
            self.items += self.order.take(parts, 0.1 * number)
        return self

    @property
    def frames(self):
        return [item for item in self.items if isinstance(item, Frame)]


def test_a_train_becomes_a_frame_numbered_from_the_first():
    taken = Taking().take(*(train(tid) for tid in (1000, 1001, 1004)))
    assert [frame.index for frame in taken.frames] == [0, 1, 4]
    assert [item.missing_frames for item in taken.items if not isinstance(item, Frame)] == [2]
    frame = taken.frames[1]
    np.testing.assert_array_equal(frame.data, image(1001))
    assert frame.stream == f"{SOURCE}/data.image"
    assert (frame.scan_id, frame.meta["src"]) == ("1001", "karabo-bridge")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_pixels_of_every_type_come_as_they_were_sent(dtype):
    pixels = np.arange(12, dtype=dtype).reshape(3, 4)
    (frame,) = Taking().take(train(1, pixels)).frames
    np.testing.assert_array_equal(frame.data, pixels)
    assert frame.data.dtype == pixels.dtype


def test_trains_that_begin_again_are_a_restart():
    taken = Taking().take(*(train(tid) for tid in (50, 51, 3, 4)))
    assert [frame.index for frame in taken.frames] == [0, 1, 2, 3]
    assert [item.event for item in taken.items if isinstance(item, Notice)] == ["source_restarted"]


def test_several_images_of_a_train_are_channels():
    taken = Taking().take(train(7, dark=image(1), spectrum=np.zeros(9)), train(8, dark=image(2)))
    assert [frame.stream for frame in taken.frames] == [f"{SOURCE}/data.image"] * 2
    assert [frame.stream for frame in taken.aside] == [f"{SOURCE}/dark"] * 2
    assert taken.order.counts == {"other_channels": 2}


def test_what_would_be_unpickled_is_refused():
    serializer = pytest.importorskip("karabo_bridge.serializer")
    data = {SOURCE: {"image": image(1), "strange": np.array([print], dtype=object)}}
    parts = serializer.serialize(data, {SOURCE: {"timestamp.tid": 1}}, protocol_version="1.0")
    (notice,) = Taking().take([bytes(part) for part in parts]).items
    assert "protocol_version='2.2'" in notice.values["reason"]
    assert notice.values["refused"] == "other_version"


def test_objects_in_a_train_are_no_frames():
    parts = train(1)
    parts[2] = parts[2].replace(b"\xa6uint16", b"\xa6object")
    taken = Taking().take(parts)
    assert not taken.frames
    assert taken.order.counts == {"foreign": 1}


def test_a_series_from_its_start_to_its_end():
    taken = Taking().take(
        series("start", saturation_value=65534, number_of_images=9),
        *(series("image", number) for number in (0, 1, 3)),
        series("end"),
    )
    assert [frame.index for frame in taken.frames] == [0, 1, 3]
    assert [frame.time_s for frame in taken.frames] == [0.0, 0.5, 1.5]
    np.testing.assert_array_equal(taken.frames[2].data, image(3))
    assert taken.frames[0].stream == "dectris/threshold_1"
    assert taken.frames[0].saturation_value == 65534.0
    assert taken.order.ended


def test_thresholds_are_channels_and_another_series_is_a_restart():
    both = {"threshold_1": typed(image(1)), "threshold_2": typed(image(2))}
    taken = Taking("dectris/threshold_2").take(
        series("image", 0, both), series("image", 0, both, unique="series-2")
    )
    assert [frame.index for frame in taken.frames] == [0, 1]
    assert {frame.data[0, 0] for frame in taken.frames} == {2}
    assert len(taken.aside) == 2
    assert "source_restarted" in [item.event for item in taken.items if isinstance(item, Notice)]


def test_compressed_frames_say_what_to_do():
    cbor2 = pytest.importorskip("cbor2")
    packed = cbor2.CBORTag(69, cbor2.CBORTag(56500, ["bslz4", 2, b"123"]))
    parts = series("image", 0, {"threshold_1": cbor2.CBORTag(40, [[12, 16], packed])})
    (notice,) = Taking().take(parts).items
    assert "compression" in notice.values["reason"]


def test_without_its_package_the_extra_is_named(monkeypatch):
    parts = series("image", 0)
    monkeypatch.setitem(__import__("sys").modules, "cbor2", None)
    with pytest.raises(MissingExtraError, match=r"livedetect\[dectris\]"):
        Dialects().read(parts)


def mutated(parts, rng):
    parts = [bytearray(part) for part in parts]
    for _ in range(rng.randint(1, 6)):
        part = rng.choice(parts)
        if not part:
            continue
        place = rng.randrange(len(part))
        change = rng.randrange(3)
        if change == 0:
            part[place] = rng.randrange(256)
        elif change == 1:
            del part[place : place + rng.randint(1, 9)]
        else:
            part[place:place] = rng.randbytes(rng.randint(1, 9))
    return [bytes(part) for part in parts[: rng.randint(1, len(parts))]]


@pytest.mark.parametrize("sample", [train, lambda n: series("image", n)], ids=["karabo", "dectris"])
def test_mutations_give_protocol_errors_only(sample):
    rng = random.Random(0)  # noqa: S311 - no secrets here
    kept, dialects = sample(5), Dialects()
    outcomes = {True: 0, False: 0}
    for _ in range(4000):
        try:
            dialects.read(mutated(kept, rng))
            outcomes[True] += 1
        except ProtocolError:
            outcomes[False] += 1
    assert outcomes[False] > 1000


def test_deep_nesting_is_an_error_like_any_other():
    deep = b"\xa1\x64type" + b"\x81" * 100_000
    with pytest.raises(ProtocolError):
        dectris.DectrisStream().read([deep])


def collect(address, wanted):
    stop = threading.Event()
    items = []
    source = open_source(address, stop=stop)

    def follow():
        for item in source:
            items.append(item)
            if sum(isinstance(entry, Frame) for entry in items) >= wanted:
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    return items, thread, stop


@pytest.mark.parametrize("kind", ["REP", "PUSH", "PUB"])
def test_a_bridge_is_listened_to_however_it_serves(kind):
    server = pytest.importorskip("karabo_bridge.server")
    with server.ServerInThread("tcp://127.0.0.1:*", sock=kind, maxlen=2) as bridge:
        items, thread, stop = collect(bridge.endpoint, wanted=5)
        tid, deadline = 100, time.monotonic() + 20
        while thread.is_alive() and time.monotonic() < deadline:
            data = {SOURCE: {"image": image(tid), "metadata": {"timestamp.tid": tid}}}
            if not bridge.buffer.full():
                bridge.feed(data)
                tid += 1
            thread.join(0.02)
        stop.set()
        thread.join(5)
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(frames) == 5
    assert all(frame.data[0, 0] == int(frame.scan_id) for frame in frames)


def test_a_detector_that_pushes_is_pulled_from():
    context = zmq.Context()
    with context.socket(zmq.PUSH) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        items, thread, stop = collect(f"tcp://127.0.0.1:{port}", wanted=99)
        for parts in (series("start"), *(series("image", n) for n in range(6)), series("end")):
            socket.send(parts[0])
        thread.join(20)
        stop.set()
        assert not thread.is_alive(), "the end of the series is the end"
    context.term()
    frames = [item for item in items if isinstance(item, Frame)]
    assert [frame.index for frame in frames] == list(range(6))
    notices = [item for item in items if isinstance(item, Notice)]
    assert "pulls" in notices[0].values["reason"]
