"""LDR/1: pictures of a defect, and which parts of a frame are watched, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.errors import ProtocolError
from livedetect.inspection import INSPECTION_SAMPLES, Inspection
from livedetect.stream.wire import check_keys, check_numbers

MAX_BLOCKS = 4096 * 4096
_PICTURE = np.dtype("<f4")
_NUMBER = (int, float)
_KEYS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        ("defect_id", "frame", "frames_before", "frames_after", "window_frames"), (int,)
    ),
    **dict.fromkeys(("x_px", "y_px", "edge_px"), _NUMBER),
    **dict.fromkeys(("before", "after"), (bytes,)),
    "residual": (bytes, type(None)),
}


def inspection_map(shown: Inspection) -> dict[str, Any]:
    """The reply to ``inspect``: numbers, and pictures as C-order little-endian float32."""
    plain = {
        name: getattr(shown, name) for name in _KEYS if name not in ("before", "after", "residual")
    }
    residual = None if shown.residual is None else _packed(shown.residual)
    return {
        **plain,
        "shape": [INSPECTION_SAMPLES, INSPECTION_SAMPLES],
        "before": _packed(shown.before),
        "after": _packed(shown.after),
        "residual": residual,
    }


def decode_inspection(data: Mapping[str, Any]) -> Inspection:
    """Check and unpack a reply; raises `ProtocolError`."""
    check_keys(data, _KEYS)
    plain = {name: data[name] for name in _KEYS}
    pictures = {name: _picture(data[name]) for name in ("before", "after")}
    residual = None if data["residual"] is None else _picture(data["residual"])
    return Inspection(**{**plain, **pictures, "residual": residual})


def watched_map(watched: NDArray[np.bool_] | None, block_px: int) -> dict[str, Any] | None:
    """Blocks (y, x) in which defects can be found, one bit each; None: not told."""
    if watched is None:
        return None
    return {
        "block_px": int(block_px),
        "shape": [int(edge) for edge in watched.shape],
        "bits": np.packbits(watched).tobytes(),
    }


def decode_watched(data: Any) -> tuple[NDArray[np.bool_], int]:
    """Blocks (y, x) and their edge in pixels of the frame; raises `ProtocolError`."""
    if type(data) is not dict:
        raise ProtocolError("watched must be a map")
    check_keys(data, {"block_px": (int,), "shape": (list,), "bits": (bytes,)})
    rows, columns = check_numbers(data["shape"], 2, int)
    if not (rows >= 1 and columns >= 1 and rows * columns <= MAX_BLOCKS and data["block_px"] > 0):
        raise ProtocolError("watched: impossible shape")
    if len(data["bits"]) != (rows * columns + 7) // 8:
        raise ProtocolError("watched: the bits do not have the size of the shape")
    bits = np.unpackbits(np.frombuffer(data["bits"], np.uint8), count=rows * columns)
    return bits.astype(bool).reshape(rows, columns), data["block_px"]


def _packed(picture: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(picture, _PICTURE).tobytes()


def _picture(data: bytes) -> NDArray[np.float32]:
    if len(data) != _PICTURE.itemsize * INSPECTION_SAMPLES**2:
        raise ProtocolError("inspect: a picture does not have the agreed size")
    return np.frombuffer(data, _PICTURE).reshape(INSPECTION_SAMPLES, INSPECTION_SAMPLES)
