"""Defects that the first frames already held: places unlike their equivalents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.baseline import Baseline
from livedetect.detect.candidates import Coming, may_be_fringe
from livedetect.detect.decision import suppress_non_maxima
from livedetect.detect.grid import Grid
from livedetect.detect.humps import humps_of
from livedetect.detect.judgement import EXPERTS
from livedetect.detect.matched import MatchedFilters
from livedetect.detect.method import Candidate
from livedetect.detect.novelty import fit_novelty
from livedetect.detect.phased import Patches, SitePatches
from livedetect.detect.warm_up import against_equivalents, bulk_tail
from livedetect.settings import Settings

AT_START_TRIM = 0.8
"""A few per cent of defective sites touch several times as many patches."""
AT_START_FALSE = 0.02
"""False markers expected among the defects reported at the start."""
FEWEST_SITES = 50
"""Fewer cannot be compared with each other."""
ROUNDS = 4
"""More find nothing further with a tenth of the sites defective."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the sites of the first frames are compared on."""

    grid: Grid
    patches: SitePatches
    baseline: Baseline
    filters: MatchedFilters
    phases: IntArray
    """(n1, n2) of every cell."""


def well_inside(
    found: Sequence[Candidate], patches: SitePatches, ready: BoolArray, reach_px: float
) -> list[Candidate]:
    """Without what may be the fringe of a defect in places that are not `ready` (sites,)."""
    seen_anywhere = Coming(ready, np.ones(patches.shape, np.uint8))
    fringe = may_be_fringe(found, patches, seen_anywhere, reach_px)
    return [entry for entry, beside in zip(found, fringe, strict=True) if not beside]


def unlike_equivalents(sites: IntArray, ground: Ground, settings: Settings) -> Patches:
    """Patches at `sites`, scored by how unlike those of other cells of their phase they are.

    Every tenth defective column touches half of the patches: what has been found is taken
    out of what the rest is compared with, until nothing new is found.
    """
    patches = ground.patches
    reach_px = float(np.hypot(*patches.offsets_px.T).max())
    aside = np.zeros(ground.grid.shape, bool)
    scored = _compared(sites, aside, ground, settings)
    for _ in range(ROUNDS):
        found = scored.select(scored.score > threshold_at_start(len(scored.site)))
        places = patches.positions[found.site]
        middles = suppress_non_maxima(places, found.score, reach_px)
        touched = patches.footprint(places[middles], reach_px)
        if not (touched & ~aside).any():
            break
        aside |= touched
        again = _compared(sites, aside, ground, settings)
        if not len(again.site):
            break
        scored = again
    return scored


def _compared(sites: IntArray, aside: BoolArray, ground: Ground, settings: Settings) -> Patches:
    """Patches at `sites`, scored; the samples `aside` (P, Q) are no example of normality.

    The one-class SVM and the matched filters judge, each by the bulk of its scores, which
    holds few defects; the most surprised one counts.
    """
    patches, baseline = ground.patches, ground.baseline
    difference, spread, comparable = against_equivalents(
        ground.grid, baseline, ground.phases, ~aside
    )
    known = baseline.known & ground.grid.spread(comparable)
    difference = difference - humps_of(difference, known, ground.grid)
    sites = sites[np.asarray(patches.of_cell(comparable)[sites], bool)]
    usual = patches.all_true(~aside, sites)
    if usual.sum() < FEWEST_SITES:
        return Patches.empty(sites[:0], len(patches.offsets_px))
    descriptors = patches.take(difference / spread, sites)
    energy = (descriptors**2).sum(axis=1)
    normal = descriptors[usual & (energy < np.quantile(energy[usual], AT_START_TRIM))]
    novelty = fit_novelty(normal, nu=settings.nu, seed=settings.random_seed)
    scores = novelty.score(descriptors)
    surprise = [bulk_tail(scores[usual]).surprise(scores)]
    sublattices = patches.sublattices(sites)
    heights_and_places = ground.filters.score(descriptors, sublattices, settings.warm_up_frames)
    surprise += [_by_sublattice(entry, usual, sublattices) for entry in heights_and_places]
    frames = settings.warm_up_frames
    return Patches(
        site=sites,
        score=np.maximum.reduce(surprise),
        z=patches.take(difference / np.sqrt(baseline.variance() / frames), sites),
        window_frames=np.full(len(sites), frames),
    )


def _by_sublattice(scores: FloatArray, usual: BoolArray, sublattices: IntArray) -> FloatArray:
    """(n,) surprise under the bulk of all sites and of the same sublattice: an alloy varies."""
    surprise = bulk_tail(scores[usual]).surprise(scores)
    for sublattice in np.unique(sublattices):
        here = sublattices == sublattice
        if (here & usual).sum() >= FEWEST_SITES:
            own = bulk_tail(scores[here & usual]).surprise(scores[here])
            surprise[here] = np.minimum(surprise[here], own)
    return surprise


def threshold_at_start(sites: int) -> float:
    """Score above which one of so many sites is told."""
    return float(-np.log(AT_START_FALSE / EXPERTS / max(sites, 1)))
