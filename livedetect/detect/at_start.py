"""Defects that the first frames already held: places unlike their equivalents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.baseline import Baseline
from livedetect.detect.candidates import Coming, may_be_fringe
from livedetect.detect.decision import suppress_non_maxima
from livedetect.detect.grid import Grid
from livedetect.detect.kernels.planes import at_samples, planes_of
from livedetect.detect.matched import MatchedFilters
from livedetect.detect.method import Candidate
from livedetect.detect.novelty import fit_novelty
from livedetect.detect.phased import Patches, SitePatches
from livedetect.detect.plane import LocalPlane
from livedetect.detect.warm_up import against_equivalents, bulk_tail
from livedetect.settings import Settings

AT_START_TRIM = 0.8
"""A few per cent of defective sites touch several times as many patches."""
AT_START_FALSE = 0.02
"""False markers expected among the defects reported at the start."""
EXPERTS = 3
FEWEST_SITES = 50
"""Fewer cannot be compared with each other."""
HUMP_CELLS = 0.7
"""What is wider lies on the crystal, or is a bend of it, and is no defect."""
HUMP_ROUNDS = 3
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
    difference = difference - _humps(difference, known, ground.grid)
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


def _humps(difference: FloatArray, usual: BoolArray, grid: Grid) -> FloatArray:
    """(P, Q) what wide humps add to `difference` (P, Q), by the samples that are `usual` (P, Q).

    A spot of contamination that was there from the start is steeper than the background that is
    followed from frame to frame. The median of a cell knows it and no single column.
    """
    telling = 2 * grid.by_cell(usual).sum(axis=(1, 3)) > np.prod(grid.samples)
    if not telling.any():
        return np.zeros_like(difference)
    by_cell = grid.by_cell(np.where(usual, difference, np.nan)).transpose(0, 2, 1, 3)
    medians = np.zeros(grid.cells)
    medians[telling] = np.nanmedian(by_cell[telling], axis=(1, 2))
    smooth = partial(ndimage.gaussian_filter, sigma=HUMP_CELLS)
    plane = LocalPlane(telling, smooth, HUMP_CELLS)
    heights = np.zeros_like(medians)
    for _ in range(HUMP_ROUNDS):  # planes cut off the top of a hump
        heights += plane.through(medians - heights, smooth)
    return at_samples(planes_of(heights, grid.samples), grid.samples)


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
