"""What the kernels need of the learners that judge a patch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray

UNROLLED = 4
"""Samples of a patch taken at a time: filters are filled up with zeros to a multiple of it."""
MIN_SKEWNESS = 1e-3
MIN_RELATIVE = -0.999
"""Change relative to all counts there are: no fewer than none can be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Novelty:
    """A one-class SVM behind a projection."""

    mean: FloatArray
    """(d,) float32 of the patches."""
    whitening: FloatArray
    """(d, c) float32 projection."""
    vectors: FloatArray
    """(v, c) float32 support vectors."""
    weights: FloatArray
    """(v,) float32, summing to 1."""
    gamma: float
    """Kernel exp(-gamma |x - y|²)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """Matched filters of every site of the cell, padded with zeros to one number."""

    filters: FloatArray
    """(s, k, d) float32 of unit variance: a change of height, then displacements."""
    skewness: FloatArray
    """(s, k) float32 of their outputs in one frame."""
    sign: FloatArray
    """(s,) float32 sign of a plausible change of height; 0 where both are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """All of them, and what their scores amount to."""

    novelty: Novelty
    """What is like nothing that has been seen."""
    matched: Matched
    """What is like a defect."""
    law: FloatArray
    """(3, 2) float64: surprise = law[:, 0] * score + law[:, 1], of SVM, height, displacement."""
    deviates: FloatArray
    """(2,) float64: below these, height and displacement say nothing worth a marker."""
    lowest: float
    """Surprise from which on a site is worth a marker."""
    projections: FloatArray = field(init=False)
    """(s, c + k, 4 n) float32: projection and filters of each site, with zeros behind them."""

    def __post_init__(self) -> None:
        """Put side by side what a patch is multiplied with."""
        filters = self.matched.filters
        sites, count, samples = filters.shape
        across = self.novelty.whitening.T
        filled = -(-samples // UNROLLED) * UNROLLED
        projections = np.zeros((sites, len(across) + count, filled), np.float32)
        projections[:, : len(across), :samples] = across
        projections[:, len(across) :, :samples] = filters
        object.__setattr__(self, "projections", projections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Where to look."""

    z: FloatArray
    """(w, P, Q) float32 standardised residual in every time window."""
    frames: IntArray
    """(w,) int64 lengths of the windows."""
    patches: IntArray
    """(n, d) int32 flat indices of the samples around each site."""
    sublattice: IntArray
    """(n,) int64 site of the cell."""
    notable: IntArray
    """(n,) uint8, a bit for each window, the first lowest: set where a patch is described."""

    @property
    def rows(self) -> FloatArray:
        """(w, P Q) view of z."""
        return np.asarray(self.z.reshape(len(self.z), -1))
