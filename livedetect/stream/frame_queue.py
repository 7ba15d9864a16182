"""Frames that wait to be published: bounded, and the oldest give way as a whole."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.stream import wire_frames as wire

MAX_FRAMES = 32
"""More than a second of a fast scan: what a busy computer may be late with."""
MAX_BYTES = 256 * 2**20
APART = 8
"""Blocks of rows of one frame beyond which those that wait travel together, as they do once a
newer frame waits: ZeroMQ counts messages, not frames, before it leaves some out."""

_FrameId = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A frame, or a block of its rows."""

    header: wire.FrameHeader
    """What it is."""
    pixels: NDArray[Any]
    """(H, W), or (n, W) for n rows."""

    @property
    def frame(self) -> _FrameId:
        """What all blocks of a frame have in common."""
        return self.header.origin.stream, self.header.seq

    def parts(self) -> list[bytes | memoryview]:
        """The message, with the checksum of its pixels."""
        details = {**self.header.details, "crc32": wire.crc32(self.pixels)}
        return wire.encode_frame(dataclasses.replace(self.header, details=details), self.pixels)


class FrameQueue:
    """At most 32 frames or 256 MiB, in their order; the newest frame always stays.

    A frame in blocks of rows counts once, and with one of its blocks all are given up, those
    that are still to come included. Whoever shares it between threads brings the lock.
    """

    def __init__(self) -> None:
        self._waiting: dict[_FrameId, list[Outgoing]] = {}
        self._given_up: dict[str, int] = {}
        self._nbytes = 0
        self.dropped = 0
        """Frames that had to give way."""

    def __len__(self) -> int:
        """Number of frames that wait, as a whole or in part."""
        return len(self._waiting)

    def holds(self, stream: str) -> bool:
        """Whether anything of a channel waits."""
        return any(name == stream for name, _ in self._waiting)

    def put(self, latest: Outgoing) -> None:
        """Add a frame, or further rows of one."""
        stream, seq = latest.frame
        if self._given_up.get(stream) == seq:
            return
        self._waiting.setdefault(latest.frame, []).append(latest)
        self._nbytes += latest.pixels.nbytes
        while len(self) > 1 and (len(self) > MAX_FRAMES or self._nbytes > MAX_BYTES):
            self._give_up(next(frame for frame in self._waiting if frame != latest.frame))

    def take(self) -> Outgoing | None:
        """Remove what is to be sent next; None if nothing waits."""
        if not self._waiting:
            return None
        frame, blocks = next(iter(self._waiting.items()))
        behind = len(blocks) > APART or len(self) > 1
        taken = _following(blocks) if behind else blocks[:1]
        del blocks[: len(taken)]
        if not blocks:
            del self._waiting[frame]
        self._nbytes -= sum(each.pixels.nbytes for each in taken)
        return taken[0] if len(taken) == 1 else _joined(taken)

    def _give_up(self, frame: _FrameId) -> None:
        self._nbytes -= sum(each.pixels.nbytes for each in self._waiting.pop(frame))
        stream, seq = frame
        self._given_up[stream] = seq
        self.dropped += 1


def _following(blocks: Sequence[Outgoing]) -> list[Outgoing]:
    """The first of `blocks`, and those of the same kind that follow it without a hole."""
    joined = [blocks[0]]
    for one, other in itertools.pairwise(blocks):
        a, b = one.header, other.header
        same = (a.shape, a.dtype) == (b.shape, b.dtype)
        if not (same and a.rows and b.rows and a.rows[1] == b.rows[0]):
            break
        joined.append(other)
    return joined


def _joined(blocks: Sequence[Outgoing]) -> Outgoing:
    first, last = blocks[0].header.rows, blocks[-1].header.rows
    assert first is not None and last is not None  # noqa: S101, PT018 - only rows are joined
    header = dataclasses.replace(blocks[-1].header, rows=(first[0], last[1]))
    return Outgoing(header, np.concatenate([each.pixels for each in blocks]))
