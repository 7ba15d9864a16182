"""LDR/1, results on the wire: publications as bytes and back, pure functions.

They are ``result`` and ``status`` (one part each) and ``preview`` (header and image); the
requests of clients are in `wire_requests`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.errors import ProtocolError
from livedetect.stream.status import SessionStatus
from livedetect.stream.wire import (
    check_keys,
    check_numbers,
    check_protocol,
    decode_map,
)
from livedetect.stream.wire_pictures import decode_watched
from livedetect.types import Event, FrameResult, Phase, Track

RESULTS_PROTOCOL = "livedetect-results"
RESULTS_VERSION = 1
MAX_PUBLICATION_BYTES = 16 * 1024 * 1024
MAX_TRACKS = 5000
MAX_PREVIEW_PX = 1024
PREVIEW_DTYPES: dict[str, np.dtype[Any]] = {"u1": np.dtype("u1"), "<u2": np.dtype("<u2")}
_NUMBER = (int, float)
_TRACK_COLUMNS: dict[str, tuple[type, ...]] = {
    "defect_id": (int,),
    "x_px": _NUMBER,
    "y_px": _NUMBER,
    "kind": (str,),
    "confidence": _NUMBER,
    "score": (int, float, type(None)),
    "first_seen_frame": (int,),
    "confirmed_frame": (int,),
    "at_start": (bool,),
    "region_id": (int, type(None)),
}
_ENVELOPE: dict[str, tuple[type, ...]] = {"epoch": (str,), "control": (int,)}
_STATE: dict[str, tuple[type, ...]] = {
    **_ENVELOPE,
    "seq": (int,),
    "frame": (int,),
    "phase": (str,),
    "flags": (dict,),
    "events": (list,),
    "ledger": (dict,),
    "rates": (dict,),
    "latency_ms": (dict,),
    "lost_frames": (int,),
}
_PUBLICATIONS: dict[str, dict[str, tuple[type, ...]]] = {
    "status": _STATE,
    "result": {**_STATE, "time_s": _NUMBER, "tracks": (dict,), "active": (int,)},
    "preview": {
        **_ENVELOPE,
        "frame": (int,),
        "dtype": (str,),
        "shape": (list,),
        "frame_shape": (list,),
        "affine": (list,),
        "contrast": (list,),
        "tracks": (dict,),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every publication carries, whatever it is about."""

    epoch: str
    """Random name of the engine's start, 32 hexadecimal digits."""
    seq: int
    """Number of this result or status, from 1 in its epoch; a jump is a loss."""
    control: int
    """TCP port of the ROUTER socket, on the same host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A frame for looking at, with the markers that belong to it."""

    image: NDArray[Any]
    """Pixels (y, x), uint8 or uint16, at most 1024 × 1024, read-only."""
    header: Mapping[str, Any]
    """Checked header: frame, affine, frame_shape, contrast, value_range, tracks, ..."""

    @property
    def affine(self) -> NDArray[np.float64]:
        """(2, 3): frame pixel (y, x) = affine @ (y, x, 1) of the preview's pixel."""
        return np.asarray(self.header["affine"], dtype=np.float64)

    @property
    def watched(self) -> tuple[NDArray[np.bool_], int] | None:
        """Blocks (y, x) in which defects can be found and their edge, px; None: not known."""
        told = self.header.get("watched")
        return None if told is None else decode_watched(told)


def track_columns(tracks: Sequence[Track]) -> dict[str, list[Any]]:
    """Tracks as columns of equal length, the latest `MAX_TRACKS` of them."""
    kept = tracks[-MAX_TRACKS:]
    return {name: [_scalar(getattr(track, name)) for track in kept] for name in _TRACK_COLUMNS}


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def _printable(value: Any) -> Any:
    """Values that cannot travel become text, so that one odd key never costs an event."""
    if isinstance(value, dict):
        return {str(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return value if isinstance(value, (type(None), bool, int, float, str)) else str(value)


def result_message(
    envelope: Envelope,
    result: FrameResult,
    status: SessionStatus,
    earlier: Sequence[Event] = (),
) -> dict[str, Any]:
    """The ``result`` publication; `earlier` are events of results that were dropped."""
    return {
        **_state(envelope, "result", status, result.phase),
        **({"sensitivity": dict(result.sensitivity)} if result.sensitivity else {}),
        "frame": int(result.frame),
        "events": [_printable(event.as_dict()) for event in (*earlier, *result.events)],
        "time_s": _scalar(float(result.time_s)),
        "disposition": result.disposition,
        "tracks": track_columns(result.active_tracks),
        "active": len(result.active_tracks),
        "dose_e_per_A2": _scalar(result.dose_e_per_A2),
        "drift_px": drift_px(result),
        "warm_up": {"done": int(result.warm_up_done), "wanted": int(result.warm_up_frames)},
        "threshold": _scalar(result.threshold),
        "area_id": int(result.area_id),
        "segment_id": int(result.segment_id),
    }


def drift_px(result: FrameResult) -> list[Any] | None:
    """Drift (y, x) of a registered frame, px."""
    drift = result.registration
    return None if drift is None else [_scalar(drift.drift_y_px), _scalar(drift.drift_x_px)]


def status_message(
    envelope: Envelope, status: SessionStatus, events: Sequence[Event] = ()
) -> dict[str, Any]:
    """The ``status`` publication; `events` belong to the session and not to a frame."""
    return {
        **_state(envelope, "status", status, status.phase),
        "frame": int(status.frame),
        "events": [_printable(event.as_dict()) for event in events],
    }


def _state(envelope: Envelope, kind: str, status: SessionStatus, phase: Phase) -> dict[str, Any]:
    latency_ms = {"last": status.last_latency_ms, **status.latency_ms}
    return {
        "p": RESULTS_PROTOCOL,
        "v": RESULTS_VERSION,
        "kind": kind,
        "epoch": envelope.epoch,
        "seq": envelope.seq,
        "control": envelope.control,
        "phase": str(phase),
        "flags": {"stale": status.stale, "alarm": status.alarm},
        "alarm_value": _scalar(status.alarm_value),
        "ledger": {name: int(count) for name, count in status.ledger.items()},
        "rates": {"frames_per_s": _scalar(float(status.frames_per_s))},
        "latency_ms": {name: _scalar(value) for name, value in latency_ms.items()},
        "lost_frames": int(status.ledger.get("missing", 0)),
    }


def preview_header(
    envelope: Envelope, image: NDArray[Any], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Header of a ``preview``; `fields` has frame, frame_shape, affine, contrast, tracks, ..."""
    return {
        "p": RESULTS_PROTOCOL,
        "v": RESULTS_VERSION,
        "kind": "preview",
        "epoch": envelope.epoch,
        "control": envelope.control,
        "dtype": "u1" if image.dtype.itemsize == 1 else "<u2",
        "shape": list(image.shape),
        **fields,
    }


def decode_publication(parts: Sequence[bytes]) -> dict[str, Any] | Preview:
    """Check what came from a PUB socket: a ``result`` or ``status`` map, or a `Preview`."""
    if not 1 <= len(parts) <= 2:
        raise ProtocolError(f"{len(parts)} parts, 1 or 2 are allowed")
    message = decode_map(parts[0], MAX_PUBLICATION_BYTES)
    check_protocol(message, RESULTS_PROTOCOL, RESULTS_VERSION)
    kind = message.get("kind")
    keys = _PUBLICATIONS.get(kind) if type(kind) is str else None
    if keys is None:
        raise ProtocolError("unknown kind of publication")
    check_keys(message, keys)
    if len(parts) != (2 if kind == "preview" else 1):
        raise ProtocolError(f"wrong number of parts for a {kind}")
    if kind == "preview":
        return decode_preview(message, parts[1])
    _check_state(message)
    return message


def _check_state(message: Mapping[str, Any]) -> None:
    if message["phase"] not in set(Phase):
        raise ProtocolError("unknown phase")
    check_events(message["events"])
    if "tracks" in message:
        _check_tracks(message["tracks"])


def check_events(events: Sequence[Any]) -> None:
    """Every event must be a map with its name and its frame."""
    for event in events:
        if type(event) is not dict:
            raise ProtocolError("an event must be a map")
        check_keys(event, {"event": (str,), "frame": (int,)})


def _check_tracks(tracks: Mapping[str, Any]) -> None:
    check_keys(tracks, dict.fromkeys(_TRACK_COLUMNS, (list,)))
    if len({len(tracks[name]) for name in _TRACK_COLUMNS}) != 1:
        raise ProtocolError("tracks: columns of unequal length")
    for name, kinds in _TRACK_COLUMNS.items():
        if not set(map(type, tracks[name])).issubset(kinds):
            raise ProtocolError(f"tracks: {name} holds a value of the wrong type")


def decode_preview(header: Mapping[str, Any], buffer: bytes) -> Preview:
    """Check a preview's header and buffer against each other."""
    check_keys(header, _PUBLICATIONS["preview"])
    dtype = PREVIEW_DTYPES.get(header["dtype"])
    if dtype is None:
        raise ProtocolError("preview: only u1 and <u2 are allowed")
    shape = check_numbers(header["shape"], 2, int)
    if not all(1 <= edge <= MAX_PREVIEW_PX for edge in shape):
        raise ProtocolError(f"preview: each edge must be 1 to {MAX_PREVIEW_PX} px")
    if shape[0] * shape[1] * dtype.itemsize != len(buffer):
        raise ProtocolError("preview: the buffer does not have the size of the image")
    check_numbers(header["frame_shape"], 2, int)
    check_numbers(header["contrast"], 2, *_NUMBER)
    if len(header["affine"]) != 2:
        raise ProtocolError("preview: affine must be two rows of three numbers")
    for row in header["affine"]:
        check_numbers(row, 3, *_NUMBER)
    _check_tracks(header["tracks"])
    if "dismissed" in header:
        check_keys(header, {"dismissed": (dict,)})
        _check_tracks(header["dismissed"])
    if header.get("drift_px") is not None:
        check_numbers(header["drift_px"], 2, *_NUMBER)
    if header.get("watched") is not None:
        decode_watched(header["watched"])
    return Preview(image=np.frombuffer(buffer, dtype).reshape(shape), header=header)
