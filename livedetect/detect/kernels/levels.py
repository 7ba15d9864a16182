"""Compiled: gain and offset, subtraction of the crystal, smoothing over cells."""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled, signed, unsigned
from livedetect.detect.kernels.sampling import span

BINS = 2048
"""Of the histogram from which a median is selected."""
TINY = 1e-12
CLIPPED_Z2 = np.float32(9)
NORMAL_MAD = 1.4826


@compiled("i8(u1[::1],u1[::1],u1[:,::1],i8,i8[::1])")
def count_fitted(
    covered: IntArray, known: IntArray, ignored: IntArray, samples: int, out: IntArray
) -> int:
    """Samples of each row (P,) that gain and offset may be fitted to; returns all of them.

    The maps are flat; `samples` is m1 * 65536 + m2.
    """
    m1, m2 = samples >> 16, samples & 65535
    columns, count = unsigned(ignored.shape[1] * m2), 0
    for p in range(len(out)):
        row, here = unsigned(p) * columns, 0
        for k in range(row, row + columns):
            here += signed(covered[k] & known[k])
        for c in range(ignored.shape[1]):
            if ignored[p // m1, c]:
                first = row + unsigned(c * m2)
                for k in range(first, first + unsigned(m2)):
                    here -= signed(covered[k] & known[k])
        out[p] = here
        count += here
    return count


@compiled("b1(u1[::1],u1[::1],u1[::1],i8,i8,i8)")
def _is_filled(
    covered: IntArray, known: IntArray, ignored: IntArray, start: int, count: int, m2: int
) -> bool:
    """Whether a row's `count` samples to be fitted are those from the flat index `start` on."""
    first = start % (len(ignored) * m2)
    if first + count > len(ignored) * m2:
        return False
    for c in range(first // m2, (first + count - 1) // m2 + 1):
        if ignored[c]:
            return False
    here = 0
    for k in range(unsigned(start), unsigned(start + count)):
        here += signed(covered[k] & known[k])
    return here == count


@compiled(
    "i8(f4[::1],u1[::1],u1[::1],u1[:,::1],f4[:,::1],f4[::1],f4[:,:,::1],i8,b1,i8[::1],f8[:,::1])"
)
def pick_fitted(
    values: FloatArray,
    covered: IntArray,
    known: IntArray,
    ignored: IntArray,
    template: FloatArray,
    level: FloatArray,
    planes: FloatArray,
    step: int,
    everything: bool,
    counts: IntArray,
    out: FloatArray,
) -> int:
    """Every `step`-th of those samples: crystal, background, data to `out`; returns how many.

    The maps are flat, `counts` (P,) those of `count_fitted`. In most rows the samples lie
    side by side, so that all but the chosen ones can be passed over.
    """
    m1, m2 = template.shape
    columns = ignored.shape[1] * m2
    until = taken = 0
    wide = np.empty((m1, columns), np.float32)
    cell, across = np.empty(columns, np.int64), np.empty(columns, np.float32)
    for q in range(columns):  # a division takes as long as everything else
        cell[q], across[q] = q // m2, q % m2 - (m2 - 1) / 2
        for i in range(m1):
            wide[i, q] = template[i, q % m2]
    for p in range(len(counts)):
        row, left_out = p * columns, ignored[p // m1]
        if not everything and counts[p] == 0:
            continue
        crystal, plane = wide[p % m1], planes[:, p // m1]
        down = np.float32(p % m1 - (m1 - 1) / 2)
        q = signed(span(covered, unsigned(row), unsigned(columns))[0])
        while q < columns and not (covered[row + q] & known[row + q]) and not everything:
            q += 1
        if not everything and _is_filled(covered, known, left_out, row + q, counts[p], m2):
            stop, q = q + counts[p], q + until
            while q < stop and taken < out.shape[1]:
                out[0, taken] = crystal[q] + level[row + q]
                c = cell[q]
                out[1, taken] = plane[0, c] + down * plane[1, c] + across[q] * plane[2, c]
                out[2, taken] = values[row + q]
                taken += 1
                q += step
            until = q - stop
            continue
        for j in range(q, columns):
            k = row + j
            fits = known[k] != 0 and left_out[j // m2] == 0
            if covered[k] == 0 or not (everything or fits):
                continue
            if until == 0 and taken < out.shape[1]:
                out[0, taken] = crystal[j] + (level[k] if known[k] else np.float32(0))
                c = cell[j]
                height = plane[0, c] + down * plane[1, c] + across[j] * plane[2, c]
                out[1, taken] = height if known[k] else np.float32(0)
                out[2, taken] = values[k]
                taken += 1
                until = step
            until -= 1
    return taken


@compiled("f8(f8[::1],i8[::1])")
def median(values: FloatArray, counts: FloatArray) -> float:
    """Median of non-negative values, by a histogram and a look into its middle bin."""
    n = len(values)
    top = 0.0
    for i in range(n):
        top = max(top, values[i])
    if top <= 0:
        return 0.0
    per_bin = (BINS - 1) / top
    low, high = 0.0, 0.0
    counts[:] = 0
    for i in range(n):
        counts[int(values[i] * per_bin)] += 1
    for rank, lower in (((n - 1) // 2, True), (n // 2, False)):
        before = chosen = 0
        while before + counts[chosen] <= rank:
            before += counts[chosen]
            chosen += 1
        inside = np.empty(counts[chosen])
        found = 0
        for i in range(n):
            if int(values[i] * per_bin) == chosen:
                inside[found] = values[i]
                found += 1
        inside.sort()
        if lower:
            low = inside[rank - before]
        else:
            high = inside[rank - before]
    return 0.5 * (low + high)


@compiled("UniTuple(f8,2)(f8[::1],f8[::1],f8,i8,i8)")
def robust_line(
    model: FloatArray, data: FloatArray, huber: float, steps: int, ranked_step: int
) -> tuple[float, float]:
    """See `plain.robust_line`."""
    n = len(model)
    weight, error = np.ones(n), np.empty(n)
    ranked = np.empty(-(-n // ranked_step))
    counts = np.empty(BINS, np.int64)
    gain, offset = 1.0, 0.0
    for fit in range(steps):
        total = mean_model = mean_data = 0.0
        for i in range(n):
            total += weight[i]
            mean_model += weight[i] * model[i]
            mean_data += weight[i] * data[i]
        mean_model /= total
        mean_data /= total
        cross = square = 0.0
        for i in range(n):
            centred = weight[i] * (model[i] - mean_model)
            cross += centred * (data[i] - mean_data)
            square += centred * (model[i] - mean_model)
        gain = cross / max(square, TINY)
        offset = mean_data - gain * mean_model
        if fit == steps - 1:
            break
        for i in range(n):
            error[i] = abs(data[i] - offset - gain * model[i])
        for i in range(len(ranked)):
            ranked[i] = error[i * ranked_step]
        limit = huber * max(NORMAL_MAD * median(ranked, counts), TINY)
        for i in range(n):
            weight[i] = min(1.0, limit / max(error[i], TINY))
    return gain, offset


@compiled("void(f4[::1],u1[::1],f4[:,::1],f4,f4,f4[::1],u1[::1],f4[:,:,::1])")
def subtract_crystal(
    values: FloatArray,
    covered: IntArray,
    template: FloatArray,
    gain: float,
    offset: float,
    level: FloatArray,
    known: IntArray,
    out_cells: FloatArray,
) -> None:
    """See `plain.subtract_crystal`; in place, the maps are flat."""
    m1, m2 = template.shape
    cells = out_cells.shape[2]
    columns = unsigned(cells * m2)
    crystal, sums = np.empty(m1 * cells * m2, np.float32), np.zeros((4, cells * m2), np.float32)
    all_of, number, known_of, known_number = sums
    for k in range(len(crystal)):
        crystal[k] = template[k // (cells * m2), k % m2]
    inverse, share = np.float32(1) / gain, np.float32(1) / np.float32(m1 * m2)
    zero, one = np.float32(0), np.float32(1)
    for p in range(out_cells.shape[1] * m1):
        row, place = unsigned(p) * columns, unsigned(p % m1) * columns
        first, stop = span(covered, row, columns)
        for q in range(first, stop):
            value = (values[row + q] - offset) * inverse - crystal[place + q]
            value = value if covered[row + q] else zero
            values[row + q] = value
            all_of[q] += value
            number[q] += one if covered[row + q] else zero
        # a second look, at what is at hand now: one loop over so many arrays is not vectorised
        for q in range(first, stop):
            beyond = values[row + q] - level[row + q]
            known_of[q] += beyond if covered[row + q] & known[row + q] else zero
            known_number[q] += one if covered[row + q] & known[row + q] else zero
        if p % m1 < m1 - 1:
            continue
        for c in range(cells):
            mean = count = of_known = known_count = zero
            for q in range(c * m2, (c + 1) * m2):
                mean += all_of[q]
                count += number[q]
                of_known += known_of[q]
                known_count += known_number[q]
            if 2 * known_count >= count:
                mean, count_of_mean = of_known, known_count
            else:
                count_of_mean = count
            out_cells[0, p // m1, c] = mean / max(count_of_mean, one)
            out_cells[1, p // m1, c] = count * share
            out_cells[2, p // m1, c] = known_count * share
        sums[:] = zero


@compiled("void(f4[::1],u1[::1],f4[:,:,::1],i8,i8)")
def subtract_cells(
    values: FloatArray, covered: IntArray, planes: FloatArray, m1: int, m2: int
) -> None:
    """See `plain.subtract_cells`; the maps are flat, `planes` those of `planes.planes_of`."""
    _, rows, cols = planes.shape
    columns = unsigned(cols * m2)
    middle, lower = np.empty(cols * m2, np.float32), np.empty(cols * m2, np.float32)
    for r in range(rows):
        for c in range(cols):
            for j in range(m2):
                along_q = np.float32(j - (m2 - 1) / 2) * planes[2, r, c]
                middle[c * m2 + j] = planes[0, r, c] + along_q
                lower[c * m2 + j] = planes[1, r, c]
        for i in range(m1):
            row, down = unsigned(r * m1 + i) * columns, np.float32(i - (m1 - 1) / 2)
            first, stop = span(covered, row, columns)
            for q in range(first, stop):
                value = middle[q] + down * lower[q]
                values[row + q] -= value if covered[row + q] else np.float32(0)


@compiled("void(f4[::1],u1[::1],u1[::1],u8,f4[:,:,::1])")
def by_place(
    z: FloatArray, unbroken: IntArray, frozen: IntArray, columns: int, out: FloatArray
) -> None:
    """See `plain.by_place`; the maps are flat, of rows with `columns`."""
    m1, m2 = out.shape[1], out.shape[2]
    judged, square = np.zeros((m1, columns), np.float32), np.zeros((m1, columns), np.float32)
    counts, squares = judged.ravel(), square.ravel()
    for p in range(len(z) // columns):
        row, place = unsigned(p) * columns, unsigned(p % m1) * columns
        first, stop = span(unbroken, row, columns)
        for q in range(first, stop):
            k = row + q
            seen = np.float32(1) if unbroken[k] else np.float32(0)
            seen = np.float32(0) if frozen[k] else seen
            counts[place + q] += seen
            squares[place + q] += seen * min(z[k] * z[k], CLIPPED_Z2)
    out[:] = 0
    for i in range(m1):
        for q in range(columns):
            out[0, i, signed(q) % m2] += judged[i, q]
            out[1, i, signed(q) % m2] += square[i, q]


@compiled("i8(i8,i8)")
def _reflected(index: int, length: int) -> int:
    """`index` reflected about the edges (d c b a | a b c d | d c b a) as often as needed."""
    index = index % (2 * length)
    return index if index < length else 2 * length - 1 - index


@compiled("void(f4[:,::1],f4[::1],f4[:,::1],f4[:,::1])")
def smooth_cells(cells: FloatArray, taps: FloatArray, scratch: FloatArray, out: FloatArray) -> None:
    """See `plain.smooth_cells`; `taps`: the centre and one side of the filter, 4 n + 1."""
    rows, cols = cells.shape
    reach = len(taps) - 1
    line = np.empty(cols + 2 * reach, np.float32)
    centre = line[reach:]
    for p in range(rows):
        line[reach : reach + cols] = cells[p]
        for i in range(1, reach + 1):
            line[reach - i] = cells[p, _reflected(-i, cols)]
            line[reach + cols - 1 + i] = cells[p, _reflected(cols - 1 + i, cols)]
        target = scratch[p]
        for q in range(cols):
            target[q] = taps[0] * centre[q]
        for k in range(1, reach + 1, 4):
            t0, t1, t2, t3 = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
            before, after = line[reach - k - 3 :], line[reach + k :]
            for q in range(cols):
                near = t0 * (before[q + 3] + after[q]) + t1 * (before[q + 2] + after[q + 1])
                far = t2 * (before[q + 1] + after[q + 2]) + t3 * (before[q] + after[q + 3])
                target[q] += near + far
    for p in range(rows):
        target = out[p]
        for q in range(cols):
            target[q] = taps[0] * scratch[p, q]
        for k in range(1, reach + 1, 2):
            t0, t1 = taps[k], taps[k + 1]
            above, below = scratch[_reflected(p - k, rows)], scratch[_reflected(p + k, rows)]
            higher = scratch[_reflected(p - k - 1, rows)]
            lower = scratch[_reflected(p + k + 1, rows)]
            for q in range(cols):
                target[q] += t0 * (above[q] + below[q]) + t1 * (higher[q] + lower[q])
