"""Bytes of LDF/1: golden, round trips, and what strangers may send."""

import dataclasses
import json
import random
from pathlib import Path

import msgpack
import numpy as np
import pytest

from livedetect.errors import ProtocolError
from livedetect.stream import wire_frames as wire
from livedetect.stream.wire import VersionError, decode_map, encode_map

ORIGIN = wire.Origin(stream="swift/HAADF", session="s1", epoch=bytes(range(16)))
PIXELS = np.array([[0, 1, 2], [3, 4, 65535]], dtype="<u2")
AXIS = wire.Axis(scale=0.02, offset=-1.5, units="nm")
HEADER = wire.FrameHeader(
    origin=ORIGIN,
    seq=7,
    t_ns=1_700_000_000_000_000_000,
    mono_ns=123_456_789,
    dtype="<u2",
    shape=(2, 3),
    cal=(AXIS, AXIS),
    details={
        "crc32": wire.crc32(PIXELS),
        "sat": 65535,
        "dwell_us": 2.0,
        "current_pA": 50.5,
        "scan_id": "scan-1",
        "src": "test",
        "meta": {"magnification": 5e6},
    },
)
BLOCK = PIXELS[1:]
ROWS = dataclasses.replace(
    HEADER, rows=(1, 2), details={**HEADER.details, "crc32": wire.crc32(BLOCK)}
)
# what other programs rely on: a change of these bytes is a new version of the protocol
GOLDEN = {
    name: bytes.fromhex(text)
    for name, text in json.loads(
        Path(__file__).with_name("golden_ldf1.json").read_text(encoding="ascii")
    ).items()
}
MUTATIONS = 4_000


def control(kind, last_seq=-1, status=""):
    return wire.Control(kind=kind, origin=ORIGIN, last_seq=last_seq, status=status)


CONTROLS = {
    "start": control("start"),
    "heartbeat": control("heartbeat", 7),
    "end": control("end", 7, "success"),
}


def messages():
    header, pixels = wire.encode_frame(HEADER, PIXELS)
    rows_header, rows_pixels = wire.encode_frame(ROWS, BLOCK)
    return {
        "frame_header": header,
        "frame_pixels": bytes(pixels),
        "rows_header": rows_header,
        "rows_pixels": bytes(rows_pixels),
        **{name: wire.encode_control(message)[0] for name, message in CONTROLS.items()},
    }


def changed(**keys):
    """The golden header with `keys` changed; None takes a key away."""
    message = decode_map(GOLDEN["frame_header"], 10_000) | keys
    return [encode_map({k: v for k, v in message.items() if v is not None}), PIXELS.tobytes()]


def decode(parts):
    header = wire.decode_header(parts)
    return wire.decode_pixels(header, parts[1]) if len(parts) == 2 else header


def test_messages_have_the_agreed_bytes():
    assert messages() == GOLDEN


def test_golden_frame_reads_back():
    header = wire.decode_header([GOLDEN["frame_header"], GOLDEN["frame_pixels"]])
    assert header == HEADER
    pixels = wire.decode_pixels(header, GOLDEN["frame_pixels"])
    np.testing.assert_array_equal(pixels, PIXELS)
    assert not pixels.flags.writeable


def test_golden_rows_read_back():
    header = wire.decode_header([GOLDEN["rows_header"], GOLDEN["rows_pixels"]])
    assert header == ROWS
    np.testing.assert_array_equal(wire.decode_pixels(header, GOLDEN["rows_pixels"]), BLOCK)


@pytest.mark.parametrize("name", CONTROLS)
def test_golden_controls_read_back(name):
    assert wire.decode_header([GOLDEN[name]]) == CONTROLS[name]


@pytest.mark.parametrize("dtype", wire.DTYPES)
def test_every_dtype_travels(dtype):
    pixels = np.arange(6).reshape(2, 3).astype(dtype)
    header = dataclasses.replace(HEADER, dtype=dtype, details={"crc32": wire.crc32(pixels)})
    read = decode(wire.encode_frame(header, pixels))
    np.testing.assert_array_equal(read, pixels)
    assert read.dtype == pixels.dtype


@pytest.mark.parametrize(
    ("given", "sent"),
    [(">u2", "<u2"), ("f2", "<f4"), ("?", "|u1"), ("i1", "<i2"), (">f8", "<f8"), ("u1", "|u1")],
)
def test_other_dtypes_are_converted_where_nothing_is_lost(given, sent):
    array = np.array([[0, 1], [1, 0]]).astype(given)
    assert wire.sendable(array).dtype.str == sent
    np.testing.assert_array_equal(wire.sendable(array), array.astype(float))


@pytest.mark.parametrize("array", [np.zeros((2, 2), complex), np.zeros(4), np.zeros((0, 4)), "x"])
def test_what_is_no_frame_is_not_sent(array):
    with pytest.raises(ProtocolError):
        wire.sendable(array)


def test_views_are_sent_in_c_order():
    view = np.arange(12, dtype="<u2").reshape(3, 4).T[::2]
    header = dataclasses.replace(HEADER, shape=view.shape, details={})
    np.testing.assert_array_equal(decode(wire.encode_frame(header, wire.sendable(view))), view)


def test_unaligned_pixels_are_copied():
    buffer = memoryview(b"\0" + PIXELS.tobytes())[1:]
    read = wire.decode_pixels(HEADER, buffer)
    assert read.flags.aligned
    np.testing.assert_array_equal(read, PIXELS)


def test_unknown_keys_are_ignored():
    parts = changed(future={"a": [1]})
    assert wire.decode_header(parts) == HEADER


WRONG = {
    "another protocol": {"p": "dectris"},
    "no kind": {"kind": None},
    "kind of another type": {"kind": ["frame"]},
    "object dtype": {"dtype": "|O"},
    "structured dtype": {"dtype": "<u2,<u2"},
    "big-endian dtype": {"dtype": ">u2"},
    "negative edge": {"shape": [-2, -3]},
    "three edges": {"shape": [2, 3, 1]},
    "fractional edge": {"shape": [2.0, 3.0]},
    "true edge": {"shape": [True, 6]},
    "huge edge": {"shape": [2**40, 2**40]},
    "huge frame": {"shape": [32768, 32768]},
    "other size": {"shape": [3, 3]},
    "negative seq": {"seq": -1},
    "huge seq": {"seq": 2**60},
    "negative time": {"t_ns": -1},
    "huge time": {"mono_ns": 2**64 - 1},
    "short epoch": {"epoch": b"1"},
    "text epoch": {"epoch": "0" * 16},
    "no stream": {"stream": ""},
    "long stream": {"stream": "x" * 1000},
    "one axis": {"cal": [{"scale": 1.0, "offset": 0.0, "units": ""}]},
    "axis of text": {"cal": ["nm", "nm"]},
    "axis without units": {"cal": [{"scale": 1.0, "offset": 0.0}] * 2},
    "wrong checksum": {"crc32": 1},
    "checksum of another type": {"crc32": "1"},
    "meta of another type": {"meta": [1]},
    "dwell time of another type": {"dwell_us": "2"},
}


@pytest.mark.parametrize("keys", WRONG.values(), ids=WRONG)
def test_wrong_headers_are_refused(keys):
    with pytest.raises(ProtocolError) as caught:
        decode(changed(**keys))
    assert not isinstance(caught.value, VersionError)


@pytest.mark.parametrize("version", [2, 0, "1", None, True])
def test_other_versions_are_told_apart(version):
    with pytest.raises(VersionError):
        wire.decode_header(changed(v=version))


NESTED = msgpack.packb({"meta": 1})[:-1] + b"\x91" * 900 + b"\x01"
PARTS = {
    "no parts": [],
    "one part of a frame": [GOLDEN["frame_header"]],
    "three parts": [GOLDEN["frame_header"], b"", b""],
    "two parts of a control": [GOLDEN["start"], b""],
    "empty": [b"", b""],
    "pickle": [b"\x80\x04N.", b""],
    "text": [b"GET / HTTP/1.1\r\n\r\n"],
    "long header": [b"\x81\xa1p\xda" + b"\xff\xff" + b"x" * 70_000, b""],
    "deep nesting": [NESTED, b""],
    "extension type": [msgpack.packb({"p": msgpack.ExtType(1, b"x")}), b""],
    "end without a status": [encode_map(decode_map(GOLDEN["end"], 999) | {"status": "gone"})],
    "heartbeat of -2": [encode_map(decode_map(GOLDEN["heartbeat"], 999) | {"seq": -2})],
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_wrong_parts_are_refused(parts):
    with pytest.raises(ProtocolError):
        decode(parts)


def test_truncated_pixels_are_refused():
    with pytest.raises(ProtocolError, match="bytes of pixels"):
        decode([GOLDEN["frame_header"], GOLDEN["frame_pixels"][:-1]])


def mutated(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(data))
        action = rng.randrange(4)
        if action == 0:
            data[place] = rng.randrange(256)
        elif action == 1:
            del data[place : place + rng.randint(1, 8)]
        elif action == 2:
            data[place:place] = rng.randbytes(rng.randint(1, 8))
        else:
            data[place:place] = data[rng.randrange(len(data)) :][:64]
        if not data:
            break
    return bytes(data)


def fuzz(count, seed):
    """Decode `count` mutations; what passes must be a frame or a control, and is counted."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    kinds = [[GOLDEN["frame_header"], GOLDEN["frame_pixels"]], *([GOLDEN[k]] for k in CONTROLS)]
    passed = 0
    for number in range(count):
        parts = list(kinds[number % 2 and number // 2 % len(kinds)])
        parts[0] = mutated(rng, parts[0])
        if len(parts) == 2 and rng.random() < 0.2:
            parts[1] = mutated(rng, parts[1])
        try:
            read = decode(parts)
        except ProtocolError:
            continue
        passed += 1
        assert isinstance(read, (wire.Control, np.ndarray))
    return passed


def test_mutations_give_protocol_errors_only():
    assert 0 < fuzz(MUTATIONS, 1) < MUTATIONS


@pytest.mark.slow
def test_many_mutations_give_protocol_errors_only():
    assert 0 < fuzz(200_000, 2) < 200_000
