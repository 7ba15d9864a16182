"""CURVE keys: who may send and who may listen beyond one computer.

`create_keys` makes a pair of files that know each other: ``producer.key`` for the computer at
the microscope, ``subscriber.key`` for the one that analyses. Each holds its own secret and the
other's public key, so that strangers are turned away at both ends.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from livedetect.errors import SettingsError

ROLES = ("producer", "subscriber")
_KEY_CHARACTERS = 40
_ZAP_ADDRESS = "inproc://zeromq.zap.01"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveKeys:
    """One end's keys, in Z85."""

    role: str
    """producer or subscriber."""
    public: bytes
    """Of this end."""
    secret: bytes
    """Of this end."""
    peer: bytes
    """Public key of the other end."""

    def __repr__(self) -> str:
        return f"CurveKeys(role={self.role!r})"


def create_keys(directory: Path) -> tuple[Path, Path]:
    """Write ``producer.key`` and ``subscriber.key``, readable for their owner only.

    Existing keys are never overwritten: raises `SettingsError`, as it does where the directory
    cannot be written to.
    """
    try:
        return _written_keys(directory)
    except OSError as error:
        raise SettingsError(
            f"{directory}: keys cannot be written there: {error.strerror}; "
            "name a folder that you may write to"
        ) from error


def load_keys(path: str | Path, role: str) -> CurveKeys:
    """Read the key file of this end; raises `SettingsError` saying what is wrong with it."""
    try:
        content = json.loads(Path(path).read_text(encoding="ascii"))
        public, secret, peer = (_key(content[name]) for name in ("public", "secret", "peer"))
        found = str(content["role"])
    except OSError as error:
        raise SettingsError(f"curve={path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError):
        raise SettingsError(
            f"curve={path} is no key file; `livedetect keys DIR` makes them"
        ) from None
    if found != role:
        raise SettingsError(f"curve={path} is the {found}'s key; here {role}.key is needed")
    if os.name == "posix" and stat.S_IMODE(Path(path).stat().st_mode) & 0o077:
        raise SettingsError(f"curve={path} can be read by others: chmod 600 {path}")
    return CurveKeys(role=role, public=public, secret=secret, peer=peer)


def join(socket: zmq.Socket[bytes], keys: CurveKeys) -> None:
    """Encrypt `socket`, which connects to the producer that `keys` know."""
    socket.curve_publickey = keys.public
    socket.curve_secretkey = keys.secret
    socket.curve_serverkey = keys.peer


class Doorman:
    """Encrypts a socket that binds, and lets in none but the subscriber that `keys` know.

    ZeroMQ asks it about every connection (ZAP, RFC 27): poll `socket`, call `answer`. Make it
    before binding; it and the socket belong to one thread.
    """

    def __init__(
        self, context: zmq.Context[Any], socket: zmq.Socket[bytes], keys: CurveKeys
    ) -> None:
        self._keys = keys
        self._friend = z85.decode(keys.peer)
        self.socket: zmq.Socket[bytes] = context.socket(zmq.REP)
        self.socket.bind(_ZAP_ADDRESS)
        self.protect(socket)

    def protect(self, socket: zmq.Socket[bytes]) -> None:
        """Encrypt another socket of the same context and thread, before it binds."""
        socket.curve_server = True
        socket.curve_publickey = self._keys.public
        socket.curve_secretkey = self._keys.secret
        socket.zap_domain = b"livedetect"

    def answer(self) -> None:
        """Answer the questions that wait."""
        with contextlib.suppress(zmq.Again):
            while True:
                version, request_id, *rest = self.socket.recv_multipart(zmq.NOBLOCK)
                known = rest[-2:] == [b"CURVE", self._friend]
                code, text = (b"200", b"OK") if known else (b"400", b"unknown key")
                self.socket.send_multipart([version, request_id, code, text, b"", b""])

    def close(self) -> None:
        """Release the socket."""
        self.socket.close(0)


def _written_keys(directory: Path) -> tuple[Path, Path]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    pairs = {role: zmq.curve_keypair() for role in ROLES}
    paths = {role: directory / f"{role}.key" for role in ROLES}
    for path in paths.values():
        if path.exists():
            raise SettingsError(f"{path} exists; take another directory, or remove the old keys")
    for role, other in (ROLES, ROLES[::-1]):
        public, secret = pairs[role]
        keys = {"public": public, "secret": secret, "peer": pairs[other][0]}
        content = {"role": role} | {name: key.decode("ascii") for name, key in keys.items()}
        _write_privately(paths[role], json.dumps(content, indent=2) + "\n")
    return paths["producer"], paths["subscriber"]


def _key(text: str) -> bytes:
    key = text.encode("ascii")
    if len(key) != _KEY_CHARACTERS or len(z85.decode(key)) != 32:
        raise ValueError("not a key")
    return key


def _write_privately(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    if os.name == "nt":
        _restrict_to_owner(path)


def _restrict_to_owner(path: Path) -> None:
    """The mode means nothing on Windows: take the inherited rights away instead."""
    command = ["icacls", str(path), "/inheritance:r", "/grant:r", f"{getpass.getuser()}:F"]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.CalledProcessError) as error:
        path.unlink(missing_ok=True)
        raise SettingsError(
            f"{path}: others could read it, since its rights cannot be restricted here ({error}); "
            "choose a folder on a disk of this computer that is formatted with NTFS"
        ) from error
