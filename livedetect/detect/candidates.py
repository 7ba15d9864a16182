"""From patches that score high to candidates: one for each place, and what it looks like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.decision import suppress_non_maxima
from livedetect.detect.judgement import Judgement
from livedetect.detect.method import Candidate
from livedetect.detect.phased import Patches, SitePatches

ANGLES = np.arange(8) * np.pi / 4
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
"""(8, 2) unit vectors around a place."""
EXPLAINED_SHARE = 0.5
"""Of a marker's score that a change of one column must account for to give its place."""


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
    candidates: Sequence[Candidate], sites: SitePatches, judged: BoolArray, reach_px: float
) -> BoolArray:
    """(n,) changes that no defect explains, `reach_px` from a site that is not `judged` (sites,).

    What formed there shows its rim first; it is told of when its own place can be judged.
    """
    fringe = np.zeros(len(candidates), bool)
    for index, entry in enumerate(candidates):
        if entry.kind == "unknown":
            around = sites.sites_at(entry.position + reach_px * DIRECTIONS)
            fringe[index] = not judged[around].all()
    return fringe


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
