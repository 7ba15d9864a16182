"""Compiled: which sites are watched, which are worth a look, which markers are kept."""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled, signed, unsigned

ZERO, ONE = np.float32(0), np.float32(1)
NEXT, TWICE = unsigned(1), unsigned(2)


@compiled("void(u1[::1],u1,i4[::1],i4[::1],b1[::1])")
def all_true(
    cover: IntArray, least: int, centres: IntArray, offsets: IntArray, out: BoolArray
) -> None:
    """See `plain.all_true`."""
    for site in range(len(centres)):
        whole, centre = True, centres[site]
        for j in range(len(offsets)):
            if cover[np.uint32(centre + offsets[j])] < least:
                whole = False
                break
        out[site] = whole


@compiled("void(u1[::1],i4[::1],i4[::1],b1[::1],u1[::1])")
def any_bits(
    bits: IntArray, centres: IntArray, offsets: IntArray, chosen: BoolArray, out: IntArray
) -> None:
    """See `plain_sites.any_bits`."""
    for site in range(len(centres)):
        found, centre = np.uint8(0), centres[site]
        if chosen[site]:
            for j in range(len(offsets)):
                found |= bits[np.uint32(centre + offsets[j])]
        out[site] = found


@compiled("void(f8[:,::1],b1[:,::1],b1[::1])")
def inside(positions: FloatArray, mask: BoolArray, out: BoolArray) -> None:
    """See `plain.inside`."""
    height, width = mask.shape
    for i in range(len(positions)):
        column, row = int(np.rint(positions[i, 0])), int(np.rint(positions[i, 1]))
        within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        out[i] = within and mask[row, column]


@compiled("void(f8,f8,b1[:,::1])")
def _hit(column: float, row: float, inout: BoolArray) -> None:
    """Mark a block in a map with a rim of one block, if it lies in it."""
    c, r = int(np.floor(column)) + 1, int(np.floor(row)) + 1
    if (r >= 0) & (r < inout.shape[0]) & (c >= 0) & (c < inout.shape[1]):
        inout[r, c] = True


@compiled("void(b1[:,::1],b1[:,::1])")
def _spread(hit: BoolArray, inout: BoolArray) -> None:
    """Mark the blocks (h, w) within one of those hit, (h + 2, w + 2) with the rim."""
    rows, cols = inout.shape
    near = np.zeros(cols + 2, np.bool_)
    for r in range(rows):
        for c in range(cols + 2):
            near[c] = hit[r, c] | hit[r + 1, c] | hit[r + 2, c]
        for c in range(cols):
            inout[r, c] |= near[c] | near[c + 1] | near[c + 2]


@compiled("void(f8[:,::1],f8,b1[:,::1])")
def mark_blocks(positions: FloatArray, block_px: float, out: BoolArray) -> None:
    """See `plain.mark_blocks`."""
    hit = np.zeros((out.shape[0] + 2, out.shape[1] + 2), np.bool_)
    for i in range(len(positions)):
        _hit(positions[i, 0] / block_px, positions[i, 1] / block_px, hit)
    _spread(hit, out)


@compiled("UniTuple(f8,2)(f8,f8,f4[::1],i8,i8,f8)")
def _warp(
    x: float, y: float, field: FloatArray, height: int, width: int, per_px: float
) -> tuple[float, float]:
    """The warp at a position, from a flat `field` (2, h, w) with `per_px` nodes per pixel."""
    row = min(max(np.float32((y + 0.5) * per_px - 0.5), ZERO), np.float32(height - 1))
    col = min(max(np.float32((x + 0.5) * per_px - 0.5), ZERO), np.float32(width - 1))
    top, left = signed(row), signed(col)
    t, u = row - np.float32(top), col - np.float32(left)
    upper, below = unsigned(top * width), unsigned(min(top + 1, height - 1) * width)
    a, b = upper + unsigned(left), upper + unsigned(min(left + 1, width - 1))
    c, d = below + unsigned(left), below + unsigned(min(left + 1, width - 1))
    other = unsigned(height * width)
    p, q, r, s = (ONE - t) * (ONE - u), (ONE - t) * u, t * (ONE - u), t * u
    across = p * field[a] + q * field[b] + r * field[c] + s * field[d]
    a, b, c, d = a + other, b + other, c + other, d + other
    return across, p * field[a] + q * field[b] + r * field[c] + s * field[d]


@compiled("void(f8[:,::1],f4[:,:,::1],f8,f8[::1],b1[:,::1],b1[:,::1],b1[::1],i8,b1[:,::1])")
def keep_inside(
    positions: FloatArray,
    field: FloatArray,
    block_px: float,
    shift: FloatArray,
    mask: BoolArray,
    whole: BoolArray,
    inout: BoolArray,
    mark_px: int,
    out_blocks: BoolArray,
) -> None:
    """See `plain_sites.keep_inside`; blocks that are `whole` need no look at their pixels.

    Sites lie far apart in memory: each pixel looked at is a miss of the cache.
    """
    (height, width), (rows, cols) = mask.shape, out_blocks.shape
    hit = np.zeros((rows + 2, cols + 2), np.bool_)
    flat, marked, warp = positions.ravel(), hit.ravel(), field.ravel()
    wanted, sure = mask.ravel(), whole.ravel()
    nodes, per_px, per_block = field.shape[1:], 1 / block_px, 1 / mark_px
    for i in range(unsigned(len(inout))):
        if not inout[i]:
            continue
        x, y = flat[TWICE * i], flat[TWICE * i + NEXT]
        dx, dy = _warp(x, y, warp, nodes[0], nodes[1], per_px)
        x, y = x + shift[0] + dx, y + shift[1] + dy
        column, row = np.int64(np.rint(x)), np.int64(np.rint(y))
        within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        if within and not sure[unsigned(row // mark_px * cols + column // mark_px)]:
            within = wanted[unsigned(row * width + column)]
        inout[i] = within
        if inout[i]:
            c, r = np.int64(np.floor(x * per_block)) + 1, np.int64(np.floor(y * per_block)) + 1
            marked[unsigned(r * (cols + 2) + c)] = True
    _spread(hit, out_blocks)


@compiled("void(f8[:,::1],f4[:,:,::1],f8,f8[::1],f8[:,::1])")
def place(
    positions: FloatArray,
    field: FloatArray,
    block_px: float,
    shift: FloatArray,
    out: FloatArray,
) -> None:
    """See `plain.place`."""
    height, width = field.shape[1], field.shape[2]
    warp, per_px = field.ravel(), 1 / block_px
    for i in range(len(positions)):
        x, y = positions[i, 0], positions[i, 1]
        dx, dy = _warp(x, y, warp, height, width, per_px)
        out[i, 0], out[i, 1] = x + shift[0] + dx, y + shift[1] + dy


@compiled("void(f8[:,::1],i8[:,::1],f8[:,::1],i8,i8,i8[::1])")
def nearest_site(
    positions: FloatArray, cells: IntArray, sites: FloatArray, rows: int, cols: int, out: IntArray
) -> None:
    """See `plain_sites.nearest_site`."""
    for i in range(len(positions)):
        least, out[i] = np.inf, 0
        for beside in range(9):
            row = min(max(cells[i, 0] + beside // 3 - 1, 0), rows - 1)
            col = min(max(cells[i, 1] + beside % 3 - 1, 0), cols - 1)
            for site in range(row * cols + col, len(sites), rows * cols):
                dx, dy = sites[site, 0] - positions[i, 0], sites[site, 1] - positions[i, 1]
                if dx * dx + dy * dy < least:
                    least, out[i] = dx * dx + dy * dy, site


@compiled("i8(f8[:,::1],f8,i8[::1])")
def keep_apart(positions: FloatArray, radius_px: float, out: IntArray) -> int:
    """See `plain.keep_apart`; returns how many were kept."""
    kept = 0
    for i in range(len(positions)):
        free = True
        for k in range(kept):
            dx = positions[i, 0] - positions[out[k], 0]
            dy = positions[i, 1] - positions[out[k], 1]
            if dx * dx + dy * dy < radius_px * radius_px:
                free = False
                break
        if free:
            out[kept] = i
            kept += 1
    return kept


@compiled("void(i8[:,::1],i8[:,::1],b1[:,::1])")
def mark_samples(centres: IntArray, offsets: IntArray, out: BoolArray) -> None:
    """See `plain_sites.mark_samples`."""
    rows, cols = out.shape
    for i in range(len(centres)):
        for j in range(len(offsets)):
            p, q = centres[i, 0] + offsets[j, 0], centres[i, 1] + offsets[j, 1]
            if (p >= 0) & (p < rows) & (q >= 0) & (q < cols):
                out[p, q] = True
