"""Compiled: how unlikely a patch is; documented in `plain_experts`."""

# ruff: noqa: PLR0913, PLR0917 - compiled code takes arrays, not objects
from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels.compile import compiled, unsigned
from livedetect.detect.kernels.experts import MIN_RELATIVE, MIN_SKEWNESS, UNROLLED

ZERO, ONE = np.float32(0), np.float32(1)
BATCH = unsigned(64)
"""Patches filtered together, one beside the other."""
FARTHEST = np.float32(-20)
"""Exponents below this add nothing that could be seen."""
SHARE = np.float32(1 / 64)
E2, E3, E4, E5 = (np.float32(1 / n) for n in (2, 6, 24, 120))
BOUND = 1.001
"""Room for rounding in an upper bound."""
LARGEST_ROOT = 1.4143
"""A deviate is never more than this times the output it comes from, below the mean."""


@compiled("f8(f4[::1],f4[:,::1],f4[::1],f4,f4[::1])")
def _soft_distance(
    x: FloatArray, vectors: FloatArray, weights: FloatArray, gamma: float, square: FloatArray
) -> float:
    """Novelty of a projected patch (c,); `vectors` (c, v), `square` (v,) is scratch.

    exp(y) is (exp(y / 64)) to the power of 64, a polynomial that is worked out for many
    support vectors at a time.
    """
    square[:] = ZERO
    for k in range(len(x)):
        line, here = vectors[k], x[k]
        for j in range(len(square)):
            off = line[j] - here
            square[j] += off * off
    nearest = square[0]
    for j in range(len(square)):
        nearest = min(nearest, square[j])
    total = ZERO
    for j in range(len(square)):
        y = max(gamma * (nearest - square[j]), FARTHEST) * SHARE
        e = ONE + y * (ONE + y * (E2 + y * (E3 + y * (E4 + y * E5))))
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        e *= e
        total += weights[j] * e
    novelty_now: float = np.float64(nearest) - np.log(np.float64(total)) / np.float64(gamma)
    return novelty_now


@compiled("void(f4[::1],f4[::1],f4[:,::1],f4[::1])")
def _project(z: FloatArray, mean: FloatArray, whitening: FloatArray, out: FloatArray) -> None:
    """Components (c,) of a patch (d,); `whitening` is (c, d)."""
    for k in range(len(out)):
        total, line = ZERO, whitening[k]
        for j in range(len(z)):
            total += (z[j] - mean[j]) * line[j]
        out[k] = total


@compiled("void(f4[:,::1],f4[::1],f4[:,::1],f4[:,::1],f4[::1],f4,f8[::1])")
def novelty(
    descriptors: FloatArray,
    mean: FloatArray,
    whitening: FloatArray,
    vectors: FloatArray,
    weights: FloatArray,
    gamma: float,
    out: FloatArray,
) -> None:
    """See `plain_experts.novelty`; `whitening` is (c, d), `vectors` (c, v)."""
    x, square = np.empty(len(whitening), np.float32), np.empty(len(weights), np.float32)
    for i in range(len(descriptors)):
        _project(descriptors[i], mean, whitening, x)
        out[i] = _soft_distance(x, vectors, weights, gamma, square)


@compiled("f8(f8,f8)")
def _deviate(output: float, skewness: float) -> float:
    """See `plain_experts.normal_deviate`."""
    skew = skewness if abs(skewness) >= MIN_SKEWNESS else MIN_SKEWNESS
    relative = max(output * skew, MIN_RELATIVE)
    deviance = (1 + relative) * np.log1p(relative) - relative
    root = np.sqrt(max(2 * deviance, 0.0)) / abs(skew)
    return root if output > 0 else (-root if output < 0 else 0.0)


@compiled("f8(f8)")
def _surprise(deviate: float) -> float:
    """See `plain_experts.surprise_of_normal`."""
    square = deviate * deviate
    surprise: float = square / 2 + 0.5 * np.log1p(np.pi / 2 * square)
    return surprise


@compiled("UniTuple(f8,2)(f4[::1],u8,u8,f4[::1],f4,f8,f8,f8)")
def _deviates(
    outputs: FloatArray,
    first: int,
    step: int,
    skewness: FloatArray,
    sign: float,
    root_frames: float,
    least_height: float,
    least_moved: float,
) -> tuple[float, float]:
    """Deviates of a change of height and of a displacement; 0 where they stay below the least.

    The outputs of the filters are every `step` of `outputs`, from the `first` on.
    """
    height = moved = 0.0
    for k in range(len(skewness)):
        output = np.float64(outputs[first + unsigned(k) * step])
        if k > 0:
            if LARGEST_ROOT * output > max(least_moved, moved):
                moved = max(moved, _deviate(output, skewness[k] / root_frames))
        elif LARGEST_ROOT * abs(output) >= least_height:
            height = _deviate(output, skewness[k] / root_frames)
            height = abs(height) if sign == 0 else max(sign * height, 0.0)
    return height, moved


@compiled("void(f4[:,::1],i8[::1],i8[::1],f4[:,:,::1],f4[:,::1],f4[::1],f8[:,::1])")
def matched(
    z: FloatArray,
    sublattice: IntArray,
    frames: IntArray,
    filters: FloatArray,
    skewness: FloatArray,
    sign: FloatArray,
    out: FloatArray,
) -> None:
    """See `plain_experts.matched`."""
    outputs = np.empty(filters.shape[1], np.float32)
    for i in range(len(z)):
        s, root = sublattice[i], np.sqrt(np.float64(frames[i]))
        _project(z[i], np.zeros(z.shape[1], np.float32), filters[s], outputs)
        height, moved = _deviates(
            outputs, unsigned(0), unsigned(1), skewness[s], sign[s], root, 0.0, 0.0
        )
        out[0, i], out[1, i] = _surprise(height), _surprise(moved)


@compiled("void(f4[:,::1],i8[::1],f4[:,:,::1],f4[:,::1])")
def filtered(z: FloatArray, sublattice: IntArray, filters: FloatArray, out: FloatArray) -> None:
    """See `plain_experts.filtered`."""
    for i in range(len(z)):
        patch, own, line = z[i], filters[sublattice[i]], out[i]
        for k in range(len(line)):
            total, shape = ZERO, own[k]
            for j in range(len(patch)):
                total += patch[j] * shape[j]
            line[k] = total


@compiled("f8(f4[:,::1],f4[::1],f4[::1])")
def _about_their_mean(vectors: FloatArray, weights: FloatArray, out_mean: FloatArray) -> float:
    """Weighted variance of the support vectors (c, v) about their mean (c,).

    By Jensen's inequality -log(mean of exp(-gamma d²)) / gamma is at most the mean of d².
    """
    total = 0.0
    for k in range(len(vectors)):
        mean = ZERO
        for j in range(len(weights)):
            mean += weights[j] * vectors[k, j]
        out_mean[k] = mean
        for j in range(len(weights)):
            off = vectors[k, j] - mean
            total += np.float64(weights[j] * off * off)
    return total * BOUND


@compiled("void(f4[::1],f4[:,::1],f4[::1])")
def _respond(batch: FloatArray, projections: FloatArray, out: FloatArray) -> None:
    """Outputs (r, BATCH) of `projections` (r, 4 n) for the patches of a batch (4 n, BATCH)."""
    for r in range(projections.shape[0]):
        line, first = projections[r], unsigned(r) * BATCH
        for b in range(BATCH):
            out[first + b] = ZERO
        for j in range(0, projections.shape[1], UNROLLED):
            t0, t1, t2, t3 = line[j], line[j + 1], line[j + 2], line[j + 3]
            j0 = unsigned(j) * BATCH
            j1, j2, j3 = j0 + BATCH, j0 + BATCH + BATCH, j0 + BATCH + BATCH + BATCH
            for b in range(BATCH):
                near = t0 * batch[j0 + b] + t1 * batch[j1 + b]
                out[first + b] += near + t2 * batch[j2 + b] + t3 * batch[j3 + b]


@compiled("i8(f4[:,::1],i4[:,::1],i8[::1],u1[::1],i8[::1],f4[::1],i8[::1],i8[::1])")
def _gather(
    z: FloatArray,
    patches: IntArray,
    sublattice: IntArray,
    notable: IntArray,
    inout_next: IntArray,
    out_batch: FloatArray,
    out_site: IntArray,
    out_row: IntArray,
) -> int:
    """Fill a batch (4 n, BATCH) with patches of one site of the cell; returns how many.

    `inout_next` is the site and the window to go on with: the longest window of each first,
    which is the most likely to be the best.
    """
    i, w, filled = inout_next[0], inout_next[1], 0
    s = sublattice[i]
    while i < len(patches) and filled < BATCH and sublattice[i] == s:
        if (notable[i] >> np.uint8(w)) & np.uint8(1):
            values = z[w]
            for j in range(patches.shape[1]):
                out_batch[unsigned(j) * BATCH + unsigned(filled)] = values[np.uint32(patches[i, j])]
            out_site[filled], out_row[filled] = i, w
            filled += 1
        w -= 1
        if w < 0:
            i, w = i + 1, len(z) - 1
    inout_next[0], inout_next[1] = i, w
    return filled


@compiled(
    "void(f4[:,::1],i8[::1],i4[:,::1],i8[::1],u1[::1],f4[:,:,::1],f4[::1],f4[:,::1],f4[::1],f4,"
    "f4[:,::1],f4[::1],f8[:,::1],f8[::1],f8,f8[::1],i8[::1])"
)
def most_novel(
    z: FloatArray,
    frames: IntArray,
    patches: IntArray,
    sublattice: IntArray,
    notable: IntArray,
    projections: FloatArray,
    centre: FloatArray,
    vectors: FloatArray,
    weights: FloatArray,
    gamma: float,
    skewness: FloatArray,
    sign: FloatArray,
    law: FloatArray,
    deviates: FloatArray,
    lowest: float,
    out_score: FloatArray,
    out_row: IntArray,
) -> None:
    """See `plain_experts.most_novel`; `projections` as in `Experts`, `vectors` (c, v).

    `centre` (c,) is the projection of the patches' mean.
    """
    components = len(centre)
    batch = np.zeros(projections.shape[2] * BATCH, np.float32)
    outputs = np.empty(projections.shape[1] * BATCH, np.float32)
    site, row = np.empty(BATCH, np.int64), np.empty(BATCH, np.int64)
    x, square = np.empty(components, np.float32), np.empty(len(weights), np.float32)
    middle = np.zeros(components, np.float32)
    radius2 = _about_their_mean(vectors, weights, middle)
    out_score[:], out_row[:] = lowest, -1
    begin = np.array([0, len(frames) - 1])
    while begin[0] < len(patches):
        s = sublattice[begin[0]]
        filled = _gather(z, patches, sublattice, notable, begin, batch, site, row)
        _respond(batch, projections[s], outputs)
        for b in range(filled):
            i, root = site[b], np.sqrt(np.float64(frames[row[b]]))
            first = unsigned(components) * BATCH + unsigned(b)
            least, further = deviates[0], deviates[1]
            height, moved = _deviates(
                outputs, first, BATCH, skewness[s], sign[s], root, least, further
            )
            score = -np.inf
            if height > least:
                score = max(score, law[1, 0] * _surprise(height) + law[1, 1])
            if moved > further:
                score = max(score, law[2, 0] * _surprise(moved) + law[2, 1])
            bound = radius2  # a distance is no more than this plus that from the vectors' mean
            for k in range(components):
                x[k] = outputs[unsigned(k) * BATCH + unsigned(b)] - centre[k]
                off = np.float64(x[k]) - np.float64(middle[k])
                bound += off * off
            if law[0, 0] * bound + law[0, 1] > max(score, out_score[i]):
                novel = _soft_distance(x, vectors, weights, gamma, square)
                score = max(score, law[0, 0] * novel + law[0, 1])
            if score > out_score[i]:
                out_score[i], out_row[i] = score, row[b]
    for i in range(len(patches)):
        if out_row[i] < 0:
            out_score[i], out_row[i] = -np.inf, 0
