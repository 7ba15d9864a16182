"""LDR/1, requests of clients and the replies to them as bytes and back, pure functions.

They go to the ROUTER socket; each gets one reply. What an engine publishes by itself is in
`wire_results`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livedetect.errors import LivedetectError, ProtocolError
from livedetect.settings import AlarmSettings
from livedetect.stream.wire import (
    check_keys,
    check_numbers,
    check_protocol,
    decode_map,
    encode_map,
)
from livedetect.stream.wire_results import RESULTS_PROTOCOL, RESULTS_VERSION
from livedetect.types import Command

MAX_REQUEST_BYTES = 64 * 1024
MAX_REPLY_BYTES = 64 * 1024 * 1024
"""A snapshot holds the events of a whole run."""
MAX_NOTE = 500
"""Characters."""
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "rebaseline": (),
    "start_warm_up": (),
    "return_to_area": ("area_id",),
    "accept": ("defect_id",),
    "dismiss": ("defect_id",),
    "set_alarm": ("rule", "limit", "action"),
    "roi": ("rectangle",),
    "stop": (),
    "note": ("text", "by"),
}
"""What the session is ordered, with the arguments that it may have."""
QUERIES = ("snapshot", "inspect")
"""What is only asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A checked request of a client."""

    id: int | str
    """Chosen by the client, returned with the reply."""
    cmd: str
    """``snapshot``, ``inspect`` or a command."""
    args: Mapping[str, Any]
    """Arguments by name."""


def encode_request(request_id: int | str, cmd: str, args: Mapping[str, Any]) -> bytes:
    """A client's request."""
    message = {"p": RESULTS_PROTOCOL, "v": RESULTS_VERSION, "id": request_id}
    return encode_map({**message, "cmd": cmd, "args": dict(args)})


def decode_request(data: bytes) -> Request:
    """Check a request; arguments are checked by `command`."""
    message = decode_map(data, MAX_REQUEST_BYTES)
    check_protocol(message, RESULTS_PROTOCOL, RESULTS_VERSION)
    check_keys(message, {"id": (int, str), "cmd": (str,), "args": (dict,)})
    if message["cmd"] not in (*QUERIES, *COMMANDS):
        allowed = ", ".join([*QUERIES, *sorted(COMMANDS)])
        raise ProtocolError(f"unknown cmd; allowed are {allowed}")
    return Request(id=message["id"], cmd=message["cmd"], args=message["args"])


def request_id(data: bytes) -> int | str | None:
    """The id of a refused request, if it has one that an answer can carry."""
    try:
        found = decode_map(data, MAX_REQUEST_BYTES).get("id")
    except ProtocolError:
        return None
    return found if type(found) is int or (type(found) is str and len(found) <= 64) else None


def command(request: Request) -> Command:
    """The checked command of a request, or a `ProtocolError` that says what is allowed."""
    extra = set(request.args) - set(COMMANDS.get(request.cmd, ()))
    if extra:
        raise ProtocolError(f"{request.cmd}: unknown argument {min(extra)!r}")
    if request.cmd in ("accept", "dismiss", "return_to_area"):
        check_keys(request.args, dict.fromkeys(COMMANDS[request.cmd], (int,)))
    if request.cmd == "roi":
        _check_rectangle(request.args.get("rectangle"))
    if request.cmd == "set_alarm":
        _check_alarm(request.args)
    if request.cmd == "note":
        _check_note(request.args)
    return Command(name=request.cmd, args=dict(request.args))


def _check_rectangle(rectangle: Any) -> None:
    if rectangle is None:
        return
    x0, y0, x1, y1 = check_numbers(rectangle, 4, int)
    if not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise ProtocolError("roi: rectangle is x0, y0, x1, y1 in px with x1 > x0 and y1 > y0")


def _check_alarm(args: Mapping[str, Any]) -> None:
    try:
        AlarmSettings(**args)
    except LivedetectError as error:
        raise ProtocolError(f"set_alarm: {error}") from error


def _check_note(args: Mapping[str, Any]) -> None:
    check_keys({"by": "", **args}, {"text": (str,), "by": (str,)})
    if not 1 <= len(args["text"]) <= MAX_NOTE or len(args.get("by", "")) > MAX_NOTE:
        raise ProtocolError(f"note: text has 1 to {MAX_NOTE} characters")


def encode_reply(request_id: int | str | None, data: Mapping[str, Any]) -> bytes:
    """The answer to a request that was taken."""
    return encode_map({"id": request_id, "ok": True, "data": dict(data)})


def encode_refusal(request_id: int | str | None, error: str) -> bytes:
    """The answer to a request that was not taken, saying why."""
    return encode_map({"id": request_id, "ok": False, "error": error})


def decode_reply(data: bytes) -> dict[str, Any]:
    """Check a reply: a map with ``id``, ``ok`` and ``data`` or ``error``."""
    message = decode_map(data, MAX_REPLY_BYTES)
    check_keys(message, {"id": (int, str, type(None)), "ok": (bool,)})
    check_keys(message, {"data": (dict,)} if message["ok"] else {"error": (str,)})
    return message
