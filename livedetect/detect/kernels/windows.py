"""Compiled: standardised residuals in all time windows at once, and following the baseline.

Everything a sample needs is read once and written once. Rows of the grid are worked on
only where the frames of the last eight steps had data.
"""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled
from livedetect.detect.kernels.sampling import span

ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
CLIPPED_Z2 = np.float32(9)
OUTLIER_Z = np.float32(3)
NEVER = np.float32(0.5)
"""Fewer frames than this means none; counts are whole, whatever a filter made of them."""


@compiled("void(f4[::1],f4[::1],f4[::1])")
def _noise_row(scale: FloatArray, phase: FloatArray, out: FloatArray) -> None:
    """Noise variance along a row of the grid, (n2 m2,), from cells (n2,) and phases (m2,)."""
    samples = len(phase)
    for c in range(len(scale)):
        for j in range(samples):
            out[c * samples + j] = scale[c] * phase[j]


@compiled("void(u1[::1],b1[::1],f4[::1],f4,i8[::1],b1[:,:,::1],i8,i8)")
def _take_in(
    bits: IntArray,
    covered: BoolArray,
    frames: FloatArray,
    known_frames: float,
    lengths: IntArray,
    out_valid: BoolArray,
    p: int,
    first: int,
) -> None:
    """Note which samples of a row are covered, and which windows are valid there."""
    for q in range(len(bits)):
        bits[q] = np.uint8((bits[q] << np.uint8(1)) | np.uint8(covered[q]))
    for w in range(len(lengths)):
        valid, mask = out_valid[w, p, first : first + len(bits)], np.uint8((1 << lengths[w]) - 1)
        for q in range(len(bits)):
            valid[q] = (frames[q] >= known_frames) & ((bits[q] & mask) == mask)


@compiled(
    "void(f4[:,:,::1],i8,f4[:,:,::1],f4[::1],f4[::1],i8[::1],b1[:,:,::1],f4[:,:,::1],f4[::1],i8,i8)"
)
def _standardise(
    past: FloatArray,
    newest: int,
    base: FloatArray,
    noise: FloatArray,
    inflation: FloatArray,
    lengths: IntArray,
    valid: BoolArray,
    out_z: FloatArray,
    out_largest: FloatArray,
    p: int,
    first: int,
) -> None:
    """Z of one row in every window."""
    stop = first + len(noise)
    level, frames, extra = base[0, p, first:stop], base[1, p, first:stop], base[2, p, first:stop]
    total, done = np.zeros(len(noise), np.float32), 0
    fixed, weight = np.empty(len(noise), np.float32), np.empty(len(noise), np.float32)
    for q in range(len(noise)):
        fixed[q] = noise[q] / max(frames[q], ONE) + extra[q]
    out_largest[:] = 0
    for w in range(len(lengths)):
        while done < lengths[w]:
            residual = past[(newest - done) % 8, p, first:stop]
            for q in range(len(noise)):
                total[q] += residual[q]
            done += 1
        share, shrink = ONE / np.float32(lengths[w]), ONE / inflation[w]
        z, ok = out_z[w, p, first:stop], valid[w, p, first:stop]
        for q in range(len(noise)):  # one array more in a loop, and it is not vectorised
            weight[q] = shrink / np.sqrt(noise[q] * share + fixed[q])
        for q in range(len(noise)):
            weight[q] = weight[q] if ok[q] else ZERO
        for q in range(len(noise)):
            z[q] = (total[q] * share - level[q]) * weight[q]
        for q in range(len(noise)):
            out_largest[q] = max(out_largest[q], abs(z[q]))


@compiled("void(f4[::1],b1[::1],b1[::1],i8[::1])")
def _count(z: FloatArray, valid: BoolArray, frozen: BoolArray, out_counts: IntArray) -> None:
    """Add the judged and the outlying samples of one row."""
    judged = beyond = 0
    for q in range(len(z)):
        looked_at = valid[q] & (not frozen[q])
        judged += looked_at
        beyond += looked_at & (abs(z[q]) > OUTLIER_Z)
    out_counts[0] += judged
    out_counts[1] += beyond


@compiled("void(f4[::1],b1[::1],i8,i8,i8,f4[:,:,::1],i8)")
def _add_to_cells(
    z: FloatArray,
    valid: BoolArray,
    first: int,
    stop: int,
    m2: int,
    out_cells: FloatArray,
    row: int,
) -> None:
    """Add validity and clipped z² of one row of samples to the sums of its cells."""
    for cell in range(first // m2, (stop - 1) // m2 + 1):
        weight = square = ZERO
        for q in range(max(cell * m2, first), min((cell + 1) * m2, stop)):
            weight += np.float32(valid[q])
            square += min(z[q] * z[q], CLIPPED_Z2)
        out_cells[0, row, cell] += weight
        out_cells[1, row, cell] += square


@compiled(
    "void(f4[:,::1],b1[:,::1],f4[:,:,::1],u1[:,::1],i8,f4[:,:,::1],f4,f4[:,::1],f4[:,::1],"
    "f4[::1],i8[::1],b1[:,::1],f4[:,:,::1],b1[:,:,::1],f4[:,::1],f4[:,:,::1],i8[::1])"
)
def windows(
    values: FloatArray,
    covered: BoolArray,
    past: FloatArray,
    history: IntArray,
    newest: int,
    base: FloatArray,
    known_frames: float,
    scale: FloatArray,
    phase: FloatArray,
    inflation: FloatArray,
    lengths: IntArray,
    frozen: BoolArray,
    out_z: FloatArray,
    out_valid: BoolArray,
    out_largest: FloatArray,
    out_cells: FloatArray,
    out_counts: IntArray,
) -> None:
    """See `plain.windows`."""
    m1, m2 = phase.shape
    noise, lately = np.empty(values.shape[1], np.float32), np.empty(values.shape[1], np.bool_)
    out_counts[:] = 0
    out_cells[:] = 0
    for p in range(len(values)):
        bits, seen = history[p], covered[p]
        for q in range(len(seen)):
            lately[q] = (bits[q] != 0) | seen[q]
        a, b = span(lately)
        past[newest, p] = values[p]
        if a == b:
            continue
        _noise_row(scale[p // m1], phase[p % m1], noise)
        bits, frames, largest = history[p, a:b], base[1, p, a:b], out_largest[p, a:b]
        _take_in(bits, covered[p, a:b], frames, known_frames, lengths, out_valid, p, a)
        sd2 = noise[a:b]
        _standardise(past, newest, base, sd2, inflation, lengths, out_valid, out_z, largest, p, a)
        _count(out_z[0, p, a:b], out_valid[0, p, a:b], frozen[p, a:b], out_counts)
        _add_to_cells(out_z[0, p], out_valid[0, p], a, b, m2, out_cells, p // m1)


@compiled(
    "void(f4[:,:,::1],u1[:,::1],i8,f4[:,:,::1],f4,f4[:,::1],f4[:,::1],b1[:,::1],b1[:,::1],f4,f4,b1)"
)
def follow(
    past: FloatArray,
    history: IntArray,
    newest: int,
    base: FloatArray,
    known_frames: float,
    scale: FloatArray,
    phase: FloatArray,
    settled: BoolArray,
    frozen: BoolArray,
    slowest: float,
    limit: float,
    complete: bool,
) -> None:
    """See `plain.follow`."""
    rows, cols = history.shape
    m1, m2 = phase.shape
    noise = np.empty(cols, np.float32)
    starts = np.empty(cols, np.bool_)
    share, innovation = np.empty(cols, np.float32), np.empty(cols, np.float32)
    most = TWO / slowest - ONE
    for p in range(rows):
        for q in range(cols):
            starts[q] = history[p, q] != 0
        first, stop = span(starts)
        if first == stop:
            continue
        _noise_row(scale[p // m1], phase[p % m1], noise)
        for c in range(settled.shape[1]):
            starts[c * m2 : (c + 1) * m2] = settled[p // m1, c]
        latest, oldest = past[newest, p, first:stop], past[(newest + 1) % 8, p, first:stop]
        level, frames = base[0, p, first:stop], base[1, p, first:stop]
        bits, still = history[p, first:stop], frozen[p, first:stop]
        sd2, may_start = noise[first:stop], starts[first:stop]
        for q in range(stop - first):
            new = (frames[q] < known_frames) & may_start[q] & ((bits[q] & np.uint8(1)) != 0)
            mean = (level[q] * frames[q] + latest[q]) / (frames[q] + ONE)
            level[q] = mean if new else level[q]
            frames[q] += ONE if new else ZERO
        if not complete:
            continue
        for q in range(stop - first):
            follows = (frames[q] >= known_frames) & ((bits[q] & np.uint8(128)) != 0)
            share[q] = ONE if follows & (not still[q]) else ZERO
        for q in range(stop - first):
            reach = limit * np.sqrt(sd2[q])
            innovation[q] = min(max(oldest[q] - level[q], -reach), reach)
        for q in range(stop - first):
            level[q] += share[q] * max(ONE / (frames[q] + ONE), slowest) * innovation[q]
        for q in range(stop - first):
            later = min(frames[q] + ONE, most)
            frames[q] = later if share[q] > ZERO else frames[q]


@compiled("void(f4[:,:,::1],f4,f4)")
def systematic(base: FloatArray, of_level: float, of_slope: float) -> None:
    """See `plain.systematic`; written to base[2]."""
    rows, cols = base.shape[1], base.shape[2]
    known = np.empty(cols, np.bool_)
    for p in range(rows):
        base[2, p] = ZERO
        for q in range(cols):
            known[q] = base[1, p, q] > NEVER
        first, stop = span(known)
        if first == stop:
            continue
        level, out = base[0, p, first:stop], base[2, p, first:stop]
        for q in range(stop - first):
            out[q] = of_level * level[q] * level[q]
        if 0 < p < rows - 1:
            above, below = base[0, p - 1, first:stop], base[0, p + 1, first:stop]
            here, there = base[1, p - 1, first:stop], base[1, p + 1, first:stop]
            for q in range(stop - first):
                slope = (below[q] - above[q]) * HALF
                both = (here[q] > NEVER) & (there[q] > NEVER)
                out[q] += of_slope * slope * slope if both else ZERO
        left, right, centre = level, level[2:], out[1:]
        seen_left, seen_right = base[1, p, first:stop], base[1, p, first + 2 : stop]
        for q in range(stop - first - 2):
            slope = (right[q] - left[q]) * HALF
            both = (seen_left[q] > NEVER) & (seen_right[q] > NEVER)
            centre[q] += of_slope * slope * slope if both else ZERO
