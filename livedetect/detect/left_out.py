"""Parts of a frame that say nothing of this crystal, and what of the crystal is left."""

from __future__ import annotations

from collections.abc import Sequence

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


def share_left(
    boxes: Sequence[Box], displacement: FloatArray, vectors: FloatArray, shape: tuple[int, ...]
) -> FloatArray:
    """(n,) complex: reflections of a Hann-windowed frame without `boxes`, relative to all of it.

    Parameters
    ----------
    displacement : (2, h, w) of the lattice in the middles of blocks, see `block_centres`, px.
    vectors : (n, 2) reflections, cycles per px.
    """
    height, width = shape
    kept = np.ones((height, -(-width // STEP_PX)))
    for down, along in boxes:
        kept[down, along.start // STEP_PX : -(-along.stop // STEP_PX)] = 0
    kept *= np.hanning(height)[:, None]
    edges = np.arange(0, height, STEP_PX)
    left = np.add.reduceat(kept, edges, axis=0)
    whole = np.add.reduceat(np.hanning(height), edges)
    across = np.add.reduceat(np.hanning(width), np.arange(0, width, STEP_PX))
    waves = np.exp(-2j * np.pi * np.tensordot(vectors, displacement, 1))
    parts = [np.tensordot(waves, weights * across, 2) for weights in (left, whole[:, None])]
    return np.asarray(parts[0] / np.where(np.abs(parts[1]) > 0, parts[1], 1))
