"""Parts of a frame that say nothing of this crystal, and what of the crystal is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import FloatArray
from livedetect.detect.row_moments import rows_down, turns

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
class Remaining:
    """What of a Hann-windowed frame still shows this crystal, were it to stand still."""

    boxes: Sequence[Box]
    """What does not."""
    share: FloatArray
    """(n,) complex: of every reflection, relative to all of the frame."""
    turn: FloatArray
    """(n,) what `row_moments.turns` has beyond that of the whole frame."""
    middle: float
    """Weighted mean of the rows, in heights of the frame from its middle."""
    inertia: float
    """Weighted mean square distance of the rows from there, in squared heights."""


def what_remains(
    boxes: Sequence[Box], displacement: FloatArray, vectors: FloatArray, shape: tuple[int, ...]
) -> Remaining:
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
    waves = np.exp(-2j * np.pi * np.tensordot(vectors, displacement, 1))
    across = np.add.reduceat(np.hanning(width), np.arange(0, width, STEP_PX))
    parts, whole = _moments(kept, across), _moments(np.ones_like(kept), across)
    total, first = (np.tensordot(waves, part, 2) for part in parts[:2])
    all_of_it, all_first = (np.tensordot(waves, part, 2) for part in whole[:2])
    mass, moment, spread = (float(part.sum()) for part in parts)
    middle = moment / max(mass, 1e-12)
    return Remaining(
        boxes=boxes,
        share=total / np.where(np.abs(all_of_it) > 0, all_of_it, 1),
        turn=turns(first, total) - turns(all_first, all_of_it),
        middle=middle,
        inertia=spread / max(mass, 1e-12) - middle**2,
    )


def _moments(kept: FloatArray, across: FloatArray) -> FloatArray:
    """(3, h, w) weight of every block, of which `kept` (H, w) is there, and its moments.

    Times the rows' place to the power of 0, 1 and 2; `across` (w,) is the window along x.
    """
    height = len(kept)
    window, down = np.hanning(height)[:, None], rows_down(height)[:, None]
    edges = np.arange(0, height, STEP_PX)
    return np.array(
        [np.add.reduceat(kept * window * down**order, edges) * across for order in range(3)]
    )
