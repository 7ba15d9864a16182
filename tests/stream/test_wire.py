"""Bytes of LDR/1: golden, round trips, and what strangers may send."""

import json
import random
from pathlib import Path

import msgpack
import numpy as np
import pytest

from livedetect.errors import ProtocolError
from livedetect.inspection import Inspection
from livedetect.stream import wire_requests
from livedetect.stream import wire_results as wire
from livedetect.stream.history import RunHistory
from livedetect.stream.status import SessionStatus
from livedetect.stream.wire import VersionError, decode_map, encode_map
from livedetect.stream.wire_pictures import decode_inspection, inspection_map, watched_map
from livedetect.types import FrameResult, NoticeEvent, Phase, Registration, Track

ENVELOPE = wire.Envelope(epoch="00" * 16, seq=7, control=5592)
STATUS = SessionStatus(
    frame=3,
    phase=Phase.LIVE,
    ledger={"received": 4, "missing": 1},
    frames_per_s=12.5,
    last_latency_ms=8.25,
    latency_ms={"p50": 8.0, "p95": None},
)
TRACK = Track(
    defect_id=1,
    x_px=2.5,
    y_px=3.5,
    x_nm=None,
    y_nm=None,
    kind="vacancy",
    confidence=0.5,
    score=6.0,
    first_seen_frame=2,
    confirmed_frame=3,
    last_seen_frame=3,
)
RESULT = FrameResult(
    frame=3,
    time_s=0.75,
    phase=Phase.LIVE,
    disposition="scored",
    events=(NoticeEvent(event="gap", frame=3, time_s=0.75, values={"missing_frames": 1}),),
    active_tracks=(TRACK,),
    registration=Registration(drift_x_px=1.25, drift_y_px=-0.5, gain=1.0, offset=0.0),
    dose_e_per_A2=4000.0,
    warm_up_done=12,
    warm_up_frames=12,
    threshold=4.5,
)
IMAGE = np.array([[0, 1], [2, 255]], dtype=np.uint8)
FIELDS = {
    "frame": 3,
    "frame_shape": [4, 4],
    "affine": [[2, 0, 0.5], [0, 2, 0.5]],
    "contrast": [18.0, 200.0],
    "tracks": wire.track_columns((TRACK,)),
    "dismissed": wire.track_columns(()),
    "drift_px": [-0.5, 1.25],
    "watched": watched_map(np.array([[True, False], [True, True]]), 2),
}

# what other programs rely on: a change of these bytes is a new version of the protocol
GOLDEN = {
    name: bytes.fromhex(text)
    for name, text in json.loads(
        Path(__file__).with_name("golden_ldr1.json").read_text(encoding="ascii")
    ).items()
}
MUTATIONS = 4_000
COUNTS = {"counts": {"active": 1, "total": 1, "new": 1}}


def test_messages_have_the_agreed_bytes():
    result = wire.result_message(ENVELOPE, RESULT, STATUS)
    made = {
        "result": encode_map(result | COUNTS),
        "status": encode_map(wire.status_message(ENVELOPE, STATUS) | COUNTS),
        "preview_header": encode_map(wire.preview_header(ENVELOPE, IMAGE, FIELDS)),
        "preview_image": IMAGE.tobytes(),
        "request": wire_requests.encode_request(9, "dismiss", {"defect_id": 4}),
        "reply": wire_requests.encode_reply(9, {"accepted": "stop"}),
        "refusal": wire_requests.encode_refusal(9, "no"),
    }
    assert made == GOLDEN


def test_golden_result_reads_back():
    message = wire.decode_publication([GOLDEN["result"]])
    assert message["frame"] == 3
    assert message["lost_frames"] == 1
    assert message["events"][0]["missing_frames"] == 1
    assert message["tracks"]["x_px"] == [2.5]
    assert message["drift_px"] == [-0.5, 1.25]
    assert message["latency_ms"] == {"last": 8.25, "p50": 8.0, "p95": None}


def test_golden_preview_reads_back():
    preview = wire.decode_publication([GOLDEN["preview_header"], GOLDEN["preview_image"]])
    np.testing.assert_array_equal(preview.image, IMAGE)
    np.testing.assert_array_equal(preview.affine @ (1, 1, 1), [2.5, 2.5])


def test_golden_request_reads_back():
    request = wire_requests.decode_request(GOLDEN["request"])
    assert (request.id, request.cmd) == (9, "dismiss")
    assert wire_requests.command(request).args == {"defect_id": 4}
    assert wire_requests.decode_reply(GOLDEN["reply"])["data"] == {"accepted": "stop"}
    assert wire_requests.decode_reply(GOLDEN["refusal"])["error"] == "no"


def test_values_that_cannot_travel_become_text():
    event = NoticeEvent(event="gap", frame=0, time_s=0.0, values={"where": Path("a"), "n": 1})
    message = wire.status_message(ENVELOPE, STATUS, (event,))
    decoded = wire.decode_publication([encode_map(message)])
    assert decoded["events"][0]["where"] == "a"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01",
        b"\x80\x80",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa1a\xc7\x00\x05",
        b"\x81\xa1a\xd6\xff\x00\x00\x00\x00",
        b"\x81\xa1a" + b"\x91" * 40 + b"\xc0",
        b"\x81\xa1a" + b"\x91" * 5000 + b"\xc0",
        b"\x81\xc4\x01a\x01",
        b"\x81\x01\x01",
        b"\x81\xa1a\xa1\xff",
        msgpack.packb({"a": float("nan")}),
        msgpack.packb({"a": [float("inf")]}),
    ],
)
def test_only_plain_maps_are_taken(data):
    with pytest.raises(ProtocolError):
        decode_map(data, 10_000)


def test_size_limit_comes_before_decoding():
    with pytest.raises(ProtocolError, match="at most 10"):
        decode_map(b"\x80" * 11, 10)


def test_what_is_no_plain_value_cannot_be_packed():
    with pytest.raises(ProtocolError, match="cannot be packed"):
        encode_map({"a": object()})


def test_another_version_says_so():
    message = {"p": "livedetect-results", "v": 2, "kind": "result"}
    with pytest.raises(VersionError, match="version 2, here 1"):
        wire.decode_publication([encode_map(message)])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"p": "other"}, "not a message"),
        ({"kind": "picture"}, "unknown kind"),
        ({"kind": ["result"]}, "unknown kind"),
        ({"epoch": None}, "epoch"),
        ({"seq": True}, "seq"),
        ({"phase": "lunch"}, "phase"),
        ({"events": [1]}, "event"),
        ({"events": [{"frame": 1}]}, "event"),
        ({"events": [{"event": [], "frame": 1}]}, "event"),
        ({"tracks": {}}, "defect_id"),
        ({"tracks": wire.track_columns((TRACK,)) | {"x_px": []}}, "unequal"),
        ({"tracks": wire.track_columns((TRACK,)) | {"x_px": ["1"]}}, "x_px"),
    ],
)
def test_malformed_results_are_refused(change, complaint):
    message = wire.result_message(ENVELOPE, RESULT, STATUS) | change
    with pytest.raises(ProtocolError, match=complaint):
        wire.decode_publication([encode_map(message)])


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "<f8"},
        {"dtype": "O"},
        {"dtype": "<u2"},
        {"shape": [2, 3]},
        {"shape": [1 << 31, 1 << 31]},
        {"shape": [-2, -2]},
        {"shape": [0, 4]},
        {"shape": [2.0, 2.0]},
        {"shape": [4]},
        {"affine": [[1, 0, 0]]},
        {"affine": [[1, 0], [0, 1]]},
        {"affine": "xy"},
        {"contrast": [1]},
        {"tracks": []},
    ],
)
def test_malformed_previews_are_refused(change):
    header = wire.preview_header(ENVELOPE, IMAGE, FIELDS) | change
    with pytest.raises(ProtocolError):
        wire.decode_publication([encode_map(header), IMAGE.tobytes()])


@pytest.mark.parametrize(
    ("cmd", "args"),
    [
        ("reboot", {}),
        ("stop", {"now": True}),
        ("accept", {}),
        ("dismiss", {"defect_id": "1"}),
        ("return_to_area", {"area_id": [0]}),
        ("roi", {"rectangle": [1, 2, 3]}),
        ("roi", {"rectangle": [5, 5, 5, 9]}),
        ("roi", {"rectangle": [0.5, 0, 1, 1]}),
        ("set_alarm", {"rule": "sometimes"}),
        ("set_alarm", {"limit": [1]}),
        ("set_alarm", {"limit": -1.0}),
    ],
)
def test_malformed_commands_are_refused(cmd, args):
    with pytest.raises(ProtocolError):
        wire_requests.command(
            wire_requests.decode_request(wire_requests.encode_request(1, cmd, args))
        )


@pytest.mark.parametrize(
    ("cmd", "args"),
    [
        ("rebaseline", {}),
        ("start_warm_up", {}),
        ("accept", {"defect_id": 3}),
        ("return_to_area", {"area_id": 0}),
        ("roi", {"rectangle": None}),
        ("roi", {"rectangle": [0, 0, 10, 10]}),
        ("set_alarm", {"rule": "count", "limit": 3}),
        ("stop", {}),
    ],
)
def test_commands_arrive_as_sent(cmd, args):
    command = wire_requests.command(
        wire_requests.decode_request(wire_requests.encode_request("a", cmd, args))
    )
    assert (command.name, command.args) == (cmd, args)


def _mutated(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed))
        changed[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 3))
        changed = changed or bytearray(1)
    return bytes(changed)


def test_mutations_yield_only_the_protocol_error():
    rng = random.Random(1)  # noqa: S311 - it must repeat itself
    readers = {
        "result": lambda data: RunHistory().add(wire.decode_publication([data])),
        "preview_header": lambda data: wire.decode_publication([data, GOLDEN["preview_image"]]),
        "request": lambda data: wire_requests.command(wire_requests.decode_request(data)),
        "reply": wire_requests.decode_reply,
    }
    refused = 0
    for number in range(MUTATIONS):
        name = list(readers)[number % len(readers)]
        try:
            readers[name](_mutated(rng, GOLDEN[name]))
        except ProtocolError:
            refused += 1
    assert refused > MUTATIONS // 2


def test_snapshot_of_a_history_gives_an_equal_history():
    history = RunHistory()
    history.add(wire.result_message(ENVELOPE, RESULT, STATUS))
    copy = RunHistory.from_snapshot(decode_map(encode_map(history.snapshot()), 100_000))
    assert copy.snapshot() == history.snapshot()


def test_mutated_snapshots_yield_only_the_protocol_error():
    history = RunHistory()
    history.add(wire.result_message(ENVELOPE, RESULT, STATUS))
    data = encode_map(history.snapshot())
    rng = random.Random(2)  # noqa: S311 - it must repeat itself
    refused = 0
    for _ in range(MUTATIONS // 4):
        try:
            RunHistory.from_snapshot(decode_map(_mutated(rng, data), 100_000))
        except ProtocolError:
            refused += 1
    assert refused > MUTATIONS // 16


def test_preview_tells_what_is_watched_and_how_far_the_specimen_moved():
    preview = wire.decode_publication([GOLDEN["preview_header"], GOLDEN["preview_image"]])
    blocks, block_px = preview.watched
    np.testing.assert_array_equal(blocks, [[True, False], [True, True]])
    assert block_px == 2
    assert preview.header["drift_px"] == [-0.5, 1.25]
    bare = {key: value for key, value in FIELDS.items() if key not in ("watched", "dismissed")}
    header = wire.preview_header(ENVELOPE, IMAGE, bare)
    assert wire.decode_preview(header, IMAGE.tobytes()).watched is None


@pytest.mark.parametrize(
    "watched", [{}, 3, {"block_px": 8, "shape": [9, 9], "bits": b"1"}, {"block_px": 0}]
)
def test_malformed_watched_blocks_are_refused(watched):
    header = wire.preview_header(ENVELOPE, IMAGE, FIELDS | {"watched": watched})
    with pytest.raises(ProtocolError):
        wire.decode_preview(header, IMAGE.tobytes())


def test_pictures_of_a_defect_travel_unchanged():
    ramp = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    ramp[0, 0] = np.nan
    shown = Inspection(
        defect_id=3, frame=40, x_px=1.5, y_px=2.5, edge_px=80.0, before=ramp, after=-ramp,
        residual=None, frames_before=12, frames_after=8, window_frames=2,
    )  # fmt: skip
    data = decode_map(encode_map(inspection_map(shown)), 100_000)
    back = decode_inspection(data)
    np.testing.assert_array_equal(back.after, -ramp)
    assert (back.defect_id, back.edge_px, back.residual) == (3, 80.0, None)
    with pytest.raises(ProtocolError, match="agreed size"):
        decode_inspection(data | {"before": b"1234"})
