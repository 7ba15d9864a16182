"""DECTRIS Stream V2 without compression: one CBOR map to a message.

Format: github.com/dectris/documentation, ``stream_v2``: maps of the types start, image and end;
pixels are multi-dimensional arrays (tag 40) of typed arrays (tags 64 to 87, RFC 8746). Each
threshold is a channel, ``dectris/threshold_1``; a series is an epoch, an image its frame.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livedetect.errors import MissingExtraError, ProtocolError
from livedetect.installing import pip_install
from livedetect.stream import wire_frames as wire
from livedetect.stream.wire import check_keys
from livedetect_adapters.dialects import Message, Part

MAX_CHANNELS = 32
_FIRST_KEY = b"\x64type"
_COMPRESSED = 56500
_ROW_MAJOR = 40
_TICKS_MAX = 2**62
_TYPED_ARRAYS = {64: "|u1", 68: "|u1", 69: "<u2", 70: "<u4", 77: "<i2", 78: "<i4"} | {
    85: "<f4",
    86: "<f8",
}


@dataclass(frozen=True, slots=True)
class _TypedArray:
    dtype: str
    buffer: bytes


@dataclass(frozen=True, slots=True)
class _Image:
    shape: Sequence[Any]
    pixels: _TypedArray


class DectrisStream:
    """Translates the messages of one detector."""

    def __init__(self) -> None:
        self._saturation: int | None = None
        self._last_seq: dict[str, int] = {}
        self._series = ""

    def recognises(self, parts: Sequence[Part]) -> bool:
        """One part, a CBOR map (major type 5) whose first key is ``type``."""
        if len(parts) != 1 or len(parts[0]) < 8 or parts[0][0] >> 5 != 5:
            return False
        return bytes(parts[0][:14]).find(_FIRST_KEY) in (1, 2, 3, 5, 9)

    def read(self, parts: Sequence[Part]) -> list[Message]:
        """Frames of an image, ends of an end; see `livedetect_adapters.dialects.Dialect`."""
        message = _decoded(parts[0])
        check_keys(message, {"type": (str,), "series_unique_id": (str,)})
        if message["series_unique_id"] != self._series:
            self._series, self._last_seq = message["series_unique_id"], {}
        if message["type"] == "image":
            return self._images(message)
        if message["type"] == "end":
            return [self._end(stream) for stream in self._last_seq]
        if message["type"] == "start":
            told = message.get("saturation_value")
            self._saturation = told if type(told) is int else None
            return []
        raise ProtocolError("a message of an unknown type of DECTRIS Stream V2")

    def _images(self, message: Mapping[str, Any]) -> list[Message]:
        check_keys(message, {"image_id": (int,), "data": (dict,)})
        if not 0 <= message["image_id"] < wire.MAX_SEQ:
            raise ProtocolError("image_id is out of its range")
        if not 1 <= len(message["data"]) <= MAX_CHANNELS:
            raise ProtocolError(f"an image has 1 to {MAX_CHANNELS} channels")
        return [self._image(name, image, message) for name, image in message["data"].items()]

    def _image(self, name: Any, image: Any, message: Mapping[str, Any]) -> Message:
        if type(name) is not str or len(name) > wire.MAX_NAME // 2 or type(image) is not _Image:
            raise ProtocolError("data is no map from channels to uncompressed images")
        dtype, shape = wire.check_layout(image.pixels.dtype, image.shape)
        stream, seq = f"dectris/{name}", message["image_id"]
        self._last_seq[stream] = max(seq, self._last_seq.get(stream, -1))
        sat = {} if self._saturation is None else {"sat": self._saturation}
        header = wire.FrameHeader(
            origin=self._origin(stream),
            seq=seq,
            t_ns=time.time_ns(),
            mono_ns=_start_ns(message.get("start_time")),
            dtype=dtype,
            shape=shape,
            details={"scan_id": f"{self._series}/{seq}"[-200:], "src": "DECTRIS Stream V2"} | sat,
        )
        return header, image.pixels.buffer

    def _end(self, stream: str) -> Message:
        last = self._last_seq[stream]
        origin = self._origin(stream)
        return wire.Control(kind="end", origin=origin, last_seq=last, status="success"), b""

    def _origin(self, stream: str) -> wire.Origin:
        series = hashlib.sha256(self._series.encode(errors="replace")).digest()
        return wire.Origin(
            stream=stream, session=self._series[-200:], epoch=series[: wire.EPOCH_BYTES]
        )


def _decoded(part: Part) -> dict[str, Any]:
    try:
        import cbor2  # noqa: PLC0415 - optional, and wanted by this dialect only
    except ImportError as error:
        raise MissingExtraError(
            "frames of DECTRIS Stream V2 need the package cbor2: "
            f"{pip_install('livedetect[dectris]')}"
        ) from error
    try:
        message = cbor2.CBORDecoder(io.BytesIO(part), tag_hook=_tagged).decode()
    except ProtocolError:
        raise
    except Exception as error:  # noqa: BLE001 - tags run code of several libraries on hostile input
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ProtocolError):
            raise cause from None
        raise ProtocolError(f"damaged CBOR ({type(error).__name__})") from None
    if type(message) is not dict:
        raise ProtocolError("a message of DECTRIS Stream V2 is a map")
    return message


def _tagged(*given: Any) -> Any:
    """What a tag stands for; cbor2 calls it with its decoder first, or without, by version."""
    tag = given[-1] if not hasattr(given[0], "tag") else given[0]
    if tag.tag == _COMPRESSED:
        raise ProtocolError(
            "the frames are compressed: switch it off at the detector "
            "(PUT detector/api/1.8.0/config/compression with the value none)"
        )
    if tag.tag in _TYPED_ARRAYS and type(tag.value) is bytes:
        return _TypedArray(_TYPED_ARRAYS[tag.tag], tag.value)
    if tag.tag == _ROW_MAJOR and isinstance(tag.value, (list, tuple)) and len(tag.value) == 2:
        shape, pixels = tag.value
        if isinstance(shape, (list, tuple)) and type(pixels) is _TypedArray:
            return _Image(shape, pixels)
    return None


def _start_ns(told: Any) -> int:
    """Start of the exposure since that of the series, a rational number of seconds."""
    if isinstance(told, (list, tuple)) and len(told) == 2 and all(type(n) is int for n in told):
        ticks, frequency = map(int, told)
        if 0 <= ticks < _TICKS_MAX and 0 < frequency < _TICKS_MAX:
            return min(ticks * 10**9 // frequency, _TICKS_MAX)
    return time.monotonic_ns()
