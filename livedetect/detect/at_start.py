"""Defects that the first frames already held: places unlike their equivalents."""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.baseline import Baseline
from livedetect.detect.grid import Grid
from livedetect.detect.matched import MatchedFilters
from livedetect.detect.novelty import fit_novelty
from livedetect.detect.phased import Patches, SitePatches
from livedetect.detect.warm_up import against_equivalents, bulk_tail
from livedetect.settings import Settings

AT_START_TRIM = 0.8
"""A few per cent of defective sites touch several times as many patches."""
AT_START_FALSE = 0.02
"""False markers expected among the defects reported at the start."""
EXPERTS = 3
FEWEST_SITES = 50
"""Fewer cannot be compared with each other."""


def unlike_equivalents(
    sites: IntArray,
    phases: IntArray,
    where: tuple[Grid, SitePatches, Baseline],
    filters: MatchedFilters,
    settings: Settings,
) -> Patches:
    """Patches at `sites`, scored by how unlike those of other cells of their phase they are.

    The one-class SVM and the matched filters judge, each by the bulk of its scores, which
    holds no defects as long as they are few; the most surprised one counts.
    """
    grid, patches, baseline = where
    difference, spread, comparable = against_equivalents(grid, baseline, phases)
    sites = sites[np.asarray(patches.of_cell(comparable)[sites], bool)]
    if len(sites) < FEWEST_SITES:
        return Patches.empty(sites[:0], len(patches.offsets_px))
    descriptors = patches.take(difference / spread, sites)
    energy = (descriptors**2).sum(axis=1)
    normal = descriptors[energy < np.quantile(energy, AT_START_TRIM)]
    novelty = fit_novelty(normal, nu=settings.nu, seed=settings.random_seed)
    scores = novelty.score(descriptors)
    surprise = [bulk_tail(scores).surprise(scores)]
    sublattices = patches.sublattices(sites)
    heights_and_places = filters.score(descriptors, sublattices, settings.warm_up_frames)
    surprise += [_surprise_by_sublattice(entry, sublattices) for entry in heights_and_places]
    return Patches(
        site=sites,
        score=np.maximum.reduce(surprise),
        z=patches.take(difference / np.sqrt(baseline.variance()), sites),
        window_frames=np.full(len(sites), settings.warm_up_frames),
    )


def _surprise_by_sublattice(scores: FloatArray, sublattices: IntArray) -> FloatArray:
    """(n,) surprise under the bulk of all sites and of the same sublattice: an alloy varies."""
    surprise = bulk_tail(scores).surprise(scores)
    for sublattice in np.unique(sublattices):
        here = sublattices == sublattice
        if here.sum() >= FEWEST_SITES:
            own = bulk_tail(scores[here]).surprise(scores[here])
            surprise[here] = np.minimum(surprise[here], own)
    return surprise


def threshold_at_start(sites: int) -> float:
    """Score above which one of so many sites is told."""
    return float(-np.log(AT_START_FALSE / EXPERTS / max(sites, 1)))
