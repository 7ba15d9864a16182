"""How unlikely a patch is, compiled by numba; documented in `plain_experts`."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels import judging
from livedetect.detect.kernels.experts import Experts, Looked, Matched, Novelty


def novelty(descriptors: FloatArray, model: Novelty) -> FloatArray:
    """See `plain_experts.novelty`."""
    out = np.empty(len(descriptors))
    judging.novelty(np.ascontiguousarray(descriptors, np.float32), *_of_novelty(model), out)
    return out


def matched(z: FloatArray, sublattice: IntArray, frames: IntArray, model: Matched) -> FloatArray:
    """See `plain_experts.matched`."""
    out = np.empty((2, len(z)))
    sites, lengths = (np.ascontiguousarray(entry, np.int64) for entry in (sublattice, frames))
    patches = np.ascontiguousarray(z, np.float32)
    judging.matched(patches, sites, lengths, *_of_matched(model), out)
    return out


def filtered(z: FloatArray, sublattice: IntArray, filters: FloatArray) -> FloatArray:
    """See `plain_experts.filtered`."""
    out = np.empty((len(z), filters.shape[1]), np.float32)
    sites, patches = np.ascontiguousarray(sublattice, np.int64), np.ascontiguousarray(z, np.float32)
    judging.filtered(patches, sites, filters, out)
    return out


def most_novel(looked: Looked, experts: Experts) -> tuple[FloatArray, IntArray]:
    """See `plain_experts.most_novel`."""
    novel = experts.novelty
    score = np.empty(len(looked.patches))
    row = np.empty(len(looked.patches), np.int64)
    judging.most_novel(
        looked.rows,
        looked.frames,
        looked.patches,
        looked.sublattice,
        looked.notable,
        experts.projections,
        novel.mean @ novel.whitening,
        np.ascontiguousarray(novel.vectors.T),
        novel.weights,
        novel.gamma,
        experts.matched.skewness,
        experts.matched.sign,
        experts.law,
        experts.deviates,
        experts.lowest,
        score,
        row,
    )
    return score, row


def _of_novelty(model: Novelty) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, float]:
    across = (np.ascontiguousarray(entry.T) for entry in (model.whitening, model.vectors))
    whitening, vectors = across
    return model.mean, whitening, vectors, model.weights, model.gamma


def _of_matched(model: Matched) -> tuple[FloatArray, FloatArray, FloatArray]:
    return model.filters, model.skewness, model.sign
