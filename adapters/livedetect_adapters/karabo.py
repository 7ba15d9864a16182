"""karabo-bridge, protocol 2.2: pairs of parts, a msgpack header and its payload.

Format: karabo_bridge 0.7, ``serializer.py``. Every two-dimensional array is a channel, named
``source/path``, and a frame's number is its train's (``timestamp.tid``). Protocol 1.0 is refused:
its single part is decoded with msgpack-numpy, which unpickles what a stranger has sent.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from livedetect.errors import ProtocolError
from livedetect.stream import wire_frames as wire
from livedetect.stream.wire import VersionError, check_keys, decode_map
from livedetect_adapters.dialects import Message, Part

MAX_PARTS = 1024
MAX_JUMP = 1_000_000
"""Train numbers further apart than this belong to another run."""

_LOOKED_AT_BYTES = 64 * 1024
_MAP_MARKERS = frozenset([*range(0x80, 0x90), 0xDE, 0xDF])
_DTYPES = {dtype.name: name for name, dtype in wire.DTYPES.items()}


class KaraboBridge:
    """Translates the messages of one bridge."""

    def __init__(self) -> None:
        self._epoch = uuid.uuid4().bytes
        self._first_tid: int | None = None
        self._last_tid = 0

    def recognises(self, parts: Sequence[Part]) -> bool:
        """Pairs of which the first tells source and content, or a single map of protocol 1.0."""
        if len(parts) == 1:
            return _is_version_1(parts[0])
        if len(parts) % 2 or not parts:
            return False
        try:
            return {"source", "content"} <= set(decode_map(parts[0], wire.MAX_HEADER_BYTES))
        except ProtocolError:
            return False

    def read(self, parts: Sequence[Part]) -> list[Message]:
        """The images of one train; see `livedetect_adapters.dialects.Dialect`."""
        if len(parts) == 1:
            raise VersionError(
                "karabo-bridge protocol 1.0 is not read, as it would have to be unpickled: "
                "let the bridge send protocol_version='2.2'"
            )
        if len(parts) > MAX_PARTS:
            raise ProtocolError(f"{len(parts)} parts, at most {MAX_PARTS} are taken")
        headers = [decode_map(part, wire.MAX_HEADER_BYTES) for part in parts[::2]]
        meta = _metadata(headers)
        seq = self._number(meta)
        images = [
            self._image(header, payload, seq, meta)
            for header, payload in zip(headers, parts[1::2], strict=True)
            if header.get("content") == "array" and _is_image(header)
        ]
        if not images:
            raise ProtocolError("a train of karabo-bridge without any two-dimensional array")
        return images

    def _number(self, meta: Mapping[str, Any]) -> int:
        tid = meta.get("timestamp.tid")
        if type(tid) is not int or tid < 0:
            tid = self._last_tid + 1
        restarted = self._first_tid is None or tid < self._first_tid
        if restarted or abs(tid - self._last_tid) > MAX_JUMP:
            if self._first_tid is not None:
                self._epoch = uuid.uuid4().bytes
            self._first_tid = tid
        self._last_tid = tid
        assert self._first_tid is not None  # noqa: S101 - just set
        return tid - self._first_tid

    def _image(
        self, header: Mapping[str, Any], payload: Part, seq: int, meta: Mapping[str, Any]
    ) -> Message:
        check_keys(header, {"source": (str,), "path": (str,), "dtype": (str,)})
        dtype, shape = wire.check_layout(_little(header["dtype"]), header["shape"][-2:])
        channel = f"{header['source']}/{header['path']}"
        if len(channel) > wire.MAX_NAME:
            raise ProtocolError(f"the name of a channel has at most {wire.MAX_NAME} characters")
        return (
            wire.FrameHeader(
                origin=wire.Origin(stream=channel, epoch=self._epoch),
                seq=seq,
                t_ns=_unix_ns(meta),
                mono_ns=time.monotonic_ns(),
                dtype=dtype,
                shape=shape,
                details={"scan_id": str(self._last_tid), "src": "karabo-bridge"},
            ),
            payload,
        )


def _is_version_1(part: Part) -> bool:
    if not len(part) or part[0] not in _MAP_MARKERS:
        return False
    ends = bytes(part[:_LOOKED_AT_BYTES]) + bytes(part[-_LOOKED_AT_BYTES:])
    return b"metadata" in ends or b"\xc4\x02nd" in ends


def _metadata(headers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of the first source that tells its train."""
    found: list[Mapping[str, Any]] = [
        header["metadata"] for header in headers if type(header.get("metadata")) is dict
    ]
    told = [meta for meta in found if "timestamp.tid" in meta]
    return (told or found or [{}])[0]


def _is_image(header: Mapping[str, Any]) -> bool:
    shape = header.get("shape")
    if type(shape) is not list or len(shape) < 2 or any(type(edge) is not int for edge in shape):
        return False
    return all(edge == 1 for edge in shape[:-2]) and min(shape[-2:]) > 1


def _little(name: str) -> str:
    """LDF/1's name of numpy's ``uint16`` and the like; raises `ProtocolError`."""
    if name not in _DTYPES:
        raise ProtocolError(f"pixels of a type that is not read; these are: {' '.join(_DTYPES)}")
    return _DTYPES[name]


def _unix_ns(meta: Mapping[str, Any]) -> int:
    told = meta.get("timestamp")
    if type(told) is float and 0 <= told < np.iinfo(np.int64).max / 1e9:
        return int(told * 1e9)
    return time.time_ns()
