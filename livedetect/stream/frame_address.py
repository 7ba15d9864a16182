"""Where frames travel: ``tcp://HOST:PORT`` and ``ipc://PATH``, and who may listen there."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import zmq

from livedetect.errors import EndpointError, SettingsError
from livedetect.stream.endpoints import parse_endpoint

DEFAULT_FRAMES_ENDPOINT = "tcp://127.0.0.1:5590"
_PATH_MAX = 100


def check_address(address: str) -> str:
    """`address` as ZeroMQ takes it; raises `SettingsError` saying what is allowed."""
    scheme, separator, rest = address.partition("://")
    if separator and scheme == "ipc":
        return f"ipc://{_path(rest)}"
    if separator and scheme == "tcp":
        endpoint = parse_endpoint(address)
        # a name is resolved to IPv6 first on some systems, and the other end binds IPv4
        return str(endpoint).replace("//localhost:", "//127.0.0.1:")
    raise SettingsError(
        f"{address!r} is no address for frames; write it as {DEFAULT_FRAMES_ENDPOINT} or ipc://PATH"
    )


def check_listening(address: str, *, encrypted: bool) -> None:
    """Raise `SettingsError` for an address that strangers could listen at."""
    if address.startswith("ipc:") or encrypted or parse_endpoint(address).loopback:
        return
    raise SettingsError(
        f"{address} is open to the network: make keys with `livedetect keys DIR` and append "
        "?curve=DIR/producer.key, or use 127.0.0.1"
    )


def bind(socket: zmq.Socket[bytes], address: str) -> str:
    """Bind `socket`; the real address, with the port that was free for port 0.

    Raises `EndpointError` if it is taken or cannot be listened at.
    """
    socket.setsockopt(zmq.IPV6, int("[" in address))
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        taken = error.errno in (zmq.EADDRINUSE, errno.EACCES)
        why = "is taken by another program" if taken else f"cannot be used: {error.strerror}"
        raise EndpointError(f"{address} {why}; choose another address") from error
    return bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()


def curve_file(options: Mapping[str, str]) -> str | None:
    """The key file that the options behind ``?`` name; raises `SettingsError` for others."""
    unknown = set(options) - {"curve"}
    if unknown:
        raise SettingsError(f"{min(unknown)} behind '?' is not understood; allowed is curve")
    return options.get("curve")


def _path(path: str) -> str:
    if not zmq.has("ipc"):
        raise SettingsError(f"this computer has no ipc; use {DEFAULT_FRAMES_ENDPOINT}")
    if not path or len(path.encode()) > _PATH_MAX:
        raise SettingsError(f"ipc://{path}: a path of 1 to {_PATH_MAX} bytes is needed")
    return path
