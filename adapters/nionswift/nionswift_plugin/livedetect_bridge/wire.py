"""What travels between Swift and livedetect: LDF/1 out, LDR/1 in; pure functions.

A second writer of LDF/1, on purpose: the plug-in lives in Swift's own Python, under Swift's
licence, and must not need livedetect there. livedetect's `docs/publishing.md` and the golden bytes
in both test suites hold the two ends together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

FRAMES_PROTOCOL = "livedetect"
RESULTS_PROTOCOL = "livedetect-results"
VERSION = 1
DTYPES = ("|u1", "<u2", "<u4", "<i2", "<i4", "<f4", "<f8")
MAX_EDGE_PX = 32_768
MAX_FRAME_BYTES = 512 * 2**20
MAX_PUBLICATION_BYTES = 16 * 2**20
STATE_PREFIX = b"\xde"
"""First byte of every ``result`` and ``status``, which have 16 keys or more; previews have
fewer, so that a subscription to this byte leaves the pictures at the engine."""

_COUNTS = {"epoch": (str,), "control": (int,), "frame": (int,), "events": (list,)}
_TRACKS = ("defect_id", "x_px", "y_px", "first_seen_frame", "at_start")


class WireError(ValueError):
    """A message that is none of the protocol, or an array that cannot travel."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message comes from; part of every message of LDF/1."""

    stream: str
    """Name of the channel, for example ``swift/HAADF``."""
    session: str
    """Name of this start of the bridge."""
    epoch: bytes
    """16 random bytes, new at every start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHeader:
    """What is said of a frame beside its pixels."""

    seq: int
    """Number of the frame in its stream and epoch, from 0."""
    t_ns: int
    """When it was complete, UTC, ns since 1970."""
    mono_ns: int
    """The same on a monotonic clock, ns."""
    cal: tuple[tuple[float, float, str], ...] = ((1.0, 0.0, ""), (1.0, 0.0, ""))
    """Scale, offset and units of both axes (y, x)."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Optional keys of LDF/1; those without a value are left out."""


def sendable(array: Any) -> NDArray[Any]:
    """A copy (H, W) of `array` that can travel; raises `WireError` for what cannot."""
    data = np.asarray(array)
    name = data.dtype.newbyteorder("<").str
    if data.ndim != 2 or name not in DTYPES:
        raise WireError(f"a frame is (H, W) of real numbers, not {data.shape} of {data.dtype}")
    if not all(1 <= edge <= MAX_EDGE_PX for edge in data.shape) or data.nbytes > MAX_FRAME_BYTES:
        raise WireError(f"a frame of {data.shape} cannot be sent")
    return np.array(data, dtype=name, order="C", copy=True)


def frame_parts(origin: Origin, header: FrameHeader, pixels: NDArray[Any]) -> list[Any]:
    """The two parts of a frame; `pixels` as `sendable` gives them."""
    message = {
        **_envelope("frame", origin),
        "seq": header.seq,
        "t_ns": header.t_ns,
        "mono_ns": header.mono_ns,
        "dtype": pixels.dtype.str,
        "shape": list(pixels.shape),
        "cal": [{"scale": a[0], "offset": a[1], "units": a[2]} for a in header.cal],
        **{name: value for name, value in header.details.items() if _travels(value)},
    }
    return [msgpack.packb(message, use_bin_type=True), pixels.data.cast("B")]


def control_parts(kind: str, origin: Origin, last_seq: int, status: str = "success") -> list[bytes]:
    """The one part of a ``start``, ``heartbeat`` or ``end``."""
    message = _envelope(kind, origin)
    if kind == "heartbeat":
        message["seq"] = last_seq
    if kind == "end":
        message.update(n_frames=last_seq + 1, last_seq=last_seq, status=status)
    return [msgpack.packb(message, use_bin_type=True)]


def _envelope(kind: str, origin: Origin) -> dict[str, Any]:
    return {
        "p": FRAMES_PROTOCOL,
        "v": VERSION,
        "kind": kind,
        "stream": origin.stream,
        "session": origin.session,
        "epoch": origin.epoch,
    }


def _travels(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def decode_publication(parts: Sequence[bytes]) -> dict[str, Any] | None:
    """A ``result`` or ``status`` of the engine; None for a preview.

    Raises `WireError` for what is no publication of version 1.
    """
    message = _unpacked(parts[0])
    if message.get("p") != RESULTS_PROTOCOL or message.get("v") != VERSION:
        raise WireError("not a publication of livedetect-results, version 1")
    if message.get("kind") == "preview":
        return None
    if message.get("kind") not in ("result", "status"):
        raise WireError("unknown kind of publication")
    for key, kinds in _COUNTS.items():
        if type(message.get(key)) not in kinds:
            raise WireError(f"{key} is missing or of the wrong type")
    if not all(isinstance(event, dict) for event in message["events"]):
        raise WireError("an event must be a map")
    return message


def _unpacked(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_PUBLICATION_BYTES:
        raise WireError("message too long")
    try:
        message = msgpack.unpackb(data, raw=False, strict_map_key=True, max_ext_len=0)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise WireError(f"not a msgpack map ({type(error).__name__})") from None
    if not isinstance(message, dict):
        raise WireError("not a map")
    return message


def tracks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The defects that a ``result`` holds, in its frame's pixels; empty where there are none."""
    columns = message.get("tracks")
    if not isinstance(columns, dict) or any(not isinstance(columns.get(n), list) for n in _TRACKS):
        return []
    rows = zip(*(columns[name] for name in _TRACKS), strict=False)
    return [dict(zip(_TRACKS, row, strict=True)) for row in rows]


def request(request_id: int, cmd: str, args: Mapping[str, Any]) -> bytes:
    """A request to the engine's ROUTER socket."""
    message = {"p": RESULTS_PROTOCOL, "v": VERSION, "id": request_id, "cmd": cmd, "args": {**args}}
    packed: bytes = msgpack.packb(message, use_bin_type=True)
    return packed


def decode_reply(data: bytes) -> str:
    """Why a request was refused; empty if it was taken."""
    reply = _unpacked(data)
    return "" if reply.get("ok") is True else str(reply.get("error", "no reason was given"))
