"""The plug-in's end of the wire: the same golden bytes as livedetect's, and no livedetect."""

import importlib.util
import json
from pathlib import Path

import msgpack
import numpy as np
import pytest

from livedetect.errors import ProtocolError
from livedetect.stream import wire_frames, wire_requests

ROOT = Path(__file__).resolve().parents[2]
PLUG_IN = ROOT / "adapters" / "nionswift" / "nionswift_plugin" / "livedetect_bridge"
PIXELS = np.array([[0, 1, 2], [3, 4, 65535]], dtype="<u2")


def golden(name):
    text = (ROOT / "tests" / "stream" / name).read_text(encoding="ascii")
    return {key: bytes.fromhex(value) for key, value in json.loads(text).items()}


LDF = golden("golden_ldf1.json")
LDR = golden("golden_ldr1.json")


@pytest.fixture(scope="module")
def wire():
    spec = importlib.util.spec_from_file_location("nion_wire", PLUG_IN / "wire.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def origin(wire):
    return wire.Origin("swift/HAADF", "s1", bytes(range(16)))


def header_from(wire, told):
    rest = ("crc32", "sat", "dwell_us", "current_pA", "scan_id", "src", "meta")
    return wire.FrameHeader(
        seq=told["seq"],
        t_ns=told["t_ns"],
        mono_ns=told["mono_ns"],
        cal=tuple((axis["scale"], axis["offset"], axis["units"]) for axis in told["cal"]),
        details={name: told[name] for name in rest},
    )


def test_a_frame_has_the_golden_bytes(wire, origin):
    told = msgpack.unpackb(LDF["frame_header"])
    pixels = wire.sendable(PIXELS)
    header, buffer = wire.frame_parts(origin, header_from(wire, told), pixels)
    assert header == LDF["frame_header"]
    assert bytes(buffer) == LDF["frame_pixels"]


@pytest.mark.parametrize(("kind", "last_seq"), [("start", -1), ("heartbeat", 7), ("end", 7)])
def test_controls_have_the_golden_bytes(wire, origin, kind, last_seq):
    assert wire.control_parts(kind, origin, last_seq) == [LDF[kind]]


def test_what_is_not_known_is_left_out(wire, origin):
    header = wire.FrameHeader(seq=0, t_ns=1, mono_ns=1, details={"sat": None, "dwell_us": np.inf})
    parts = wire.frame_parts(origin, header, wire.sendable(np.zeros((2, 3), ">f4")))
    read = wire_frames.decode_header([bytes(part) for part in parts])
    assert read.dtype == "<f4"
    assert dict(read.details) == {}


@pytest.mark.parametrize(
    "array", [np.zeros(4), np.zeros((2, 2, 3)), np.zeros((2, 2), complex), np.zeros((0, 4))]
)
def test_what_cannot_travel_is_refused(wire, array):
    with pytest.raises(wire.WireError):
        wire.sendable(array)


def test_the_copy_is_ours_alone(wire):
    array = np.ones((4, 4), np.float32)
    copied = wire.sendable(array)
    array[:] = 7
    assert copied.max() == 1


@pytest.mark.parametrize("kind", ["result", "status"])
def test_golden_publications_are_understood(wire, kind):
    message = wire.decode_publication([LDR[kind]])
    assert (message["kind"], message["control"]) == (kind, 5592)
    assert LDR[kind].startswith(wire.STATE_PREFIX)


def test_tracks_of_the_golden_result(wire):
    [track] = wire.tracks(wire.decode_publication([LDR["result"]]))
    assert (track["defect_id"], track["x_px"], track["y_px"]) == (1, 2.5, 3.5)


def test_pictures_stay_at_the_engine(wire):
    assert not LDR["preview_header"].startswith(wire.STATE_PREFIX)
    assert wire.decode_publication([LDR["preview_header"], LDR["preview_image"]]) is None


def test_requests_and_replies(wire):
    assert wire.request(9, "dismiss", {"defect_id": 4}) == LDR["request"]
    assert wire.decode_reply(LDR["reply"]) == ""
    assert wire.decode_reply(LDR["refusal"]) == "no"
    note = wire_requests.decode_request(wire.request(1, "note", {"text": "x", "by": "nionswift"}))
    assert wire_requests.command(note).name == "note"


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\xde", msgpack.packb([1]), msgpack.packb({"p": "livedetect-results", "v": 2})],
)
def test_strangers_are_refused(wire, data):
    with pytest.raises(wire.WireError):
        wire.decode_publication([data])


def test_whatever_the_fuzz_makes_of_a_result_nothing_else_is_raised(wire):
    random = np.random.default_rng(0)
    for _ in range(3000):
        data = bytearray(LDR["result"])
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(0, 256)
        try:
            message = wire.decode_publication([bytes(data)])
        except wire.WireError:
            continue
        wire.tracks(message or {})


def test_the_plug_in_never_imports_livedetect():
    for path in PLUG_IN.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import livedetect\n" not in text
        assert "from livedetect" not in text


def test_livedetect_refuses_what_the_plug_in_would_not_send():
    with pytest.raises(ProtocolError):
        wire_frames.decode_header([LDF["start"], b""])
