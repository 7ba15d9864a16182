"""Compiled: row jitter, matched filter, cubic spline sampling, bilinear interpolation.

Slices are taken before the innermost loops: an index that numba cannot prove to be
non-negative stops vectorisation.
"""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled, unsigned

UNROLLED = 4
"""Filter taps taken at a time, which saves loads and stores."""
STRIP = 256
"""Pixels of a row filtered along y at a time."""
LARGEST_SHIFT = 4
"""Padding of a row, px; row displacements stay below half of it."""
ONE, THREE, FOUR, SIX = np.float32(1), np.float32(3), np.float32(4), np.float32(6)
HALF, THREE_HALVES, FIVE_HALVES = np.float32(0.5), np.float32(1.5), np.float32(2.5)
"""In float32: a whole number would turn a product into float64."""
SCALE = np.float32(1 / 36)
ZERO = np.float32(0)
T1, T2, T3, T4 = unsigned(1), unsigned(2), unsigned(3), unsigned(4)
STRETCH = unsigned(32)
"""Places looked at together where most are empty."""
STRAIGHT = np.float32(16)
"""No warp bends a row by so much from one end of a stretch to the other, px: a stretch is some
85 px long, and no lattice is taken to be strained by more than 0.15 (`warp.LARGEST_STRAIN`)."""


@compiled("void(f4[:,::1],u2[:,:,::1],u2[:,::1],f4[:,::1],f8[:,::1],f8[::1])")
def row_terms(
    frame: FloatArray,
    phases: IntArray,
    moved: IntArray,
    table: FloatArray,
    out_rows: FloatArray,
    out_total: FloatArray,
) -> None:
    """See `plain.row_terms`; `table` is (2, n n)."""
    height, width = frame.shape
    n = np.uint32(np.sqrt(table.shape[1]) + 0.5)
    index = np.zeros(width, np.uint32)
    value, slope = table[0], table[1]
    out_total[:] = 0
    for y in range(height):
        row, u, v = frame[y], phases[0, y], phases[1, y]
        moved_u, moved_v = moved[y, 0], moved[y, 1]
        for x in range(width):
            i = (np.uint32(np.uint16(u[x] - moved_u)) * n) >> np.uint32(16)
            j = (np.uint32(np.uint16(v[x] - moved_v)) * n) >> np.uint32(16)
            index[x] = i * n + j
        ss = fs = vs = s_sum = f_sum = ff = v_sum = vv = fv = np.float32(0)
        for x in range(width):
            a, b, f = value[index[x]], slope[index[x]], row[x]
            ss += b * b
            fs += f * b
            vs += a * b
            s_sum += b
            f_sum += f
            ff += f * f
            v_sum += a
            vv += a * a
            fv += f * a
        out_rows[y, 0], out_rows[y, 1], out_rows[y, 2], out_rows[y, 3] = ss, fs, vs, s_sum
        out_total[0] += f_sum
        out_total[1] += ff
        out_total[2] += v_sum
        out_total[3] += vv
        out_total[4] += fv


@compiled("void(f4[:,::1],f4[::1],f4[::1],f4[:,::1])")
def filter_rows(
    frame: FloatArray, displacement: FloatArray, taps: FloatArray, out: FloatArray
) -> None:
    """Undo each row's displacement (Keys 1981), then filter it; edges mirrored.

    `taps` holds the centre and one side of a symmetric filter, 4 n + 1 of them. `out` may be
    wider than the frame.
    """
    height, width = frame.shape
    reach = len(taps) - 1
    line = np.zeros(width + 2 * reach, np.float32)
    centre = line[reach : reach + width]
    padded = np.zeros(width + 2 * LARGEST_SHIFT, np.float32)
    for y in range(height):
        if len(displacement):
            padded[LARGEST_SHIFT : LARGEST_SHIFT + width] = frame[y]
            padded[:LARGEST_SHIFT] = frame[y, 0]
            padded[LARGEST_SHIFT + width :] = frame[y, width - 1]
            whole = int(np.floor(displacement[y]))
            t = np.float32(displacement[y] - whole)
            w0 = -HALF * t * (ONE - t) * (ONE - t)
            w3 = -HALF * t * t * (ONE - t)
            w1 = ONE + t * t * (THREE_HALVES * t - FIVE_HALVES)
            w2 = ONE - w0 - w1 - w3
            start = LARGEST_SHIFT + whole - 1
            p0, p1 = padded[start:], padded[start + 1 :]
            p2, p3 = padded[start + 2 :], padded[start + 3 :]
            for x in range(width):
                centre[x] = w0 * p0[x] + w1 * p1[x] + w2 * p2[x] + w3 * p3[x]
        else:
            centre[:] = frame[y]
        for i in range(1, reach + 1):
            line[reach - i] = line[reach + i]
            line[reach + width - 1 + i] = line[reach + width - 1 - i]
        target = out[y, :width]
        for x in range(width):
            target[x] = taps[0] * centre[x]
        for k in range(1, reach + 1, UNROLLED):
            t0, t1, t2, t3 = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
            l0, l1 = line[reach - k :], line[reach - k - 1 :]
            l2, l3 = line[reach - k - 2 :], line[reach - k - 3 :]
            r0, r1 = line[reach + k :], line[reach + k + 1 :]
            r2, r3 = line[reach + k + 2 :], line[reach + k + 3 :]
            for x in range(width):
                near = t0 * (l0[x] + r0[x]) + t1 * (l1[x] + r1[x])
                target[x] += near + t2 * (l2[x] + r2[x]) + t3 * (l3[x] + r3[x])


@compiled("void(f4[:,::1],f4[::1],f4[:,::1])")
def filter_columns(rows: FloatArray, taps: FloatArray, out: FloatArray) -> None:
    """Filter along y by a symmetric filter; edges mirrored. `rows` may be wider than `out`.

    Strip by strip: what a filter needs of the rows of one strip stays in the innermost cache.
    """
    height, width = out.shape
    stride = rows.shape[1]
    reach, last = len(taps) - 1, height - 1
    flat, filtered = rows.ravel(), out.ravel()
    for strip in range(0, width, STRIP):
        across = unsigned(min(STRIP, width - strip))
        for y in range(height):
            start, centre = unsigned(y * width + strip), unsigned(y * stride + strip)
            for x in range(across):
                filtered[start + x] = taps[0] * flat[centre + x]
            for k in range(1, reach + 1, UNROLLED):
                t0, t1, t2, t3 = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
                above, below = y - k, last - y - k
                u0 = unsigned(abs(above) * stride + strip)
                u1 = unsigned(abs(above - 1) * stride + strip)
                u2 = unsigned(abs(above - 2) * stride + strip)
                u3 = unsigned(abs(above - 3) * stride + strip)
                d0 = unsigned((last - abs(below)) * stride + strip)
                d1 = unsigned((last - abs(below - 1)) * stride + strip)
                d2 = unsigned((last - abs(below - 2)) * stride + strip)
                d3 = unsigned((last - abs(below - 3)) * stride + strip)
                for x in range(across):
                    near = t0 * (flat[u0 + x] + flat[d0 + x]) + t1 * (flat[u1 + x] + flat[d1 + x])
                    far = t2 * (flat[u2 + x] + flat[d2 + x]) + t3 * (flat[u3 + x] + flat[d3 + x])
                    filtered[start + x] += near + far


@compiled("UniTuple(u8,2)(u1[::1],u8,u8)")
def span(marked: IntArray, start: int, length: int) -> tuple[int, int]:
    """First and one past the last place of a row that is marked, in whole stretches.

    Equal if none is. What a vectorised loop leaves over of a stretch is done one by one.
    """
    first, stop = unsigned(0), length
    while first < stop:
        bits = np.uint8(0)
        for k in range(start + first, start + min(first + STRETCH, stop)):
            bits |= marked[k]
        if bits:
            break
        first += STRETCH
    while stop > first:
        last = (stop - T1) // STRETCH * STRETCH
        bits = np.uint8(0)
        for k in range(start + last, start + stop):
            bits |= marked[k]
        if bits:
            break
        stop = last
    return min(first, stop), stop


@compiled("Tuple((f4,f4,f4,f4))(f4)")
def _spline_weights(t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Six times the cubic B-spline at the four nearest pixels; `t` from 0 to 1."""
    s = ONE - t
    first, last = s * s * s, t * t * t
    second = FOUR - t * t * (SIX - THREE * t)
    return first, second, SIX - first - second - last, last


@compiled("void(f4[::1],i4[::1],f4[:,::1],u8,u8,u8,f4[::1])")
def _sum_columns(
    pixels: FloatArray,
    corner: IntArray,
    weights: FloatArray,
    width: int,
    first: int,
    stop: int,
    out: FloatArray,
) -> None:
    """Weighted sums of the four pixels below one another, in the four columns of each place.

    The four columns stand side by side, in the frame and in `out`: they become one vector.
    """
    for q in range(first, stop):
        a, b, c, d = weights[0, q], weights[1, q], weights[2, q], weights[3, q]
        i, k = T4 * q, unsigned(corner[q])
        m, n = k + width, k + width + width
        o = n + width
        out[i] = a * pixels[k] + b * pixels[m] + c * pixels[n] + d * pixels[o]
        out[i + T1] = (
            a * pixels[k + T1] + b * pixels[m + T1] + c * pixels[n + T1] + d * pixels[o + T1]
        )
        out[i + T2] = (
            a * pixels[k + T2] + b * pixels[m + T2] + c * pixels[n + T2] + d * pixels[o + T2]
        )
        out[i + T3] = (
            a * pixels[k + T3] + b * pixels[m + T3] + c * pixels[n + T3] + d * pixels[o + T3]
        )


@compiled("UniTuple(u8,2)(f4[::1],u8,u8,u8,f4[::1])")
def _in_reach(
    places: FloatArray, size: int, row: int, columns: int, view: FloatArray
) -> tuple[int, int]:
    """First and one past the last place of a row that may lie in `view` (left, top, right, bottom).

    Told by the ends of each stretch: between them a row is straight but for the warp.
    """
    first, stop = columns, unsigned(0)
    for q in range(unsigned(0), columns, STRETCH):
        end = min(q + STRETCH, columns)
        a, b = places[row + q], places[row + end - T1]
        c, d = places[size + row + q], places[size + row + end - T1]
        across = (max(a, b) >= view[0]) & (min(a, b) <= view[2])
        if across & (max(c, d) >= view[1]) & (min(c, d) <= view[3]):
            first, stop = min(first, q), end
    return min(first, stop), stop


@compiled("void(f4[:,::1],f4[:,:,::1],f4,f4,f4,f4[::1],u1[::1])")
def sample(
    spline: FloatArray,
    positions: FloatArray,
    dx: float,
    dy: float,
    edge_px: float,
    out_values: FloatArray,
    out_covered: IntArray,
) -> None:
    """See `plain.sample`; the maps are flat."""
    height, width = spline.shape
    flat, places = spline.ravel(), positions.ravel()
    right, bottom = np.float32(width - 1) - edge_px, np.float32(height - 1) - edge_px
    columns, size = unsigned(positions.shape[2]), unsigned(len(out_values))
    across, down = np.empty((4, columns), np.float32), np.empty((4, columns), np.float32)
    corner, four = np.empty(columns, np.int32), np.empty(4 * columns, np.float32)
    near = edge_px - STRAIGHT
    view = np.array([near - dx, near - dy, right + STRAIGHT - dx, bottom + STRAIGHT - dy])
    out_covered[:] = np.uint8(0)
    out_values[:] = ZERO
    for p in range(positions.shape[1]):
        row = unsigned(p) * columns
        first, stop = _in_reach(places, size, row, columns, view)
        for k in range(row + first, row + stop):
            x, y = places[k] + dx, places[size + k] + dy
            within = (x >= edge_px) & (y >= edge_px) & (x <= right) & (y <= bottom)
            out_covered[k] = np.uint8(within)
        inner, end = span(out_covered, row + first, stop - first)
        first, stop = first + inner, first + end
        for q in range(first, stop):
            x = min(max(places[row + q] + dx, edge_px), right)
            y = min(max(places[size + row + q] + dy, edge_px), bottom)
            column, line = np.int32(x), np.int32(y)
            corner[q] = (line - 1) * width + column - 1
            weights = _spline_weights(x - np.float32(column))
            across[0, q], across[1, q], across[2, q], across[3, q] = weights
            weights = _spline_weights(y - np.float32(line))
            down[0, q], down[1, q], down[2, q], down[3, q] = weights
        _sum_columns(flat, corner, down, unsigned(width), first, stop, four)
        for q in range(first, stop):
            k = T4 * q
            total = across[0, q] * four[k] + across[1, q] * four[k + T1]
            total += across[2, q] * four[k + T2] + across[3, q] * four[k + T3]
            out_values[row + q] = total * SCALE if out_covered[row + q] else ZERO


@compiled("void(f4[:,:,::1],f4[::1],f4[::1],f4[:,::1])")
def interpolate(field: FloatArray, rows: FloatArray, cols: FloatArray, out: FloatArray) -> None:
    """See `plain.interpolate`; positions are flat."""
    height, width = field.shape[1], field.shape[2]
    for i in range(len(rows)):
        row = min(max(rows[i], np.float32(0)), np.float32(height - 1))
        col = min(max(cols[i], np.float32(0)), np.float32(width - 1))
        top, left = int(row), int(col)
        below, beside = min(top + 1, height - 1), min(left + 1, width - 1)
        t, u = row - np.float32(top), col - np.float32(left)
        for part in range(2):
            upper = field[part, top, left] * (ONE - u) + field[part, top, beside] * u
            lower = field[part, below, left] * (ONE - u) + field[part, below, beside] * u
            out[part, i] = upper * (ONE - t) + lower * t


@compiled("void(f8[::1],f8[::1],f8[::1],i8[::1],f8[::1],f8,u8,u2[::1])")
def _phase_row(
    across: FloatArray,
    ux: FloatArray,
    uy: FloatArray,
    starts: IntArray,
    reciprocal: FloatArray,
    begin: float,
    row: int,
    out: IntArray,
) -> None:
    """One row of phases along one axis; the warp is linear from node to node."""
    for left in range(len(starts) - 1):
        first_x, first_y = ux[left], uy[left]
        more_x, more_y = ux[left + 1] - first_x, uy[left + 1] - first_y
        per_turn = reciprocal[0] * more_x + reciprocal[1] * more_y
        here = begin - reciprocal[0] * first_x - reciprocal[1] * first_y + 0.5
        for x in range(unsigned(starts[left]), unsigned(starts[left + 1])):
            turns = here + reciprocal[0] * np.float64(np.int64(x)) - per_turn * across[x]
            out[row + x] = np.uint16(np.int32(np.floor(turns)))


@compiled("void(f4[:,:,::1],f8,f8[::1],f8[:,::1],u2[:,:,::1])")
def phases(
    field: FloatArray, block_px: float, shift: FloatArray, cell: FloatArray, out: IntArray
) -> None:
    """See `plain.phases`."""
    height, width = field.shape[1], field.shape[2]
    rows, cols = out.shape[1], out.shape[2]
    nodes = max(width, 2)
    across, starts = np.empty(cols), np.zeros(nodes, np.int64)
    ux, uy = np.empty(nodes), np.empty(nodes)
    flat, reciprocal = out.ravel(), cell[1:] * 65536
    for x in range(cols):
        col = min(max((x - shift[0] + 0.5) / block_px - 0.5, 0.0), width - 1.0)
        left = min(int(col), nodes - 2)
        across[x] = col - left
        starts[left + 1 :] = x + 1
    starts[nodes - 1] = cols
    for y in range(rows):
        row = min(max((y - shift[1] + 0.5) / block_px - 0.5, 0.0), height - 1.0)
        top = int(row)
        below, t = min(top + 1, height - 1), row - top
        for node in range(nodes):
            n = min(node, width - 1)
            ux[node] = (1 - t) * field[0, top, n] + t * field[0, below, n]
            uy[node] = (1 - t) * field[1, top, n] + t * field[1, below, n]
        dx, dy = -shift[0] - cell[0, 0], y - shift[1] - cell[0, 1]
        for axis in range(2):
            begin = reciprocal[axis, 0] * dx + reciprocal[axis, 1] * dy
            place = unsigned((axis * rows + y) * cols)
            _phase_row(across, ux, uy, starts, reciprocal[axis], begin, place, flat)
