"""Compiled: which sites are watched, which are worth a look, which markers are kept."""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled, unsigned

ZERO, ONE = np.float32(0), np.float32(1)
NEXT, TWICE = unsigned(1), unsigned(2)


@compiled("void(u1[::1],u1,i4[:,::1],b1[::1])")
def all_true(cover: IntArray, least: int, patches: IntArray, out: BoolArray) -> None:
    """See `plain.all_true`."""
    for site in range(len(patches)):
        whole = True
        for j in range(patches.shape[1]):
            if cover[np.uint32(patches[site, j])] < least:
                whole = False
                break
        out[site] = whole


@compiled("void(u1[::1],i4[:,::1],b1[::1],u1[::1])")
def any_bits(bits: IntArray, patches: IntArray, chosen: BoolArray, out: IntArray) -> None:
    """See `plain_sites.any_bits`."""
    for site in range(len(patches)):
        found = np.uint8(0)
        if chosen[site]:
            for j in range(patches.shape[1]):
                found |= bits[np.uint32(patches[site, j])]
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
    warp, part = field.ravel(), unsigned(height * width)
    last_row, last_col = np.float32(height - 1), np.float32(width - 1)
    below, beside = unsigned(width if height > 1 else 0), unsigned(min(width - 1, 1))
    flat, there, per_px = positions.ravel(), out.ravel(), 1 / block_px
    for i in range(unsigned(len(positions))):
        x, y = flat[TWICE * i], flat[TWICE * i + NEXT]
        row = min(max(np.float32((y + 0.5) * per_px - 0.5), ZERO), last_row)
        col = min(max(np.float32((x + 0.5) * per_px - 0.5), ZERO), last_col)
        # the last node is reached from the one before it
        top = np.int32(min(row, max(last_row - ONE, ZERO)))
        left = np.int32(min(col, max(last_col - ONE, ZERO)))
        t, u = row - np.float32(top), col - np.float32(left)
        k = unsigned(top * width + left)
        upper = warp[k] * (ONE - u) + warp[k + beside] * u
        lower = warp[k + below] * (ONE - u) + warp[k + below + beside] * u
        there[TWICE * i] = x + shift[0] + upper * (ONE - t) + lower * t
        k += part
        upper = warp[k] * (ONE - u) + warp[k + beside] * u
        lower = warp[k + below] * (ONE - u) + warp[k + below + beside] * u
        there[TWICE * i + NEXT] = y + shift[1] + upper * (ONE - t) + lower * t


@compiled("void(f8[:,::1],f4[:,:,::1],f8,f8[::1],b1[:,::1],b1[::1],i8,b1[:,::1])")
def keep_inside(
    positions: FloatArray,
    field: FloatArray,
    block_px: float,
    shift: FloatArray,
    mask: BoolArray,
    inout: BoolArray,
    mark_px: int,
    out_blocks: BoolArray,
) -> None:
    """See `plain_sites.keep_inside`."""
    height, width = mask.shape
    rows, cols = out_blocks.shape
    hit = np.zeros((rows + 2, cols + 2), np.bool_)
    there, per_px = np.empty(positions.shape, np.float64), 1 / mark_px
    place(positions, field, block_px, shift, there)
    flat, marked, wanted = there.ravel(), hit.ravel(), mask.ravel()
    for i in range(unsigned(len(inout))):
        x, y = flat[TWICE * i], flat[TWICE * i + NEXT]
        column, row = np.rint(x), np.rint(y)
        within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        if not (inout[i] & within):
            inout[i] = False
            continue
        kept = wanted[unsigned(np.int64(row) * width + np.int64(column))]
        inout[i] = kept
        c, r = np.int64(np.floor(x * per_px)) + 1, np.int64(np.floor(y * per_px)) + 1
        marked[unsigned(r * (cols + 2) + c)] |= kept
    _spread(hit, out_blocks)


@compiled("void(f8[:,::1],i8[:,::1],f8[:,::1],i8,i8,i8[::1])")
def nearest_site(
    positions: FloatArray, cells: IntArray, sites: FloatArray, rows: int, cols: int, out: IntArray
) -> None:
    """See `plain_sites.nearest_site`."""
    for i in range(len(positions)):
        least = np.inf
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
