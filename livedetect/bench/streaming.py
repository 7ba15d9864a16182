"""How many frames a second can be recorded and sent, each beside the plainest way to do it.

Recording is compared with writing the same arrays to one file, sending with a bare ZeroMQ
socket that carries the same bytes. Sender and receiver are two processes, as in a laboratory.
"""

from __future__ import annotations

import itertools
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import zarr
import zmq
from numpy.typing import NDArray

from livedetect.bench.sending import COPIES, QUEUE_FRAMES, kinds, send, send_plain
from livedetect.errors import SourceError
from livedetect.stream.frame_store import FrameStore
from livedetect.stream.record import Recorder
from livedetect.stream.registry import open_source
from livedetect.types import Frame

EDGES_PX = (512, 1024, 2048)
RECORDED_EDGE_PX = 1024
PATIENCE_S = 30.0
"""For a sender to begin, and for its first frame to arrive."""
_AHEAD_FRAMES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One line of the table."""

    what: str
    """What was done with the frames."""
    edge_px: int
    """Edge of the square frames of uint16."""
    frames_per_s: float
    """By livedetect."""
    plain_per_s: float
    """By the plainest way, measured just before."""
    lost: float = 0.0
    """Share of the frames that did not arrive; those are told as gaps."""

    @property
    def ratio(self) -> float:
        """Rate of livedetect over the plain one."""
        return self.frames_per_s / self.plain_per_s if self.plain_per_s else float("nan")


def rates(seconds: float, directory: Path | None = None) -> Iterator[Rate]:
    """Measure one line after the other, each for about `seconds`, files under `directory`."""
    with tempfile.TemporaryDirectory(dir=directory, ignore_cleanup_errors=True) as folder:
        for what, frames in kinds(RECORDED_EDGE_PX).items():
            plain = _plain_files_per_s(frames, Path(folder) / "plain", seconds)
            ways = {"raw": _raw_per_s, "compress": _store_per_s, "record": _record_per_s}
            for name, record in ways.items():
                rate = record(frames, Path(folder) / f"{name} {what}", seconds)
                yield Rate(
                    what=f"{name} {what}",
                    edge_px=RECORDED_EDGE_PX,
                    frames_per_s=rate,
                    plain_per_s=plain,
                )
        for scheme in ["tcp", *["ipc"] * bool(zmq.has("ipc"))]:
            for edge in EDGES_PX:
                address = _address(scheme, Path(folder), edge)
                plain, _ = _received_per_s(send_plain, _receive_plain, address, edge, seconds)
                rate, lost = _received_per_s(send, _receive, address, edge, seconds)
                yield Rate(
                    what=f"send by {scheme}",
                    edge_px=edge,
                    frames_per_s=rate,
                    plain_per_s=plain,
                    lost=lost,
                )


def table(measured: list[Rate]) -> str:
    """The lines as a table in Markdown."""
    lines = [
        "| | edge, px | frames/s | MB/s | the plain way, frames/s | ratio | lost |",
        "|---|---|---|---|---|---|---|",
    ]
    for rate in measured:
        megabytes = rate.frames_per_s * rate.edge_px**2 * 2e-6
        lines.append(
            f"| {rate.what} | {rate.edge_px} | {rate.frames_per_s:.0f} | {megabytes:.0f} | "
            f"{rate.plain_per_s:.0f} | {rate.ratio:.2f} | {rate.lost:.1%} |"
        )
    return "\n".join(lines)


# -- recording ----------------------------------------------------------------------------


def _per_s(write: Callable[[int], object], seconds: float) -> float:
    begun, done = time.monotonic(), 0
    while (now := time.monotonic()) - begun < seconds:
        write(done)
        done += 1
    return done / (now - begun)


def _plain_files_per_s(frames: list[NDArray[np.uint16]], path: Path, seconds: float) -> float:
    with path.open("wb") as target:
        rate = _per_s(lambda n: frames[n % COPIES].tofile(target), seconds)
    path.unlink()
    return rate


def _raw_per_s(frames: list[NDArray[np.uint16]], folder: Path, seconds: float) -> float:
    """Chunks without compression: what it gains, or costs."""
    shape, dtype = frames[0].shape, frames[0].dtype
    array = zarr.create_array(
        store=str(folder), shape=(10**6, *shape), chunks=(1, *shape), dtype=dtype, compressors=None
    )
    return _per_s(lambda n: array.__setitem__(n, frames[n % COPIES]), seconds)


def _store_per_s(frames: list[NDArray[np.uint16]], folder: Path, seconds: float) -> float:
    """Chunks only: what Blosc and the file system take."""
    folder.mkdir()
    store = FrameStore(folder)
    return _per_s(lambda n: store.add(Frame(data=frames[n % COPIES], index=n)), seconds)


def _record_per_s(frames: list[NDArray[np.uint16]], folder: Path, seconds: float) -> float:
    """A recorder at work, to the last row and with what a power cut must not take."""
    recorder = Recorder(folder, tell=lambda _: None)
    paused = threading.Event()

    def give(number: int) -> None:
        while recorder.waiting > _AHEAD_FRAMES:
            paused.wait(0.001)
        recorder.on_frame(Frame(data=frames[number % COPIES], index=number))

    begun = time.monotonic()
    taken = _per_s(give, seconds) * seconds
    recorder.close()
    return taken / (time.monotonic() - begun)


# -- sending ------------------------------------------------------------------------------

Send = Callable[[str, int, Event, Any], None]
Receive = Callable[[str, float], tuple[int, int, float]]


def _address(scheme: str, folder: Path, edge: int) -> str:
    if scheme == "ipc":
        return f"ipc://{folder / str(edge)}"
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
    return f"tcp://127.0.0.1:{port}"


def _received_per_s(
    sending: Send, receive: Receive, address: str, edge: int, seconds: float
) -> tuple[float, float]:
    """Frames received a second, and the share of those sent that never came."""
    processes = multiprocessing.get_context("spawn")
    ready, stop = processes.Event(), processes.Event()
    sender = processes.Process(target=sending, args=(address, edge, ready, stop), daemon=True)
    sender.start()
    try:
        if not ready.wait(PATIENCE_S):
            raise SourceError(
                f"the sender for {address} did not begin within {PATIENCE_S:g} s; is the computer "
                "very busy, or does something keep new processes from starting?"
            )
        received, span, took_s = receive(address, seconds)
    finally:
        stop.set()
        sender.join(PATIENCE_S)
        sender.kill()
    return received / took_s, 1 - received / span if span else float("nan")


def _receive_plain(address: str, seconds: float) -> tuple[int, int, float]:
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.RCVHWM, QUEUE_FRAMES)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)

        def numbers() -> Iterator[int]:
            while socket.poll(int(1e3 * PATIENCE_S)):
                number, pixels = socket.recv_multipart(copy=False)
                np.frombuffer(pixels.buffer, np.uint16)
                yield int.from_bytes(number.bytes, "big")

        return _counted(numbers(), address, seconds)


def _receive(address: str, seconds: float) -> tuple[int, int, float]:
    stop = threading.Event()
    source = open_source(address, stop=stop)
    # a source waits for its producer as long as it must; a measurement does not
    patience = threading.Timer(PATIENCE_S + seconds, stop.set)
    patience.daemon = True
    patience.start()
    try:
        frames = (item.index for item in source if isinstance(item, Frame))
        return _counted(frames, address, seconds)
    finally:
        patience.cancel()
        stop.set()


def _counted(numbers: Iterator[int], address: str, seconds: float) -> tuple[int, int, float]:
    """Frames that came, numbers they span, and the time between the first and the last, s.

    Raises
    ------
    SourceError
        Not a single one came.
    """
    first = next(numbers, None)
    if first is None:
        raise SourceError(
            f"no frame arrived at {address} within {PATIENCE_S:g} s; does a firewall or another "
            "program hold the port?"
        )
    begun = time.monotonic()
    in_time = itertools.takewhile(lambda _: time.monotonic() - begun < seconds, numbers)
    came = list(in_time)
    return len(came), came[-1] - first if came else 0, time.monotonic() - begun
