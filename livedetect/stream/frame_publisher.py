"""Publishing frames (LDF/1) for livedetect from any Python program.

::

    with FramePublisher("tcp://127.0.0.1:5590", stream="camera/HAADF") as publisher:
        for image in acquire():
            publisher.send(image, calibration=Calibration(pixel_size_nm=0.02))

Acquisition never waits: `send` copies and returns. One thread owns the socket.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from numpy.typing import ArrayLike, NDArray

from livedetect.errors import EndpointError, SettingsError
from livedetect.stream import wire_frames as wire
from livedetect.stream.curve import Doorman, load_keys
from livedetect.stream.frame_address import (
    DEFAULT_FRAMES_ENDPOINT,
    bind,
    check_address,
    check_listening,
)
from livedetect.stream.frame_queue import MAX_FRAMES, FrameQueue, Outgoing
from livedetect.stream.wakeup import WakeUp
from livedetect.types import Calibration, Frame

IDLE_S = 1.0
SEND_HWM = 3 * MAX_FRAMES
"""What ZeroMQ has no room for, it loses without a word, and of room it learns only when half of all
this has left: the other half holds what waits and leaves at once, and what comes meanwhile."""
ROWS_APART_S = 0.002
"""So long one block of rows is on its way before the next one: meanwhile a burst gathers in the
queue, where it is counted in frames and can be joined."""
END_REPEATS = 3
END_PERIOD_S = 0.2
LINGER_MS = 2000


@dataclass(frozen=True, slots=True)
class _Layout:
    shape: tuple[int, int]
    rows: tuple[int, int] | None

    @property
    def begins(self) -> bool:
        return self.rows is None or self.rows[0] == 0

    @property
    def ends(self) -> bool:
        return self.rows is None or self.rows[1] == self.shape[0]


class FramePublisher:
    """Binds `endpoint` at once and publishes until `close`, or the end of a ``with`` block.

    Parameters
    ----------
    endpoint : ``tcp://HOST:PORT`` (port 0: any free one) or ``ipc://PATH``.
    stream : name of the channel; `send` can name others.
    session : name of the run, for the subscriber's records.
    curve : ``producer.key`` of ``livedetect keys``; needed to listen beyond this computer.

    Raises
    ------
    SettingsError
        The address is malformed, or open to the network without `curve`.
    EndpointError
        The address is taken.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_FRAMES_ENDPOINT,
        *,
        stream: str = "camera",
        session: str = "",
        curve: str | Path | None = None,
    ) -> None:
        address = check_address(endpoint)
        check_listening(address, encrypted=curve is not None)
        keys = load_keys(curve, "producer") if curve is not None else None
        self._session = session or uuid.uuid4().hex
        self._epoch = os.urandom(wire.EPOCH_BYTES)
        self._stream = stream
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.SNDHWM, SEND_HWM)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 1024)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._doorman = Doorman(self._context, self._socket, keys) if keys else None
        try:
            self.endpoint = bind(self._socket, address)
            """Where frames are published, with the real port."""
        except Exception:
            self._release()
            raise
        self._lock = threading.Lock()
        self._waiting = FrameQueue()
        self._next_seq: dict[str, int] = {stream: 0}
        self._rows_sent: dict[str, int] = {}
        self._told_s: dict[str, float] = {}
        self._listened = threading.Event()
        self._closing = threading.Event()
        self._status = "success"
        self._wakeup = WakeUp()
        self._thread = threading.Thread(target=self._run, name="livedetect-frames", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames left out here because they came faster than the thread could send them.

        A frame that came in rows counts once, as it is left out as a whole. A subscriber that is
        too slow loses others on the way; it sees all of them as gaps.
        """
        return self._waiting.dropped

    def send(
        self,
        array: ArrayLike,
        *,
        calibration: Calibration | None = None,
        stream: str | None = None,
        scan_id: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> int:
        """Publish one complete frame; its number in its channel is returned.

        Parameters
        ----------
        array : (H, W) of real numbers; copied, so it may be overwritten at once.
        calibration : how it was scanned, as far as it is known.
        stream : another channel than that of the publisher.
        scan_id : the same for all channels of one scan; dose is counted once per scan.
        details : further keys of LDF/1 (``sat``, ``src``, ``valid_rows``) and ``meta``.

        Raises
        ------
        ProtocolError
            It is no frame that can travel.
        EndpointError
            The publisher is closed.
        """
        pixels = wire.sendable(array)
        told = dict(details or {}) | ({"scan_id": scan_id} if scan_id else {})
        return self._put(stream or self._stream, pixels, calibration or Calibration(), told)

    def send_rows(
        self,
        block: ArrayLike,
        *,
        first_row: int,
        height: int,
        calibration: Calibration | None = None,
        stream: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> int:
        """Publish the rows of a frame that is being scanned; the number it has is returned.

        The frame is complete with its last rows; it is not sent once more. Where the scan is
        aborted, begin the next frame with its row 0.

        Parameters
        ----------
        block : (n, W) of real numbers, the same dtype for all of a frame; copied.
        first_row : the row of the frame that `block` begins with, from 0, without holes.
        height : rows of the whole frame.
        calibration, stream, details : as in `send`; ``scan_id`` is one of the details.

        Raises
        ------
        ProtocolError
            These are no rows of such a frame.
        EndpointError
            The publisher is closed.
        """
        pixels = wire.sendable(block)
        rows = (first_row, first_row + len(pixels))
        layout = _Layout((height, pixels.shape[1]), rows)
        told = dict(details or {})
        return self._put(stream or self._stream, pixels, calibration or Calibration(), told, layout)

    def send_frame(self, frame: Frame) -> int:
        """Publish `frame` with all it knows; its own index and time are replaced."""
        details = {
            "sat": frame.saturation_value,
            "valid_rows": frame.valid_rows,
            "meta": dict(frame.meta),
        }
        return self.send(
            frame.data,
            calibration=frame.calibration,
            stream=frame.stream or None,
            scan_id=frame.scan_id,
            details={key: value for key, value in details.items() if value is not None},
        )

    def wait_for_listener(self, timeout_s: float) -> bool:
        """Wait until somebody listens, at most `timeout_s`; False if nobody does."""
        return self._listened.wait(timeout_s)

    def close(self, status: str = "success") -> None:
        """Send what waits and the end of every stream; may be called more than once.

        `status` is success, abort or fail. Takes about half a second, so that the end arrives.
        """
        if status not in wire.STATUSES:
            raise SettingsError(f"status {status!r}: one of {', '.join(wire.STATUSES)}")
        if self._closing.is_set():
            return
        self._status = status
        self._closing.set()
        self._wakeup.raise_()
        self._thread.join()
        self._wakeup.close()

    def __enter__(self) -> FramePublisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close("success" if kind is None else "abort")

    def _put(
        self,
        stream: str,
        pixels: NDArray[Any],
        calibration: Calibration,
        details: dict[str, Any],
        layout: _Layout | None = None,
    ) -> int:
        layout = layout or _Layout((pixels.shape[0], pixels.shape[1]), None)
        with self._lock:
            seq = self._next_seq.get(stream, 0)
            if self._closing.is_set():
                raise EndpointError("the publisher is closed; open another one")
            if self._rows_sent.get(stream) and layout.begins:
                seq += 1  # the frame before was aborted
            header = wire.FrameHeader(
                origin=self._origin(stream),
                seq=seq,
                t_ns=time.time_ns(),
                mono_ns=time.monotonic_ns(),
                dtype=_name(pixels),
                shape=layout.shape,
                rows=layout.rows,
                cal=axes(calibration),
                details={**scan_details(calibration), **details},
            )
            outgoing = Outgoing(header, pixels)
            wire.decode_header(outgoing.parts())  # what the other end would refuse is refused here
            self._next_seq[stream] = seq + layout.ends
            self._rows_sent[stream] = 0 if layout.rows is None or layout.ends else layout.rows[1]
            self._waiting.put(outgoing)
        self._wakeup.raise_()
        return seq

    def _origin(self, stream: str) -> wire.Origin:
        return wire.Origin(stream=stream, session=self._session, epoch=self._epoch)

    # -- from here on: the publisher's thread ---------------------------------------------

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wakeup, zmq.POLLIN)
        poller.register(self._socket, zmq.POLLIN)
        if self._doorman:
            poller.register(self._doorman.socket, zmq.POLLIN)
        while not self._closing.is_set():
            poller.poll(int(1e3 * IDLE_S / 4))
            self._wakeup.clear()
            self._round()
        self._send_frames()
        for _ in range(END_REPEATS):
            self._send_controls("end")
            threading.Event().wait(END_PERIOD_S)
            self._admit_listeners()
        self._release()

    def _round(self) -> None:
        self._admit_listeners()
        self._send_frames()
        now_s = time.monotonic()
        for stream in self._streams():
            if now_s - self._told_s.get(stream, float("-inf")) >= IDLE_S:
                self._send_control("heartbeat", stream)

    def _admit_listeners(self) -> None:
        if self._doorman:
            self._doorman.answer()
        with contextlib.suppress(zmq.Again):
            while True:
                if self._socket.recv(zmq.NOBLOCK)[:1] == b"\1":
                    self._listened.set()
                    self._send_controls("start")

    def _send_frames(self) -> None:
        while True:
            with self._lock:
                outgoing = self._waiting.take()
            if outgoing is None:
                return
            # the pixels are ours alone, so ZeroMQ may keep them instead of a copy
            self._socket.send_multipart(outgoing.parts(), copy=False)
            self._told_s[outgoing.header.origin.stream] = time.monotonic()
            if outgoing.header.rows is not None:
                threading.Event().wait(ROWS_APART_S)

    def _streams(self) -> list[str]:
        with self._lock:
            return list(self._next_seq)

    def _send_controls(self, kind: str) -> None:
        for stream in self._streams():
            self._send_control(kind, stream)

    def _send_control(self, kind: str, stream: str) -> None:
        with self._lock:
            last_seq = self._next_seq[stream] - 1
            if self._waiting.holds(stream):
                return  # a frame is about to say the same
        if kind == "heartbeat" and last_seq < 0:
            kind = "start"
        message = wire.Control(
            kind=kind, origin=self._origin(stream), last_seq=last_seq, status=self._status
        )
        self._socket.send_multipart(wire.encode_control(message))
        self._told_s[stream] = time.monotonic()

    def _release(self) -> None:
        if self._doorman:
            self._doorman.close()
        self._socket.close(LINGER_MS)
        self._context.term()


def axes(calibration: Calibration) -> tuple[wire.Axis, wire.Axis]:
    """Axes (y, x) of LDF/1; without units where the size of a pixel is not known."""
    width_nm = calibration.pixel_size_nm
    if width_nm is None:
        return wire.Axis(), wire.Axis()
    height_nm = width_nm * calibration.pixel_aspect
    return wire.Axis(scale=height_nm, units="nm"), wire.Axis(scale=width_nm, units="nm")


def scan_details(calibration: Calibration) -> dict[str, Any]:
    """The optional keys of LDF/1 that `calibration` knows."""
    names = ("dwell_us", "current_pA", "high_tension_kv", "rotation_deg")
    known = {name: getattr(calibration, name) for name in names}
    return {name: float(value) for name, value in known.items() if value is not None}


def _name(pixels: NDArray[Any]) -> str:
    return next(name for name, dtype in wire.DTYPES.items() if dtype == pixels.dtype)
