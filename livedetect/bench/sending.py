"""The sending half of ``livedetect bench stream``; runs in a process of its own."""

from __future__ import annotations

from multiprocessing.synchronize import Event

import numpy as np
import zmq
from numpy.typing import NDArray

from livedetect.stream.frame_publisher import FramePublisher

COPIES = 8
QUEUE_FRAMES = 32

# a frame at a time and no pause would fill any queue, and measure nothing but what is dropped
_PAUSE_S = 2e-4


def kinds(edge: int) -> dict[str, list[NDArray[np.uint16]]]:
    """Frames that compress well, as counts of a few electrons do, and not at all."""
    rng = np.random.default_rng(0)
    counts = [rng.poisson(5, (edge, edge)).astype(np.uint16) for _ in range(COPIES)]
    noise = [rng.integers(0, 2**16, (edge, edge), dtype=np.uint16) for _ in range(COPIES)]
    return {"counts": counts, "noise": noise}


def send_plain(address: str, edge: int, ready: Event, stop: Event) -> None:
    """A number and the pixels, by a bare socket."""
    pixels = kinds(edge)["counts"]
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.setsockopt(zmq.SNDHWM, QUEUE_FRAMES)
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(address)
        ready.set()
        number = 0
        while not stop.is_set():
            for _ in range(2):
                parts: list[bytes | memoryview] = [
                    number.to_bytes(8, "big"),
                    pixels[number % COPIES].data,
                ]
                socket.send_multipart(parts, copy=False)
                number += 1
            stop.wait(_PAUSE_S)


def send(address: str, edge: int, ready: Event, stop: Event) -> None:
    """LDF/1, by livedetect's own publisher."""
    pixels = kinds(edge)["counts"]
    with FramePublisher(address) as publisher:
        ready.set()
        number = 0
        while not stop.is_set():
            for _ in range(2):
                publisher.send(pixels[number % COPIES])
                number += 1
            stop.wait(_PAUSE_S)
