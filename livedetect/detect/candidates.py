"""From patches that score high to candidates: one for each place, and what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.decision import suppress_non_maxima
from livedetect.detect.judgement import Judgement
from livedetect.detect.method import Candidate
from livedetect.detect.phased import Patches, SitePatches
from livedetect.detect.tracking import distances

ANGLES = np.arange(8) * np.pi / 4
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
"""(8, 2) unit vectors around a place."""
EXPLAINED_SHARE = 0.5
"""Of a marker's score that a change of one column must account for to give its place."""


class Coming(NamedTuple):
    """Which sites are judged, and which will be."""

    ready: BoolArray
    """(sites,) True for sites that are judged."""
    history: IntArray
    """(P, Q) uint8, the lowest bit set where the latest frame has data."""


def candidates_of(
    above: Patches, sites: SitePatches, judgement: Judgement, merge_radius_px: float
) -> list[Candidate]:
    """One for each place, with the kind it looks like, best first."""
    positions = places_of(above, sites, judgement)
    kept = suppress_non_maxima(positions, above.score, merge_radius_px)
    best = above.select(kept)
    sublattice = sites.sublattices(best.site)
    explanations = judgement.filters.explanations
    kinds = explanations.kinds(best.z, sublattice, best.window_frames)
    rows = zip(
        kept.tolist(),
        best.score.tolist(),
        judgement.probabilities(best.score).tolist(),
        best.window_frames.tolist(),
        sublattice.tolist(),
        kinds,
        strict=True,
    )
    return [
        Candidate(
            position=positions[index],
            score=score,
            p_value=p_value,
            window_frames=frames,
            sublattice=column,
            kind=kind,
            confidence=confidence,
        )
        for index, score, p_value, frames, column, (kind, confidence) in rows
    ]


def may_be_fringe(
    candidates: Sequence[Candidate], sites: SitePatches, coming: Coming, reach_px: float
) -> BoolArray:
    """(n,) changes that no defect explains, `reach_px` from a site that will be judged soon.

    What formed there shows its rim first; it is told of when its own place can be judged.
    """
    fringe = np.zeros(len(candidates), bool)
    for index, entry in enumerate(candidates):
        if entry.kind == "unknown":
            around = sites.sites_at(entry.position + reach_px * DIRECTIONS)
            waiting = around[~coming.ready[around]]
            shown = (sites.take(coming.history, waiting) & 1).all(axis=1)
            fringe[index] = shown.any()
    return fringe


def apart_from(known: FloatArray, places: FloatArray, radius_px: float) -> BoolArray:
    """(n,) True for places (n, 2) farther than `radius_px` from all `known` ones (m, 2)."""
    return np.asarray(distances(places, known).min(axis=1, initial=np.inf) > radius_px)


def unclaimed(known: FloatArray, places: FloatArray, radius_px: float) -> BoolArray:
    """(n,) True for `places` (n, 2), the most novel first, that belong to no `known` ones (m, 2).

    Of those within `radius_px` that a known defect is the nearest to, it is the first, and stands
    there from then on.
    """
    apart = distances(places, known)
    near = (apart < radius_px) & (apart == apart.min(axis=1, keepdims=True, initial=np.inf))
    return np.asarray(~(near & (np.cumsum(near, axis=0) == 1)).any(axis=1))


def places_of(patches: Patches, sites: SitePatches, judgement: Judgement) -> FloatArray:
    """(n, 2) where the changes in `patches` lie, sample coordinates, px."""
    centroids = sites.centroids(patches)
    filters = judgement.filters
    sublattices = sites.sublattices(patches.site)
    explained = np.maximum(*filters.score(patches.z, sublattices, 1))
    columns = sites.positions[patches.site] + sites.to_columns[sublattices]
    places = columns + filters.explanations.places(patches.z, sublattices)
    explained_well = explained > EXPLAINED_SHARE * patches.score
    return np.where(explained_well[:, None], places, centroids)
