"""How unlikely a patch is, in numpy: the reference of `judging`."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels.experts import (
    MIN_RELATIVE,
    MIN_SKEWNESS,
    Experts,
    Looked,
    Matched,
    Novelty,
)


def novelty(descriptors: FloatArray, model: Novelty) -> FloatArray:
    """(n,) -log(sum_i alpha_i k(x, x_i)) / gamma of descriptors (n, d)."""
    x = (descriptors - model.mean) @ model.whitening
    square = (x**2).sum(axis=1)[:, None] + (model.vectors**2).sum(axis=1) - 2 * x @ model.vectors.T
    square = np.maximum(square, 0)
    nearest = square.min(axis=1, keepdims=True)
    kernel = np.exp(-model.gamma * (square - nearest)) @ model.weights
    return np.asarray(nearest[:, 0] - np.log(kernel) / model.gamma)


def matched(z: FloatArray, sublattice: IntArray, frames: IntArray, model: Matched) -> FloatArray:
    """(2, n) surprise, -ln p, of patches (n, d) over `frames` (n,) at sites of the cell (n,).

    First of a change of height, second of a displacement.
    """
    output = np.einsum("nd,nkd->nk", z, model.filters[sublattice])
    skewness = model.skewness[sublattice] / np.sqrt(frames)[:, None]
    deviate = normal_deviate(output, skewness)
    sign = model.sign[sublattice]
    height = np.where(sign == 0, np.abs(deviate[:, 0]), np.maximum(sign * deviate[:, 0], 0))
    moved = deviate[:, 1:].max(axis=1, initial=0)
    return surprise_of_normal(np.stack([height, moved]))


def filtered(z: FloatArray, sublattice: IntArray, filters: FloatArray) -> FloatArray:
    """(n, k) float32 outputs of patches (n, d), each by the filters (s, k, d) of its site (n,)."""
    return np.asarray(np.einsum("nd,nkd->nk", z, filters[sublattice]), np.float32)


def most_novel(looked: Looked, experts: Experts) -> tuple[FloatArray, IntArray]:
    """Score of each site in its most anomalous window (n,), and which window that is (n,).

    -inf where no window makes the site worth a marker.
    """
    scores = np.full((len(looked.frames), len(looked.patches)), -np.inf)
    for row, (z, frames) in enumerate(zip(looked.rows, looked.frames, strict=True)):
        patches = z[looked.patches]
        here = np.flatnonzero(looked.notable >> np.uint8(row) & np.uint8(1))
        sublattice = looked.sublattice[here]
        length = np.full(len(here), frames)
        said = np.stack(
            [
                novelty(patches[here], experts.novelty),
                *matched(patches[here], sublattice, length, experts.matched),
            ]
        )
        scores[row, here] = (experts.law[:, :1] * said + experts.law[:, 1:]).max(axis=0)
    best = scores.argmax(axis=0)
    score = np.take_along_axis(scores, best[None], axis=0)[0]
    return np.where(score > experts.lowest, score, -np.inf), best


def normal_deviate(outputs: FloatArray, skewness: FloatArray) -> FloatArray:
    """Turn filter outputs (n, k) of unit variance into normal deviates.

    They are sums of counts, whose upper tail is longer than the lower one. The signed root
    of the deviance of a Poisson variable of the same skewness (n, k) is normal far into its
    tails (McCullagh & Nelder 1989, section 2.4.3).
    """
    skew = np.where(np.abs(skewness) < MIN_SKEWNESS, MIN_SKEWNESS, skewness)
    relative = np.maximum(outputs * skew, MIN_RELATIVE)
    deviance = (1 + relative) * np.log1p(relative) - relative
    root = np.sqrt(np.maximum(2 * deviance, 0)) / np.abs(skew)
    return np.asarray(np.sign(outputs) * root)


def surprise_of_normal(deviate: FloatArray) -> FloatArray:
    """-ln of the two-sided tail probability of normal deviates; asymptotic."""
    square = deviate**2
    return np.asarray(square / 2 + 0.5 * np.log1p(np.pi / 2 * square))
