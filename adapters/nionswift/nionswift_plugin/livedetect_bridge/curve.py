"""CURVE keys, as ``livedetect keys`` makes them, and which addresses need them."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85


class KeyFileError(ValueError):
    """A key file that is missing or holds no key of the role that is needed."""


def load_keys(path: str, role: str) -> dict[str, bytes]:
    """Public and secret key of this end, public key of the other (``peer``)."""
    try:
        content = json.loads(Path(path).read_text(encoding="ascii"))
        keys = {name: str(content[name]).encode("ascii") for name in ("public", "secret", "peer")}
        found = str(content["role"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"{path} is no key file ({type(error).__name__})") from None
    if found != role:
        raise KeyFileError(f"{path} is the {found}'s key; {role}.key is needed")
    return keys


def is_local(endpoint: str) -> bool:
    """Whether only programs on this computer can reach `endpoint`."""
    if endpoint.startswith(("ipc://", "inproc://")):
        return True
    host = endpoint.partition("://")[2].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def join(socket: zmq.Socket[bytes], keys: dict[str, bytes]) -> None:
    """Encrypt `socket`, which connects to the end that `keys` know."""
    socket.curve_publickey = keys["public"]
    socket.curve_secretkey = keys["secret"]
    socket.curve_serverkey = keys["peer"]


class Doorman:
    """Encrypts a socket that binds and lets in one known key (ZAP, RFC 27)."""

    def __init__(
        self, context: zmq.Context[Any], socket: zmq.Socket[bytes], keys: dict[str, bytes]
    ) -> None:
        self._friend = z85.decode(keys["peer"])
        self._socket: zmq.Socket[bytes] = context.socket(zmq.REP)
        self._socket.bind("inproc://zeromq.zap.01")
        socket.curve_server = True
        socket.curve_publickey = keys["public"]
        socket.curve_secretkey = keys["secret"]
        socket.zap_domain = b"livedetect"

    def answer(self) -> None:
        """Answer the questions that wait."""
        while self._socket.poll(0):
            version, request_id, *rest = self._socket.recv_multipart()
            known = rest[-2:] == [b"CURVE", self._friend]
            code, text = (b"200", b"OK") if known else (b"400", b"unknown key")
            self._socket.send_multipart([version, request_id, code, text, b"", b""])

    def close(self) -> None:
        """Release the socket."""
        self._socket.close(0)
