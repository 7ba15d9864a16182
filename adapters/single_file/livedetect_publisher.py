"""One file that publishes frames for livedetect (LDF/1): copy it beside your own script.

Needs numpy, pyzmq and msgpack; livedetect itself is not needed on this computer::

    from livedetect_publisher import FramePublisher

    with FramePublisher("tcp://127.0.0.1:5590", stream="camera/HAADF") as publisher:
        for image in acquire():
            publisher.send(image, pixel_size_nm=0.02, dwell_us=2.0, current_pA=50.0)

and on the computer that analyses: ``livedetect run tcp://127.0.0.1:5590``. `send` copies the
image and returns at once; a thread sends it. What comes faster than it can be sent is dropped,
oldest frame first, counted in `dropped`, and seen as a gap by whoever listens. A slow scan can be
sent as it grows, see `FramePublisher.send_rows`.
"""

from __future__ import annotations

import collections
import ipaddress
import json
import os
import threading
import time
import uuid
import zlib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import zmq
from zmq.utils import z85

DTYPES = ("|u1", "<u2", "<u4", "<i2", "<i4", "<f4", "<f8")
DETAILS = ("dwell_us", "current_pA", "high_tension_kv", "sat", "scan_id", "src", "valid_rows")
STATUSES = ("success", "abort", "fail")
MAX_WAITING = 32
"""Frames, as a whole or in part."""
MAX_WAITING_BYTES = 256 * 2**20
ROWS_APART = 8
"""Blocks of a frame beyond which those that wait travel together."""
ROWS_APART_S = 0.002
IDLE_S = 1.0


def envelope(kind: str, stream: str, session: str, epoch: bytes) -> dict[str, Any]:
    """What every message begins with."""
    return {
        "p": "livedetect",
        "v": 1,
        "kind": kind,
        "stream": stream,
        "session": session,
        "epoch": epoch,
    }


def frame_parts(
    head: dict[str, Any], numbers: tuple[int, int, int], image: Any, told: dict[str, Any]
) -> list[bytes]:
    """Both parts of a frame; `numbers` are seq, UTC ns and monotonic ns.

    Of a block of rows `head` has the kind ``rows``, `rows` and the `height` of the frame.
    """
    pixels = np.asarray(image)
    pixels = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
    if pixels.ndim != 2 or pixels.dtype.str not in DTYPES:
        found = f"{pixels.shape} of {pixels.dtype.str}"
        raise ValueError(f"a frame is (H, W) of {' '.join(DTYPES)}, not {found}")
    size, aspect = told.get("pixel_size_nm"), told.get("pixel_aspect", 1.0)
    allowed = ("pixel_size_nm", "pixel_aspect", *DETAILS, "meta")
    unknown = set(told) - set(allowed)
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; allowed: {', '.join(allowed)}")
    data = pixels.tobytes()
    head = dict(head)
    shape = [head.pop("height", pixels.shape[0]), pixels.shape[1]]
    header = {
        **head,
        **dict(zip(("seq", "t_ns", "mono_ns"), numbers)),  # noqa: B905 - also for Python 3.8
        "dtype": pixels.dtype.str,
        "shape": shape,
        "cal": [_axis(size and size * aspect), _axis(size)],
        **{name: told[name] for name in (*DETAILS, "meta") if told.get(name) is not None},
        "crc32": zlib.crc32(data),
    }
    return [msgpack.packb(header, use_bin_type=True), data]


def joined(blocks: list[list[bytes]]) -> list[bytes]:
    """One message for blocks of rows that follow each other."""
    first, last = (msgpack.unpackb(blocks[at][0]) for at in (0, -1))
    data = b"".join(block[1] for block in blocks)
    last.update(rows=[first["rows"][0], last["rows"][1]], crc32=zlib.crc32(data))
    return [msgpack.packb(last, use_bin_type=True), data]


def control_part(kind: str, head: dict[str, Any], last_seq: int, status: str) -> bytes:
    """A start, heartbeat or end."""
    message = {**head, "kind": kind}
    if kind == "heartbeat":
        message["seq"] = last_seq
    if kind == "end":
        message.update(n_frames=last_seq + 1, last_seq=last_seq, status=status)
    packed: bytes = msgpack.packb(message, use_bin_type=True)
    return packed


def _axis(size_nm: float | None) -> dict[str, Any]:
    scale, units = (1.0, "") if size_nm is None else (float(size_nm), "nm")
    return {"scale": scale, "offset": 0.0, "units": units}


class FramePublisher:
    """Publishes one channel at `endpoint` until `close`, or the end of a ``with`` block.

    Beyond this computer it needs ``curve="producer.key"``, made by ``livedetect keys``.
    """

    def __init__(
        self,
        endpoint: str = "tcp://127.0.0.1:5590",
        stream: str = "camera",
        session: str = "",
        curve: str | None = None,
    ) -> None:
        if curve is None and not _is_local(endpoint):
            raise ValueError(f"{endpoint} is open to the network: give curve='producer.key'")
        self._names = (stream, session or uuid.uuid4().hex, os.urandom(16))
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        # what ZeroMQ has no room for, it loses without a word, and of room it learns only when half
        # of all has left: the other half holds what waits and leaves at once
        self._socket.setsockopt(zmq.SNDHWM, 3 * MAX_WAITING)
        self._socket.setsockopt(zmq.LINGER, 2000)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 1024)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._door: Any = None
        try:
            self._door = self._lock_door(curve) if curve else None
            self._socket.bind(endpoint)
        except Exception:
            self._release()
            raise
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        self.dropped = 0
        """Frames left out because they came faster than the thread could send them."""
        self._lock = threading.Lock()
        self._waiting: collections.deque[list[bytes]] = collections.deque()
        self._waiting_seqs: collections.deque[int] = collections.deque()
        self._waiting_bytes = 0
        self._next_seq = 0
        self._growing: tuple[int, int, int, str] | None = None
        self._told_s = 0.0
        self._status = "success"
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="livedetect-frames", daemon=True)
        self._thread.start()

    def send(self, image: Any, **told: Any) -> int:
        """Publish a frame (H, W); its number is returned. May be called from any thread.

        `told`: pixel_size_nm, pixel_aspect, meta (a dict), and the names in `DETAILS`. What is
        no frame is a ValueError; so is a frame after `close`.
        """
        with self._lock:
            if self._closing.is_set():
                raise ValueError("the publisher is closed; open another one")
            seq = self._next_seq + (self._growing is not None)  # the frame before was aborted
            numbers = (seq, time.time_ns(), time.monotonic_ns())
            parts = frame_parts(envelope("frame", *self._names), numbers, image, told)
            self._next_seq, self._growing = seq + 1, None
            self._keep(seq, parts)
        self._wake.set()
        return seq

    def send_rows(self, block: Any, first_row: int, height: int, **told: Any) -> int:
        """Publish rows (n, W) of a frame that is being scanned; the number it has is returned.

        They follow each other from row 0; with the last one the frame is complete, and it is not
        sent once more. Where a scan is aborted, begin the next frame with its row 0. `told` as in
        `send`; rows that do not follow those before are a ValueError.
        """
        rows, width = np.shape(block)
        end = first_row + rows
        with self._lock:
            if self._closing.is_set():
                raise ValueError("the publisher is closed; open another one")
            growing = (first_row, height, width, np.asarray(block).dtype.str)
            if not 0 <= first_row < end <= height or (first_row and growing != self._growing):
                raise ValueError(f"rows {first_row} to {end} do not follow those before")
            seq = self._next_seq + (first_row == 0 and self._growing is not None)
            numbers = (seq, time.time_ns(), time.monotonic_ns())
            head = {**envelope("rows", *self._names), "rows": [first_row, end], "height": height}
            parts = frame_parts(head, numbers, block, told)
            self._next_seq = seq + (end == height)
            self._growing = None if end == height else (end, *growing[1:])
            self._keep(seq, parts)
        self._wake.set()
        return seq

    def close(self, status: str = "success") -> None:
        """Send what waits, and that nothing follows (success, abort or fail)."""
        if status not in STATUSES:
            raise ValueError(f"status {status!r}: one of {', '.join(STATUSES)}")
        with self._lock:
            if not self._closing.is_set():
                self._status = status
                self._closing.set()
        self._wake.set()
        self._thread.join()

    def __enter__(self) -> FramePublisher:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.close("success" if kind is None else "abort")

    def _keep(self, seq: int, parts: list[bytes]) -> None:
        """Let `parts` wait; the oldest frames give way, but the newest one always stays."""
        self._waiting.append(parts)
        self._waiting_seqs.append(seq)
        self._waiting_bytes += len(parts[1])
        while self._waiting_seqs[0] != seq and (
            len(set(self._waiting_seqs)) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES
        ):
            self._pop_blocks()
            self.dropped += 1

    def _pop_blocks(self, most: int | None = None) -> list[list[bytes]]:
        """Remove what waits of the oldest frame, or at most so many blocks of it."""
        count = self._waiting_seqs.count(self._waiting_seqs[0])
        blocks = []
        for _ in range(count if most is None else min(count, most)):
            blocks.append(self._waiting.popleft())
            self._waiting_seqs.popleft()
            self._waiting_bytes -= len(blocks[-1][1])
        return blocks

    def _taken(self) -> list[bytes] | None:
        with self._lock:
            if not self._waiting:
                return None
            many = self._waiting_seqs.count(self._waiting_seqs[0]) > ROWS_APART
            overtaken = self._waiting_seqs[0] != self._waiting_seqs[-1]
            blocks = self._pop_blocks(None if many or overtaken else 1)
        return blocks[0] if len(blocks) == 1 else joined(blocks)

    def _run(self) -> None:
        while not self._closing.is_set():
            # a short wait without frames: new listeners and their keys are looked at in between
            self._wake.wait(0.05)
            self._wake.clear()
            self._round()
        self._round()
        for _ in range(3):
            self._control("end")
            threading.Event().wait(0.2)
        self._release()

    def _release(self) -> None:
        if self._door is not None:
            self._door.close(0)
        self._socket.close()
        self._context.term()

    def _round(self) -> None:
        if self._door is not None:
            self._answer_door()
        while self._socket.poll(0):
            if self._socket.recv()[:1] == b"\1":
                self._control("start")
        parts = self._taken()
        while parts:
            self._socket.send_multipart(parts, copy=False)
            self._told_s = time.monotonic()
            if self._growing is not None:
                threading.Event().wait(ROWS_APART_S)  # a burst of rows gathers meanwhile
            parts = self._taken()
        if time.monotonic() - self._told_s >= IDLE_S:
            self._control("heartbeat" if self._next_seq else "start")

    def _control(self, kind: str) -> None:
        with self._lock:
            if self._waiting:
                return  # a frame is about to say the same
            last_seq = self._next_seq - 1
        head = envelope(kind, *self._names)
        self._socket.send(control_part(kind, head, last_seq, self._status))
        self._told_s = time.monotonic()

    def _lock_door(self, path: str) -> Any:
        keys = json.loads(Path(path).read_text(encoding="ascii"))
        if keys.get("role") != "producer":
            raise ValueError(f"{path} is not the producer's key")
        self._friend = z85.decode(keys["peer"].encode())
        door = self._context.socket(zmq.REP)
        door.bind("inproc://zeromq.zap.01")
        self._socket.curve_server = True
        self._socket.curve_publickey = keys["public"].encode()
        self._socket.curve_secretkey = keys["secret"].encode()
        self._socket.zap_domain = b"livedetect"
        return door

    def _answer_door(self) -> None:
        while self._door.poll(0):
            version, request_id, *rest = self._door.recv_multipart()
            known = rest[-2:] == [b"CURVE", self._friend]
            code, text = (b"200", b"OK") if known else (b"400", b"unknown key")
            self._door.send_multipart([version, request_id, code, text, b"", b""])


def _is_local(endpoint: str) -> bool:
    if endpoint.startswith("ipc://"):
        return True
    host = endpoint.partition("://")[2].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
