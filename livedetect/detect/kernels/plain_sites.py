"""Sites, positions and markers in numpy: the reference of `sites`."""

from __future__ import annotations

from typing import cast

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels.maps import NEIGHBOURS, Around, Placement


def all_true(cover: BoolArray | IntArray, patches: Around, least: int = 1) -> BoolArray:
    """(n,) True for patches that lie where `cover` (P, Q) is enough.

    `cover` is a mask, or uint8 of which `least` is enough.
    """
    return np.asarray((cover.ravel()[patches.samples] >= least).all(axis=1))


def any_bits(bits: IntArray, patches: Around, chosen: BoolArray) -> IntArray:
    """(n,) uint8 bits of (P, Q) set anywhere in the `chosen` patches; 0 in others."""
    result = cast("IntArray", np.zeros(len(chosen), np.uint8))
    result[chosen] = np.bitwise_or.reduce(bits.ravel()[patches.at(chosen).samples], axis=1)
    return result


def inside(positions: FloatArray, mask: BoolArray) -> BoolArray:
    """(n,) True for pixels nearest to positions (n, 2) as (x, y) that lie in `mask` (H, W)."""
    column, row = np.rint(positions).astype(int).T
    height, width = mask.shape
    within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    result = np.zeros(len(positions), bool)
    result[within] = mask[row[within], column[within]]
    return result


def mark_blocks(positions: FloatArray, block_px: int, out: BoolArray) -> None:
    """Set the blocks (h, w) within one block of any position (n, 2) as (x, y)."""
    height, width = out.shape
    column, row = (np.floor(positions / block_px)).astype(int).T
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            r, c = row + down, column + right
            within = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            out[r[within], c[within]] = True


def mark_samples(centres: IntArray, offsets: IntArray, out: BoolArray) -> None:
    """Set the samples (P, Q) at `offsets` (d, 2) from any of the `centres` (n, 2)."""
    samples = (centres[:, None] + offsets).reshape(-1, 2)
    inside = ((samples >= 0) & (samples < np.array(out.shape))).all(axis=1)
    out[tuple(samples[inside].T)] = True


def place(
    positions: FloatArray,
    field: FloatArray,
    block_px: float,
    shift: FloatArray,
) -> FloatArray:
    """(n, 2) positions (n, 2) + warp + shift, (x, y), px.

    Parameters
    ----------
    field : (2, h, w) warp of blocks of `block_px`.
    """
    rows = (positions[:, 1] + 0.5) / block_px - 0.5
    cols = (positions[:, 0] + 0.5) / block_px - 0.5
    warped = [
        ndimage.map_coordinates(part, [rows, cols], order=1, mode="nearest") for part in field
    ]
    return np.asarray(positions + np.stack(warped, axis=1) + shift)


def keep_inside(
    positions: FloatArray,
    placement: Placement,
    watched: tuple[BoolArray, BoolArray],
    inout: BoolArray,
    blocks: tuple[int, BoolArray],
) -> None:
    """Keep of `inout` (n,) the positions (n, 2) that are `watched` in the frame.

    Parameters
    ----------
    watched : (H, W) pixels, and (h, w) blocks all of whose pixels are.
    blocks : their size, px, and a map (h, w) in which those around the kept ones are set.
    """
    chosen = np.flatnonzero(inout)
    to = placement
    placed = place(positions[chosen], to.field, to.block_px, to.shift)
    within = inside(placed, watched[0])
    inout[chosen[~within]] = False
    mark_blocks(placed[within], blocks[0], blocks[1])


def nearest_site(
    positions: FloatArray, cells: IntArray, sites: FloatArray, inner: tuple[int, int]
) -> IntArray:
    """(n,) site nearest to each position (n, 2).

    Parameters
    ----------
    cells : (n, 2) unit cell of each position; that of the nearest site is one beside it at most.
    sites : (k rows cols, 2) positions: the first of the k sites of all `inner` cells (rows, cols),
        then the second, and so on.
    """
    rows, cols = inner
    near = np.clip(cells[:, None] + NEIGHBOURS, 0, np.array(inner) - 1)
    kinds = rows * cols * np.arange(len(sites) // (rows * cols))
    of_cells = (near @ np.array([cols, 1]))[:, :, None] + kinds
    candidates = of_cells.reshape(len(positions), len(NEIGHBOURS) * len(kinds))
    off = sites[candidates] - positions[:, None]
    nearest = (off**2).sum(axis=-1).argmin(axis=1)
    return np.asarray(candidates[np.arange(len(candidates)), nearest], dtype=np.int64)


def keep_apart(positions: FloatArray, radius_px: float) -> IntArray:
    """Indices of positions (n, 2), best first, that are `radius_px` from all kept before."""
    kept: list[int] = []
    for index in range(len(positions)):
        distance = np.hypot(*(positions[kept] - positions[index]).T)
        if not kept or distance.min() >= radius_px:
            kept.append(index)
    return np.array(kept, dtype=np.int64)
