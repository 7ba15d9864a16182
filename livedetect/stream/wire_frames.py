"""LDF/1, frames on the wire: messages as bytes and back, pure functions.

A frame travels in two parts, ``[msgpack map, raw C-order little-endian pixels]``; ``start``,
``heartbeat`` and ``end`` in one. Every frame's header says all there is to know about it, so
that a subscriber may join at any time. What comes from a socket is hostile until it has passed
`decode_header` and `decode_pixels`: whatever is wrong with it is a `ProtocolError` (another
major version a `VersionError`), and nothing is allocated before sizes have been compared.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livedetect.errors import ProtocolError
from livedetect.stream.wire import (
    check_keys,
    check_numbers,
    check_protocol,
    decode_map,
    encode_map,
)

FRAMES_PROTOCOL = "livedetect"
FRAMES_VERSION = 1
KINDS = ("start", "frame", "rows", "heartbeat", "end")
WITH_PIXELS = ("frame", "rows")
STATUSES = ("success", "abort", "fail")
MAX_HEADER_BYTES = 64 * 1024
MAX_EDGE_PX = 32_768
MAX_FRAME_BYTES = 512 * 2**20
MAX_NAME = 200
MAX_SEQ = 2**40
EPOCH_BYTES = 16
DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(name) for name in ("|u1", "<u2", "<u4", "<i2", "<i4", "<f4", "<f8")
}

_NUMBER = (int, float)
_TIME_MAX = 2**63
_NOTHING_YET = -1
_SENDABLE = {"f2": "<f4", "f16": "<f8", "f12": "<f8", "b1": "|u1", "i1": "<i2"}
_ORIGIN: dict[str, tuple[type, ...]] = {"stream": (str,), "session": (str,), "epoch": (bytes,)}
_FRAME: dict[str, tuple[type, ...]] = {
    "seq": (int,),
    "t_ns": (int,),
    "mono_ns": (int,),
    "dtype": (str,),
    "shape": (list,),
    "cal": (list,),
}
_OPTIONAL: dict[str, tuple[type, ...]] = {
    "crc32": (int,),
    "sat": _NUMBER,
    "dwell_us": _NUMBER,
    "current_pA": _NUMBER,
    "high_tension_kv": _NUMBER,
    "rotation_deg": _NUMBER,
    "scan_id": (str,),
    "src": (str,),
    "valid_rows": (int,),
    "meta": (dict,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a message comes from; part of every message."""

    stream: str
    """Name of the channel, for example ``swift/HAADF``."""
    session: str = ""
    """Name the producer gives to its run."""
    epoch: bytes
    """16 random bytes, new at every start of the producer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Calibration of one axis: value = offset + scale * pixel."""

    scale: float = 1.0
    """Size of a pixel, in `units`."""
    offset: float = 0.0
    """Of the first pixel, in `units`."""
    units: str = ""
    """For example ``nm``; empty for an axis that is not calibrated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHeader:
    """Checked header of a frame."""

    origin: Origin
    """Channel and start of the producer."""
    seq: int
    """Number of the frame in its stream and epoch, from 0."""
    t_ns: int
    """When it was complete, UTC, ns since 1970."""
    mono_ns: int
    """The same on the producer's monotonic clock, ns."""
    dtype: str
    """One of `DTYPES`."""
    shape: tuple[int, int]
    """Rows and columns."""
    cal: tuple[Axis, Axis] = (Axis(), Axis())
    """Calibration (y, x)."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """The optional keys that were there: crc32, sat, dwell_us, current_pA, meta, ..."""
    rows: tuple[int, int] | None = None
    """Of a block of rows: the first, and the one after the last; None for a whole frame."""

    @property
    def pixels(self) -> tuple[int, int]:
        """Rows and columns that travel with the header."""
        return self.shape if self.rows is None else (self.rows[1] - self.rows[0], self.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A checked ``start``, ``heartbeat`` or ``end``."""

    kind: str
    """start, heartbeat or end."""
    origin: Origin
    """Channel and start of the producer."""
    last_seq: int = _NOTHING_YET
    """Number of the last frame sent; -1 if there was none."""
    status: str = ""
    """Of an ``end``: success, abort or fail."""


# -- what is sent -------------------------------------------------------------------------


def sendable(array: ArrayLike) -> NDArray[Any]:
    """A little-endian copy (H, W) in C order of one of the dtypes that can travel.

    Half precision, bool and int8 are widened, long double is narrowed; raises `ProtocolError`
    for anything else that is no two-dimensional array of real numbers of an allowed size.
    """
    data = np.asarray(array)
    name = data.dtype.str[1:]
    name = _SENDABLE.get(name, "|u1" if name == "u1" else f"<{name}")
    if name not in DTYPES:
        raise ProtocolError(f"frames of {data.dtype} cannot be sent; convert to float32 or uint16")
    if data.ndim != 2 or not all(1 <= edge <= MAX_EDGE_PX for edge in data.shape):
        raise ProtocolError(f"a frame is (H, W), 1 to {MAX_EDGE_PX} px each, not {data.shape}")
    return np.array(data, dtype=DTYPES[name], order="C", copy=True)


def encode_frame(header: FrameHeader, pixels: NDArray[Any]) -> list[bytes | memoryview]:
    """The two parts of a frame; `pixels` as `sendable` gives them, of the header's layout."""
    if pixels.dtype != DTYPES[header.dtype] or pixels.shape != header.pixels:
        raise ProtocolError("the pixels are not those that the header describes")
    message = {
        **_envelope("frame" if header.rows is None else "rows", header.origin),
        "seq": header.seq,
        "t_ns": header.t_ns,
        "mono_ns": header.mono_ns,
        "dtype": header.dtype,
        "shape": list(header.shape),
        "cal": [{"scale": a.scale, "offset": a.offset, "units": a.units} for a in header.cal],
        **header.details,
        **({} if header.rows is None else {"rows": list(header.rows)}),
    }
    return [encode_map(message), pixels.data.cast("B")]


def encode_control(control: Control) -> list[bytes]:
    """The one part of a ``start``, ``heartbeat`` or ``end``."""
    message = _envelope(control.kind, control.origin)
    if control.kind == "heartbeat":
        message["seq"] = control.last_seq
    if control.kind == "end":
        message["n_frames"] = control.last_seq + 1
        message["last_seq"] = control.last_seq
        message["status"] = control.status
    return [encode_map(message)]


def crc32(pixels: NDArray[Any]) -> int:
    """The checksum of a frame's pixels, as in the header."""
    return zlib.crc32(pixels.data.cast("B"))


def _envelope(kind: str, origin: Origin) -> dict[str, Any]:
    return {
        "p": FRAMES_PROTOCOL,
        "v": FRAMES_VERSION,
        "kind": kind,
        "stream": origin.stream,
        "session": origin.session,
        "epoch": origin.epoch,
    }


# -- what is received ---------------------------------------------------------------------


def decode_header(parts: Sequence[bytes | memoryview]) -> FrameHeader | Control:
    """Check the parts of a message, all but the pixels of a frame."""
    if not 1 <= len(parts) <= 2:
        raise ProtocolError(f"{len(parts)} parts, 1 or 2 are allowed")
    message = decode_map(parts[0], MAX_HEADER_BYTES)
    check_protocol(message, FRAMES_PROTOCOL, FRAMES_VERSION)
    kind = message.get("kind")
    if type(kind) is not str or kind not in KINDS:
        raise ProtocolError("unknown kind of message")
    if len(parts) != (2 if kind in WITH_PIXELS else 1):
        raise ProtocolError(f"wrong number of parts for a message of kind {kind}")
    origin = _origin(message)
    if kind not in WITH_PIXELS:
        return _control(message, kind, origin)
    header = _frame(message, origin)
    return header if kind == "frame" else replace(header, rows=_rows(message, header.shape[0]))


def decode_pixels(header: FrameHeader, buffer: bytes | memoryview) -> NDArray[Any]:
    """The frame (H, W), or the block of its rows, read-only and in native byte order.

    Without a copy where possible.
    """
    dtype, (height, width) = DTYPES[header.dtype], header.pixels
    if height * width * dtype.itemsize != len(buffer):
        raise ProtocolError(
            f"{len(buffer)} bytes of pixels, {height} × {width} of {header.dtype} need "
            f"{height * width * dtype.itemsize}"
        )
    if "crc32" in header.details and header.details["crc32"] != zlib.crc32(buffer):
        raise ProtocolError("the checksum of the pixels is wrong")
    data = np.frombuffer(buffer, dtype).reshape(header.pixels)
    if sys.byteorder != "little" or not data.flags.aligned:
        data = data.astype(dtype.newbyteorder("="), copy=True)
    data.setflags(write=False)
    return data


def _origin(message: Mapping[str, Any]) -> Origin:
    check_keys(message, _ORIGIN)
    if not 1 <= len(message["stream"]) <= MAX_NAME or len(message["session"]) > MAX_NAME:
        raise ProtocolError(f"stream and session are names of at most {MAX_NAME} characters")
    if len(message["epoch"]) != EPOCH_BYTES:
        raise ProtocolError(f"epoch must have {EPOCH_BYTES} bytes")
    return Origin(**{name: message[name] for name in _ORIGIN})


def _control(message: Mapping[str, Any], kind: str, origin: Origin) -> Control:
    if kind == "start":
        return Control(kind=kind, origin=origin)
    name = "seq" if kind == "heartbeat" else "last_seq"
    check_keys(message, {name: (int,)})
    last_seq = _within(message, name, _NOTHING_YET, MAX_SEQ)
    if kind == "heartbeat":
        return Control(kind=kind, origin=origin, last_seq=last_seq)
    check_keys(message, {"n_frames": (int,), "status": (str,)})
    if message["status"] not in STATUSES:
        raise ProtocolError(f"end: status is one of {', '.join(STATUSES)}")
    return Control(kind=kind, origin=origin, last_seq=last_seq, status=message["status"])


def _frame(message: Mapping[str, Any], origin: Origin) -> FrameHeader:
    check_keys(message, _FRAME)
    details = {name: message[name] for name in _OPTIONAL if message.get(name) is not None}
    check_keys(details, {name: _OPTIONAL[name] for name in details})
    return FrameHeader(
        origin=origin,
        seq=_within(message, "seq", 0, MAX_SEQ),
        t_ns=_within(message, "t_ns", 0, _TIME_MAX),
        mono_ns=_within(message, "mono_ns", 0, _TIME_MAX),
        dtype=_dtype(message["dtype"]),
        shape=_shape(message["shape"], DTYPES[_dtype(message["dtype"])].itemsize),
        cal=_axes(message["cal"]),
        details=details,
    )


def check_layout(dtype: str, shape: Sequence[int]) -> tuple[str, tuple[int, int]]:
    """`dtype` and `shape` of a frame if they can travel, else a `ProtocolError`."""
    return _dtype(dtype), _shape(list(shape), DTYPES[_dtype(dtype)].itemsize)


def _within(message: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value: int = message[name]
    if not low <= value < high:
        raise ProtocolError(f"{name} is out of its range")
    return value


def _dtype(name: str) -> str:
    if name not in DTYPES:
        raise ProtocolError(f"dtype must be one of {' '.join(DTYPES)}")
    return name


def _shape(values: list[Any], itemsize: int) -> tuple[int, int]:
    height, width = check_numbers(values, 2, int)
    if not all(1 <= edge <= MAX_EDGE_PX for edge in (height, width)):
        raise ProtocolError(f"each edge of a frame is 1 to {MAX_EDGE_PX} px")
    if height * width * itemsize > MAX_FRAME_BYTES:
        raise ProtocolError(f"a frame has at most {MAX_FRAME_BYTES} bytes")
    return height, width


def _rows(message: Mapping[str, Any], height: int) -> tuple[int, int]:
    check_keys(message, {"rows": (list,)})
    first, end = check_numbers(message["rows"], 2, int)
    if not 0 <= first < end <= height:
        raise ProtocolError("rows is [first, end] within the frame")
    return first, end


def _axes(values: list[Any]) -> tuple[Axis, Axis]:
    if len(values) != 2:
        raise ProtocolError("cal is two maps, for y and for x")
    return _axis(values[0]), _axis(values[1])


def _axis(value: Any) -> Axis:
    if type(value) is not dict:
        raise ProtocolError("cal is two maps of scale, offset and units")
    check_keys(value, {"scale": _NUMBER, "offset": _NUMBER, "units": (str,)})
    return Axis(scale=float(value["scale"]), offset=float(value["offset"]), units=value["units"])
