"""Where the engine listens: checking addresses and binding the two sockets of LDR/1."""

from __future__ import annotations

import errno
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import zmq

from livedetect.errors import EndpointError, SettingsError
from livedetect.stream.curve import Doorman, load_keys

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5591"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A TCP address."""

    host: str
    """Name or address, an IPv6 address without its brackets."""
    port: int
    """1 to 65535, or 0 for any free port."""
    curve: str | None = None
    """Key file of ``livedetect keys``; None without encryption."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"

    def at(self, port: int) -> Endpoint:
        """The same host at another port."""
        return Endpoint(self.host, port, self.curve)

    def for_a_viewer_here(self) -> str:
        """As a viewer on this computer is to be told: with its own key, if that lies beside ours.

        Every address of the computer is not one to connect to.
        """
        everywhere = self.host in ("0.0.0.0", "::")  # noqa: S104 - looked for, not bound
        near = Endpoint("127.0.0.1", self.port) if everywhere else self
        theirs = Path(self.curve).with_name("subscriber.key") if self.curve else None
        return str(near) + (f"?curve={theirs}" if theirs and theirs.exists() else "")

    @property
    def loopback(self) -> bool:
        """Only programs on this computer can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse_endpoint(text: str) -> Endpoint:
    """Split ``tcp://HOST:PORT?curve=FILE``; raises `SettingsError` saying what is allowed."""
    address, _, option = text.partition("?")
    scheme, _, rest = address.partition("://")
    name, _, curve = option.partition("=")
    if option and (name != "curve" or not curve):
        raise SettingsError(f"endpoint {text!r}: behind '?' only curve=FILE is understood")
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    number = int(port) if port.isascii() and port.isdecimal() else -1
    if scheme != "tcp" or not host or not 0 <= number <= 65535:
        usual = f"usually {DEFAULT_ENDPOINT} for results and tcp://127.0.0.1:5590 for frames"
        raise SettingsError(f"endpoint {text!r}: write it as tcp://HOST:PORT, {usual}")
    return Endpoint(host, number, unquote(curve) or None)


@dataclass(frozen=True, slots=True)
class BoundPair:
    """The bound sockets of an engine; they belong to one thread at a time."""

    results: zmq.Socket[bytes]
    """XPUB: a PUB that learns whether anybody listens."""
    control: zmq.Socket[bytes]
    """ROUTER of the requests."""
    endpoint: Endpoint
    """Where `results` is bound."""
    control_endpoint: Endpoint
    """Where `control` is bound: the next port, or any if the user left the choice."""
    doorman: Doorman | None
    """Answers for the keys of those who connect; None without encryption."""

    def close(self) -> None:
        """Release the sockets, after what waits in them has been sent."""
        for socket in (self.control, self.results, self.doorman):
            if socket is not None:
                socket.close()


def bind_pair(context: zmq.Context[Any], text: str, request_limit_bytes: int) -> BoundPair:
    """Bind both sockets at `text`; raises `EndpointError` if a port is taken.

    Raises `SettingsError` for an address that others could reach, unless it has keys.
    """
    wanted = parse_endpoint(text)
    if not wanted.loopback and not wanted.curve:
        raise SettingsError(
            f"endpoint {text!r} would be open to the network: make keys with `livedetect keys DIR` "
            f"and append ?curve=DIR/producer.key, or publish at {DEFAULT_ENDPOINT}"
        )
    keys = load_keys(wanted.curve, "producer") if wanted.curve else None
    results, control = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
    results.setsockopt(zmq.SNDHWM, 64)  # bounds what a hung viewer can pile up here
    results.setsockopt(zmq.MAXMSGSIZE, 1024)
    # a ROUTER drops replies beyond it without a word; with 8, quick clients lost the ninth
    control.setsockopt(zmq.SNDHWM, 64)
    control.setsockopt(zmq.MAXMSGSIZE, request_limit_bytes)
    doorman = Doorman(context, results, keys) if keys else None
    if doorman is not None:
        doorman.protect(control)
    try:
        endpoint = _bind(results, wanted)
        control_endpoint = _bind_control(control, endpoint, free_choice=wanted.port == 0)
    except EndpointError:
        results.close(0)
        control.close(0)
        if doorman is not None:
            doorman.close()
        raise
    return BoundPair(results, control, endpoint, control_endpoint, doorman)


def _bind_control(control: zmq.Socket[bytes], endpoint: Endpoint, *, free_choice: bool) -> Endpoint:
    following = endpoint.at(endpoint.port + 1 if endpoint.port < 65535 else 0)
    try:
        return _bind(control, following)
    except EndpointError:
        if not free_choice:
            raise
        return _bind(control, endpoint.at(0))


def _bind(socket: zmq.Socket[bytes], wanted: Endpoint) -> Endpoint:
    socket.setsockopt(zmq.LINGER, 500)
    socket.setsockopt(zmq.IPV6, int(":" in wanted.host))
    try:
        socket.bind(str(wanted).replace("localhost", "127.0.0.1"))
    except zmq.ZMQError as error:
        raise EndpointError(_refusal(wanted, error)) from error
    bound = socket.getsockopt(zmq.LAST_ENDPOINT)
    return wanted.at(int(bytes(bound).rstrip(b"\0").rpartition(b":")[2]))


def _refusal(wanted: Endpoint, error: zmq.ZMQError) -> str:
    if error.errno in (zmq.EADDRINUSE, errno.EACCES):
        return (
            f"port {wanted.port} at {wanted.host} is taken, probably by another livedetect; "
            f"end that one, or choose another pair of ports with "
            f"--publish tcp://{wanted.host}:PORT (PORT and PORT + 1 are used, 0 = any free ones)"
        )
    return f"cannot listen at {wanted}: {error.strerror}; see --publish"
