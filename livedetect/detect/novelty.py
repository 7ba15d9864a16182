"""Novelty of a descriptor: a one-class SVM with a score that does not saturate.

The only file that imports scikit-learn. Higher scores are more anomalous.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.svm import OneClassSVM

from livedetect.detect.arrays import FloatArray
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.experts import Novelty

TRAINING_SAMPLES = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyModel(Novelty):
    """Whitened principal components followed by a one-class SVM with Gaussian kernel."""

    def score(self, descriptors: FloatArray) -> FloatArray:
        """(n,) novelty of descriptors (n, d), higher = more anomalous.

        -log(sum_i alpha_i k(x, x_i)) / gamma: unlike the SVM's own decision function it
        keeps growing far from the data, about as the squared distance, so that its tail
        can be extrapolated.
        """
        return form(COMPILED).novelty(descriptors, self)


def fit_novelty(
    descriptors: FloatArray, *, components: int = 6, nu: float = 0.02, seed: int = 0
) -> NoveltyModel:
    """Learn what is normal (Schölkopf et al. 2000).

    Parameters
    ----------
    descriptors : (n, d) float32 of defect-free places; n above 3000 is subsampled.
    components : principal components kept.
    nu : bound on the fraction of training outliers; thresholds never rest on it.
    seed : of the subsampling.
    """
    mean = descriptors.mean(axis=0)
    centred = descriptors - mean
    variance, axes = np.linalg.eigh(np.atleast_2d(np.cov(centred.T)))
    strongest = np.argsort(-variance)[: min(components, descriptors.shape[1])]
    whitening = axes[:, strongest] / np.sqrt(np.maximum(variance[strongest], 1e-12))
    projected = centred @ whitening
    chosen = np.random.default_rng(seed).permutation(len(projected))[:TRAINING_SAMPLES]
    gamma = 0.1 / projected.shape[1]
    svm = OneClassSVM(nu=nu, gamma=gamma).fit(projected[chosen])
    weights = svm.dual_coef_[0]
    return NoveltyModel(
        mean=mean.astype(np.float32),
        whitening=np.ascontiguousarray(whitening, np.float32),
        vectors=svm.support_vectors_.astype(np.float32),
        weights=(weights / weights.sum()).astype(np.float32),
        gamma=float(gamma),
    )
