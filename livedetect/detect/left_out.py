"""Parts of a frame that say nothing of this crystal, and what of the crystal is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import FloatArray

Box = tuple[slice, slice]
"""Rows and columns of a frame."""
STEP_PX = 16
"""Boxes begin and end at multiples of it across, so that there are few."""


def boxes_around(places: FloatArray, reach: FloatArray, shape: tuple[int, ...]) -> list[Box]:
    """What lies within `reach` (x, y) of any of the places (n, 2), px, row by row.

    Rows of which the same is to be left out make one box. No coarser: a row of the specimen must
    not change sides when the view drifts.
    """
    height, width = shape
    across = places[:, :1] + np.array([-reach[0], reach[0]])
    rows = np.floor(places[:, 1:] - reach[1]).astype(np.int64)
    rows = rows + np.arange(int(2 * reach[1]) + 2)
    owner, rows = np.nonzero((rows >= 0) & (rows < height))[0], rows[(rows >= 0) & (rows < height)]
    first, last = np.full(height, np.inf), np.full(height, -np.inf)
    np.minimum.at(first, rows, across[owner, 0])
    np.maximum.at(last, rows, across[owner, 1])
    steps = np.stack([np.floor(first / STEP_PX), np.ceil(last / STEP_PX)])
    edges = np.clip(np.nan_to_num(STEP_PX * steps), 0, width).astype(np.int64)
    ends = [*(np.flatnonzero((np.diff(edges) != 0).any(axis=0)) + 1).tolist(), height]
    return [
        (slice(top, bottom), slice(int(edges[0, top]), int(edges[1, top])))
        for top, bottom in zip([0, *ends[:-1]], ends, strict=True)
        if edges[1, top] > edges[0, top]
    ]


def block_centres(shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """(h, w) x and y of the middles of blocks of `STEP_PX`, px."""
    rows, cols = (np.arange(0, length, STEP_PX) + STEP_PX / 2 for length in shape)
    x, y = np.meshgrid(cols, rows)
    return x, y


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a Hann-windowed frame's reflections, for a crystal that stands still."""

    share: FloatArray
    """(n,) complex: relative to all of the frame."""
    turn: FloatArray
    """(n,) cycles by which the phase turns from the first row to the last, times `inertia`, beyond
    what it does in the whole frame."""
    inertia: float
    """Mean square distance of the rows from their middle, in heights of the frame."""


def what_is_left(
    boxes: Sequence[Box], displacement: FloatArray, vectors: FloatArray, shape: tuple[int, ...]
) -> Left:
    """What of the reflections of a frame is left without `boxes`.

    Parameters
    ----------
    displacement : (2, h, w) of the lattice in the middles of blocks, see `block_centres`, px.
    vectors : (n, 2) reflections, cycles per px.
    """
    height, width = shape
    kept = np.ones((height, -(-width // STEP_PX)))
    for down, along in boxes:
        kept[down, along.start // STEP_PX : -(-along.stop // STEP_PX)] = 0
    across = np.add.reduceat(np.hanning(width), np.arange(0, width, STEP_PX))
    waves = np.exp(-2j * np.pi * np.tensordot(vectors, displacement, 1)) * across
    left = _Moments.of(kept, waves, across)
    whole = _Moments.of(np.ones_like(kept), waves, across)
    return Left(
        left.mean / np.where(np.abs(whole.mean) > 0, whole.mean, 1),
        left.turn - whole.turn,
        left.inertia,
    )


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of the rows of a frame about its middle."""

    mean: FloatArray
    """(n,) complex, of every wave."""
    turn: FloatArray
    """(n,) cycles per height, times the inertia."""
    inertia: float
    """Of the rows alone, about their own middle."""

    @classmethod
    def of(cls, kept: FloatArray, waves: FloatArray, across: FloatArray) -> _Moments:
        """Of waves (n, h, w) on blocks, of which `kept` (H, w) is there, weighted `across` (w,)."""
        height = len(kept)
        window, down = np.hanning(height)[:, None], rows_down(height)[:, None]
        edges = np.arange(0, height, STEP_PX)
        parts = [np.add.reduceat(kept * window * down**power, edges) for power in range(3)]
        mean, first = (np.tensordot(waves, part, 2) for part in parts[:2])
        mass, middle, spread = (float((part @ across).sum()) for part in parts)
        power = np.maximum(np.abs(mean) ** 2, 1e-12)
        inertia = spread / max(mass, 1e-12) - (middle / max(mass, 1e-12)) ** 2
        return cls(mean, (first * np.conj(mean)).imag / power / (2 * np.pi), inertia)


def rows_down(height: int) -> FloatArray:
    """(H,) where the rows of a frame lie, from -0.5 at its top to 0.5."""
    return (np.arange(height) + 0.5) / height - 0.5
