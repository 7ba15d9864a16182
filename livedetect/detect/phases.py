"""Which segments belong to which crystal phase or domain, without being told how many.

One class is ill-posed where two domains are in view from the start: cluster first, learn
each domain's inside, and the boundary between them is what is unusual.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray

COMPONENTS = 4
MIN_SEPARATION = 4.0
"""Distance of two phases in units of the scatter within, along the line that joins them."""
MIN_SHARE = 0.05
"""A phase smaller than this share of the segments is a defect, not a phase."""


def classify(descriptors: FloatArray, *, most: int = 4, seed: int = 0) -> IntArray:
    """Phase (n,) of segments with descriptors (n, d), numbered from 0, largest first.

    Clusters are split in two as long as the halves are clearly apart; at most `most`
    phases are told apart.
    """
    projected = _leading_components(descriptors)
    labels = np.zeros(len(projected), np.int64)
    pending = [0]
    while pending and labels.max() + 1 < most:
        phase = pending.pop()
        members = np.flatnonzero(labels == phase)
        second = _split(projected[members], MIN_SHARE * len(projected), seed)
        if second is not None:
            labels[members[second]] = labels.max() + 1
            pending += [phase, int(labels.max())]
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.asarray(np.argsort(order)[labels])


def interior(labels: IntArray, positions: FloatArray, radius_px: float) -> BoolArray:
    """(n,) True for segments whose neighbours within `radius_px` are all of their phase."""
    tree = cKDTree(positions)
    pairs = tree.query_pairs(radius_px, output_type="ndarray")
    mixed = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
    inside = np.ones(len(labels), bool)
    inside[mixed.ravel()] = False
    return inside


def _leading_components(descriptors: FloatArray) -> FloatArray:
    centred = descriptors - descriptors.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(centred.T))
    return np.asarray(centred @ axes[:, -COMPONENTS:])


def _split(points: FloatArray, smallest: float, seed: int) -> BoolArray | None:
    """Mask of the second of two well separated clusters, None if there is only one."""
    if len(points) < 2 * max(smallest, 10):
        return None
    centres, labels = kmeans2(points, 2, minit="++", seed=seed)
    second = labels == 1
    if min(second.sum(), (~second).sum()) < smallest:
        return None
    axis = centres[1] - centres[0]
    along = points @ (axis / max(float(np.linalg.norm(axis)), 1e-12))
    scatter = _spread(along[second]) + _spread(along[~second])
    apart = float(np.median(along[second]) - np.median(along[~second]))
    return second if apart > MIN_SEPARATION * scatter / 2 else None


def _spread(values: FloatArray) -> float:
    """Robust standard deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) + 1e-12
