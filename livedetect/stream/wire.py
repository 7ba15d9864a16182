"""What all wire formats share: msgpack maps and their checks, as pure functions.

Everything from a socket is hostile until it has passed through here. Maps have string
keys and plain values and are bounded in size and depth; a violation is a `ProtocolError`,
another major version a `VersionError`, and nothing else is raised. Raw maps are never
logged: deep nesting can decode and still not print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgpack

from livedetect.errors import ProtocolError

MAX_DEPTH = 16

_PLAIN = frozenset([type(None), bool, int, float, str, bytes])
_NUMBERS = frozenset([bool, int, float])


class VersionError(ProtocolError):
    """The other side speaks another major version of the protocol."""


def encode_map(message: Mapping[str, Any]) -> bytes:
    """Pack a map of plain values; raises `ProtocolError` for anything else."""
    try:
        packed: bytes = msgpack.packb(message, use_bin_type=True, strict_types=False)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ProtocolError(f"message cannot be packed: {error}") from error
    return packed


def decode_map(data: bytes | memoryview, limit_bytes: int) -> dict[str, Any]:
    """Unpack a map from an untrusted part of at most `limit_bytes`."""
    if len(data) > limit_bytes:
        raise ProtocolError(f"message of {len(data)} bytes, at most {limit_bytes} are taken")
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True, max_ext_len=0)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise ProtocolError(f"not a msgpack map ({type(error).__name__})") from None
    if type(value) is not dict or not _plain(value, MAX_DEPTH):
        raise ProtocolError("not a map of plain values")
    return value


def _plain(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind in _PLAIN:
        return kind is not float or math.isfinite(value)
    if depth == 0 or kind not in (dict, list):
        return False
    if kind is dict:
        if any(type(key) is not str for key in value):
            return False
        value = value.values()
    kinds = set(map(type, value))
    if kinds <= _NUMBERS:  # columns of hundreds of markers, many times a second
        return all(map(math.isfinite, value))
    return all(_plain(item, depth - 1) for item in value)


def check_protocol(message: Mapping[str, Any], name: str, version: int) -> None:
    """Raise `ProtocolError` unless it is protocol `name`, `VersionError` for another version."""
    if message.get("p") != name:
        raise ProtocolError(f"not a message of the {name} protocol")
    spoken = message.get("v")
    if type(spoken) is not int or spoken != version:
        raise VersionError(
            f"{name} protocol version {spoken if type(spoken) is int else 'unknown'}, "
            f"here {version}: use the same version of livedetect on both sides"
        )


def check_keys(message: Mapping[str, Any], keys: Mapping[str, tuple[type, ...]]) -> None:
    """Every key must be there with a value of one of its exact types."""
    for key, kinds in keys.items():
        if type(message.get(key)) not in kinds:
            raise ProtocolError(f"{key} is missing or of the wrong type")


def check_numbers(values: Any, count: int, *kinds: type) -> list[Any]:
    """A list of `count` values of exactly the types `kinds`, returned."""
    if type(values) is not list or len(values) != count:
        raise ProtocolError(f"a list of {count} numbers is needed")
    if any(type(value) not in kinds for value in values):
        raise ProtocolError("a number is needed")
    return values
