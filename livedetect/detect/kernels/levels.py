"""Compiled: gain and offset, subtraction of the crystal, smoothing over cells."""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels.compile import compiled

BINS = 2048
"""Of the histogram from which a median is selected."""
TINY = 1e-12
NORMAL_MAD = 1.4826


@compiled("i8(b1[:,::1],b1[:,::1],b1[:,::1],i8)")
def count_fitted(covered: BoolArray, known: BoolArray, ignored: BoolArray, samples: int) -> int:
    """Samples that gain and offset may be fitted to; `samples` is m1 * 65536 + m2."""
    m1, m2 = samples >> 16, samples & 65535
    count = 0
    for p in range(covered.shape[0]):
        here, meant, left_out = covered[p], known[p], ignored[p // m1]
        for q in range(len(here)):
            count += here[q] & meant[q]
        for c in range(len(left_out)):
            if left_out[c]:
                for q in range(c * m2, (c + 1) * m2):
                    count -= here[q] & meant[q]
    return count


@compiled("i8(f4[:,::1],b1[:,::1],b1[:,::1],b1[:,::1],f4[:,::1],f4[:,::1],i8,b1,f8[:,::1])")
def pick_fitted(
    values: FloatArray,
    covered: BoolArray,
    known: BoolArray,
    ignored: BoolArray,
    template: FloatArray,
    level: FloatArray,
    step: int,
    everything: bool,
    out: FloatArray,
) -> int:
    """Every `step`-th of those samples: model to out[0], data to out[1]; returns how many."""
    m1, m2 = template.shape
    until = taken = 0
    for p in range(values.shape[0]):
        crystal, row = template[p % m1], p // m1
        for c in range(ignored.shape[1]):
            if not everything and ignored[row, c]:
                continue
            for j in range(m2):
                q = c * m2 + j
                if not (covered[p, q] & (everything | known[p, q])):
                    continue
                if until == 0 and taken < out.shape[1]:
                    out[0, taken] = crystal[j] + (level[p, q] if known[p, q] else np.float32(0))
                    out[1, taken] = values[p, q]
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
    for _ in range(steps):
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
        for i in range(n):
            error[i] = abs(data[i] - offset - gain * model[i])
        for i in range(len(ranked)):
            ranked[i] = error[i * ranked_step]
        limit = huber * max(NORMAL_MAD * median(ranked, counts), TINY)
        for i in range(n):
            weight[i] = min(1.0, limit / max(error[i], TINY))
    return gain, offset


@compiled("void(f4[:,::1],b1[:,::1],f4[:,::1],f4,f4,f4[:,:,::1])")
def subtract_crystal(
    values: FloatArray,
    covered: BoolArray,
    template: FloatArray,
    gain: float,
    offset: float,
    out_cells: FloatArray,
) -> None:
    """See `plain.subtract_crystal`; in place."""
    m1, m2 = template.shape
    inverse = np.float32(1) / gain
    out_cells[:] = 0
    share = np.float32(1) / np.float32(m1 * m2)
    for p in range(values.shape[0]):
        crystal, row = template[p % m1], p // m1
        for c in range(values.shape[1] // m2):
            line, seen = values[p, c * m2 : (c + 1) * m2], covered[p, c * m2 : (c + 1) * m2]
            total = count = np.float32(0)
            for j in range(m2):
                value = (line[j] - offset) * inverse - crystal[j]
                value = value if seen[j] else np.float32(0)
                line[j] = value
                total += value
                count += np.float32(seen[j])
            out_cells[0, row, c] += total * share
            out_cells[1, row, c] += count * share


@compiled("void(f4[:,::1],b1[:,::1],f4[:,::1],i8)")
def subtract_cells(values: FloatArray, covered: BoolArray, cells: FloatArray, m1: int) -> None:
    """Subtract one value per cell from the covered samples, in place."""
    m2 = values.shape[1] // cells.shape[1]
    for p in range(values.shape[0]):
        for c in range(cells.shape[1]):
            line, seen = values[p, c * m2 : (c + 1) * m2], covered[p, c * m2 : (c + 1) * m2]
            level = cells[p // m1, c]
            for j in range(m2):
                line[j] -= level if seen[j] else np.float32(0)


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
