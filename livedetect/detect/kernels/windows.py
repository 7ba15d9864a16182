"""Compiled: standardised residuals in all time windows at once, and following the baseline.

Everything a sample needs is read once and written once. Rows of the grid are worked on
only where the frames of the last eight steps had data. Maps are addressed as flat arrays
with unsigned offsets: a slice costs numba two atomic additions, more than its row takes.
"""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled, unsigned
from livedetect.detect.kernels.levels import CLIPPED_Z2
from livedetect.detect.kernels.maps import NOTABLE_Z

ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
OUTLIER_Z, NOTABLE = np.float32(3), np.float32(NOTABLE_Z)
NEVER = np.float32(0.5)
"""Fewer frames than this means none; counts are whole, whatever a filter made of them."""
STRETCH = unsigned(32)
"""Samples looked at together; what a vectorised loop leaves over is done one by one."""
NONE, NEXT = unsigned(0), unsigned(1)


@compiled("UniTuple(u8,2)(u1[::1],u1[::1],u8,u8)")
def _seen(history: IntArray, covered: IntArray, start: int, length: int) -> tuple[int, int]:
    """Part of a row, in whole stretches, that holds any bit of `history` or `covered`."""
    first, stop = NONE, length
    while first < stop:
        bits = np.uint8(0)
        for k in range(start + first, start + min(first + STRETCH, stop)):
            bits |= history[k] | covered[k]
        if bits:
            break
        first += STRETCH
    while stop > first:
        last = (stop - NEXT) // STRETCH * STRETCH
        bits = np.uint8(0)
        for k in range(start + last, start + stop):
            bits |= history[k] | covered[k]
        if bits:
            break
        stop = last
    return min(first, stop), stop


@compiled("void(f4[:,::1],f4[:,::1])")
def _repeat(phase: FloatArray, out: FloatArray) -> None:
    """A cell (m1, m2) side by side, (m1, Q)."""
    for i in range(len(out)):
        for q in range(out.shape[1]):
            out[i, q] = phase[i, q % phase.shape[1]]


@compiled("void(f4[:,::1],i8,i8,f4[::1])")
def _widen(scale: FloatArray, row: int, m2: int, out: FloatArray) -> None:
    """One row of cells over its samples, (Q,)."""
    for c in range(scale.shape[1]):
        for j in range(m2):
            out[c * m2 + j] = scale[row, c]


@compiled("void(u1[::1],u1[::1],f4[::1],f4,u8,u8,u8,u1[::1],f4[::1])")
def _take_in(
    covered: IntArray,
    history: IntArray,
    base: FloatArray,
    known_frames: float,
    map_size: int,
    start: int,
    length: int,
    out_unbroken: IntArray,
    out_run: FloatArray,
) -> None:
    """Note which samples of a row are covered, and since when without a break.

    The lowest bits of the history that are all set, as a number.
    """
    for q in range(length):
        k = start + q
        bits = np.uint8(np.uint8(history[k] << np.uint8(1)) | covered[k])
        history[k] = bits
        unbroken = np.uint8(bits & np.uint8(~np.uint8(bits + np.uint8(1))))
        out_unbroken[k] = unbroken
    for q in range(length):
        run = np.float32(np.int32(out_unbroken[start + q]))
        out_run[q] = run if base[map_size + start + q] >= known_frames else ZERO
    for q in range(length):
        out_unbroken[start + q] = np.uint8(np.int32(out_run[q]))


@compiled("void(f4[::1],f4[::1],f4[::1],u8,u8,u8,u8,f4[::1],f4[::1])")
def _errors(
    base: FloatArray,
    scale: FloatArray,
    phase: FloatArray,
    phases: int,
    map_size: int,
    start: int,
    length: int,
    out_noise: FloatArray,
    out_fixed: FloatArray,
) -> None:
    """Variance of one frame along a row, and what no averaging takes away.

    The noise of the cells' places begins at `phases`.
    """
    first = start % unsigned(len(scale))
    frames, systematic_part = map_size + start, map_size + map_size + start
    for q in range(length):
        out_noise[q] = scale[first + q] * phase[phases + first + q]
    for q in range(length):
        out_fixed[q] = out_noise[q] / max(base[frames + q], ONE) + base[systematic_part + q]


@compiled(
    "void(f4[::1],i8,f4[::1],f4[::1],f4[::1],f4[::1],f4[::1],i8[::1],"
    "u8,u8,u8,f4[::1],f4[::1],f4[::1],u1[::1])"
)
def _standardise(
    past: FloatArray,
    newest: int,
    base: FloatArray,
    noise: FloatArray,
    fixed: FloatArray,
    run: FloatArray,
    inflation: FloatArray,
    lengths: IntArray,
    map_size: int,
    start: int,
    length: int,
    total: FloatArray,
    bits: FloatArray,
    out_z: FloatArray,
    out_notable: IntArray,
) -> None:
    """Z of one row in every window; `total` and `bits` are scratch."""
    done = 0
    for q in range(length):
        total[q] = ZERO
        bits[q] = ZERO
    for w in range(len(lengths)):
        while done < lengths[w] - 1:
            residual = unsigned((newest - done) % 8) * map_size + start
            for q in range(length):
                total[q] += past[residual + q]
            done += 1
        residual = unsigned((newest - done) % 8) * map_size + start
        done += 1
        share, shrink = ONE / np.float32(lengths[w]), ONE / inflation[w]
        least, z = np.float32((1 << lengths[w]) - 1), unsigned(w) * map_size + start
        bit = np.float32(1 << w)
        for q in range(length):
            total[q] += past[residual + q]
            weight = shrink / np.sqrt(noise[q] * share + fixed[q])
            weight = weight if run[q] >= least else ZERO
            value = (total[q] * share - base[start + q]) * weight
            out_z[z + q] = value
            bits[q] += bit if abs(value) > NOTABLE else ZERO
    for q in range(length):
        out_notable[start + q] = np.uint8(np.int32(bits[q]))


@compiled("void(f4[::1],f4[::1],u1[::1],u8,u8,i8[::1],f4[::1])")
def _count(
    z: FloatArray,
    run: FloatArray,
    frozen: IntArray,
    start: int,
    length: int,
    out_counts: IntArray,
    out_sums: FloatArray,
) -> None:
    """Add the judged and the outlying samples of one row; validity and clipped z² of each."""
    judged = beyond = ZERO
    for q in range(length):
        looked_at = ONE if run[q] > ZERO else ZERO
        looked_at = looked_at if frozen[start + q] == np.uint8(0) else ZERO
        judged += looked_at
        beyond += looked_at if abs(z[start + q]) > OUTLIER_Z else ZERO
    out_counts[0] += np.int64(judged)
    out_counts[1] += np.int64(beyond)
    second = unsigned(len(out_sums) // 2)
    first = start % second
    for q in range(length):
        value = z[start + q]
        out_sums[first + q] += ONE if run[q] > ZERO else ZERO
        out_sums[second + first + q] += min(value * value, CLIPPED_Z2)


@compiled("void(f4[::1],i8,f4[:,:,::1])")
def _close_cells(sums: FloatArray, row: int, out_cells: FloatArray) -> None:
    """Sums over the samples of each cell in one row of cells; `sums` is emptied."""
    cells = out_cells.shape[2]
    m2 = unsigned(len(sums) // (2 * cells))
    for part in range(2):
        for cell in range(cells):
            total, first = ZERO, unsigned(part * cells + cell) * m2
            for q in range(first, first + m2):
                total += sums[q]
            out_cells[part, row, cell] = total
    sums[:] = ZERO


@compiled(
    "void(f4[::1],u1[::1],f4[::1],u1[::1],i8,f4[::1],f4,f4[:,::1],f4[:,::1],"
    "f4[::1],i8[::1],u1[::1],f4[::1],u1[::1],u1[::1],f4[:,:,::1],i8[::1])"
)
def windows(
    values: FloatArray,
    covered: IntArray,
    past: FloatArray,
    history: IntArray,
    newest: int,
    base: FloatArray,
    known_frames: float,
    scale: FloatArray,
    phase: FloatArray,
    inflation: FloatArray,
    lengths: IntArray,
    frozen: IntArray,
    out_z: FloatArray,
    out_unbroken: IntArray,
    out_notable: IntArray,
    out_cells: FloatArray,
    out_counts: IntArray,
) -> None:
    """See `plain.windows`; all maps are flat."""
    m1, m2 = phase.shape
    columns = scale.shape[1] * m2
    tiled, wide = np.empty((m1, columns), np.float32), np.empty(columns, np.float32)
    noise, fixed = np.empty(columns, np.float32), np.empty(columns, np.float32)
    run, total = np.empty(columns, np.float32), np.empty(columns, np.float32)
    bits = np.empty(columns, np.float32)
    sums = np.zeros(2 * columns, np.float32)
    size, slot = unsigned(len(values)), unsigned(newest) * unsigned(len(values))
    _repeat(phase, tiled)
    phases = tiled.ravel()
    out_counts[:] = 0
    for p in range(scale.shape[0] * m1):
        if p % m1 == 0:
            _widen(scale, p // m1, m2, wide)
        row = unsigned(p) * unsigned(columns)
        first, stop = _seen(history, covered, row, unsigned(columns))
        start, length = row + first, stop - first
        if length > NONE:
            for k in range(start, start + length):
                past[slot + k] = values[k]
            _take_in(covered, history, base, known_frames, size, start, length, out_unbroken, run)
            place = unsigned(p % m1 * columns)
            _errors(base, wide, phases, place, size, start, length, noise, fixed)
            _standardise(
                past, newest, base, noise, fixed, run, inflation, lengths, size, start, length,
                total, bits, out_z, out_notable,
            )  # fmt: skip
            _count(out_z, run, frozen, start, length, out_counts, sums)
        if p % m1 == m1 - 1:
            _close_cells(sums, p // m1, out_cells)


@compiled("void(f4[::1],u1[::1],i8,f4[::1],f4,f4[:,::1],f4[:,::1],u1[:,::1],u1[::1],f4,f4,b1)")
def follow(
    past: FloatArray,
    history: IntArray,
    newest: int,
    base: FloatArray,
    known_frames: float,
    scale: FloatArray,
    phase: FloatArray,
    settled: IntArray,
    frozen: IntArray,
    slowest: float,
    limit: float,
    complete: bool,
) -> None:
    """See `plain.follow`; all maps but those of cells are flat."""
    m1, m2 = phase.shape
    columns = scale.shape[1] * m2
    tiled, wide = np.empty((m1, columns), np.float32), np.empty(columns, np.float32)
    starts, reach = np.empty(columns, np.float32), np.empty(columns, np.float32)
    size = unsigned(len(history))
    latest, oldest = unsigned(newest) * size, unsigned((newest + 1) % 8) * size
    _repeat(phase, tiled)
    flat_phase = tiled.ravel()
    most = TWO / slowest - ONE
    for p in range(scale.shape[0] * m1):
        if p % m1 == 0:
            _widen(scale, p // m1, m2, wide)
            for c in range(settled.shape[1]):
                for j in range(m2):
                    starts[c * m2 + j] = np.float32(settled[p // m1, c])
        row, phases = unsigned(p) * unsigned(columns), unsigned(p % m1 * columns)
        first, stop = _seen(history, history, row, unsigned(columns))
        for q in range(first, stop):
            k = row + q
            level, frames = base[k], base[size + k]
            new = starts[q] if frames < known_frames else ZERO
            new = new if history[k] & np.uint8(1) else ZERO
            mean = (level * frames + past[latest + k]) / (frames + ONE)
            base[k] = mean if new > ZERO else level
            base[size + k] = frames + new
        if not complete:
            continue
        for q in range(first, stop):
            reach[q] = limit * np.sqrt(wide[q] * flat_phase[phases + q])
        for q in range(first, stop):
            k = row + q
            level, frames = base[k], base[size + k]
            follows = ONE if frames >= known_frames else ZERO
            follows = follows if history[k] & np.uint8(128) else ZERO
            follows = follows if frozen[k] == np.uint8(0) else ZERO
            innovation = min(max(past[oldest + k] - level, -reach[q]), reach[q])
            base[k] = level + follows * max(ONE / (frames + ONE), slowest) * innovation
            base[size + k] = min(frames + ONE, most) if follows > ZERO else frames


@compiled("UniTuple(u8,2)(f4[::1],u8,u8)")
def _known(frames: FloatArray, start: int, length: int) -> tuple[int, int]:
    """Part of a row, in whole stretches, that has had any frames."""
    first, stop = NONE, length
    while first < stop:
        some = ZERO
        for k in range(start + first, start + min(first + STRETCH, stop)):
            some += ONE if frames[k] > NEVER else ZERO
        if some > ZERO:
            break
        first += STRETCH
    while stop > first:
        last = (stop - NEXT) // STRETCH * STRETCH
        some = ZERO
        for k in range(start + last, start + stop):
            some += ONE if frames[k] > NEVER else ZERO
        if some > ZERO:
            break
        stop = last
    return min(first, stop), stop


@compiled("void(f4[:,:,::1],f4,f4,i8,i8)")
def systematic(
    base: FloatArray, of_level: float, of_slope: float, first_row: int, stop_row: int
) -> None:
    """See `plain.systematic`; written to base[2]."""
    rows, cols = base.shape[1], unsigned(base.shape[2])
    size, flat = unsigned(base.shape[1] * base.shape[2]), base.ravel()
    for p in range(first_row, stop_row):
        row = unsigned(p) * cols
        first, stop = _known(flat, size + row, cols)
        for k in range(row, row + cols):
            flat[size + size + k] = ZERO
        inner = 0 < p < rows - 1
        for k in range(row + first, row + stop):
            flat[size + size + k] = of_level * flat[k] * flat[k]
        if inner:
            for k in range(row + first, row + stop):
                slope = (flat[k + cols] - flat[k - cols]) * HALF
                fewer = min(flat[size + k + cols], flat[size + k - cols])
                more = of_slope * slope * slope
                flat[size + size + k] += more if fewer > NEVER else ZERO
        for k in range(row + max(first, NEXT), row + min(stop, cols - NEXT)):
            slope = (flat[k + NEXT] - flat[k - NEXT]) * HALF
            fewer = min(flat[size + k + NEXT], flat[size + k - NEXT])
            more = of_slope * slope * slope
            flat[size + size + k] += more if fewer > NEVER else ZERO
