"""How unlikely a patch is in this crystal: one-class SVM and matched filters, one scale.

Both are calibrated on held-out patches of the warm-up frames. The score is the surprise
-ln p under the tail of the one that is more surprised, so that scores of different
crystals, sites and windows compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.baseline import Baseline
from livedetect.detect.decision import Tail, strictest
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.experts import Experts, Looked
from livedetect.detect.matched import MatchedFilter, MatchedFilters, SiteShapes, deviate_of
from livedetect.detect.novelty import NoveltyModel, fit_novelty
from livedetect.detect.phased import SitePatches
from livedetect.detect.profile import fit_profile
from livedetect.detect.residual import FrontEnd
from livedetect.settings import Settings

MAX_TRAINING_SITES = 6000
TRAINING_TRIM = 0.98
"""Of the patches: the most unusual ones may hold a defect."""
EXPERTS = 3
"""Each may spend its share of the budget."""
ROUNDING = 0.999
"""Of the deviate from which on a matched filter is looked at more closely."""


@dataclass(frozen=True, slots=True)
class Training:
    """Defect-free patches in one time window."""

    sublattice: IntArray
    """(n,) site of the cell."""
    z: FloatArray
    """(n, d) patches, noise standard deviations."""
    frames: int | IntArray
    """Length of the window, or (n,) of each patch's."""


def joined(parts: Sequence[Training]) -> Training:
    """All patches of windows of one length."""
    return Training(
        np.concatenate([part.sublattice for part in parts]),
        np.concatenate([part.z for part in parts]),
        parts[0].frames,
    )


class Judgement:
    """Scores patches; `calibrate` before the first `score`."""

    DERIVED = ("_known_experts",)

    def __init__(self, novelty: NoveltyModel, filters: MatchedFilters) -> None:
        self._novelty = novelty
        self.filters = filters
        """For kinds and places."""
        self._tails: list[Tail] = []
        self.restore_derived()

    def restore_derived(self) -> None:
        """What follows from the tails is worked out when it is asked for."""
        self._known_experts: Experts | None = None

    def calibrate(
        self,
        training: Iterable[Training],
        probability: float,
        fit: Callable[[FloatArray], Tail],
    ) -> None:
        """Fit the tail of every expert, the strictest of all time windows."""
        scores = [self._scores(window) for window in training if len(window.z)]
        self._tails = [
            strictest([fit(entry[expert]) for entry in scores], probability)
            for expert in range(EXPERTS)
        ]
        self.restore_derived()

    def most_novel(self, looked: Looked, threshold: float) -> tuple[FloatArray, IntArray]:
        """Score of each site in its most anomalous window (n,), and which window that is (n,).

        -inf for sites whose score does not exceed `threshold`.
        """
        return form(COMPILED).most_novel(looked, self._experts(threshold))

    def surprise(self, patches: Training) -> FloatArray:
        """(n,) score of patches as they are, however low, on the scale of `most_novel`."""
        scores = zip(self._tails, self._scores(patches), strict=True)
        return np.asarray(np.max([tail.surprise(entry) for tail, entry in scores], axis=0))

    def score_at(self, probability: float) -> float:
        """Score that a site of a defect-free frame exceeds with `probability`."""
        return float(-np.log(probability / EXPERTS))

    def deviate_at(self, probability: float) -> dict[str, float]:
        """Deviates that the matched filters must reach: of the height, and displaced ones."""
        surprise = [tail.score_at(probability / EXPERTS) for tail in self._tails[1:]]
        return dict(zip(("height", "displaced"), map(deviate_of, surprise), strict=True))

    def probabilities(self, scores: FloatArray) -> FloatArray:
        """(n,) probability that a site of a defect-free frame scores higher."""
        return np.asarray(np.minimum(1.0, EXPERTS * np.exp(-scores)))

    def _experts(self, threshold: float) -> Experts:
        if self._known_experts is None or self._known_experts.lowest != threshold:
            self._known_experts = self._new_experts(threshold)
        return self._known_experts

    def _new_experts(self, threshold: float) -> Experts:
        law = np.array([tail.line for tail in self._tails])
        least = (threshold - law[1:, 1]) / law[1:, 0]
        return Experts(
            novelty=self._novelty,
            matched=self.filters.arrays,
            law=law,
            deviates=ROUNDING * np.array([deviate_of(float(entry)) for entry in least]),
            lowest=threshold,
        )

    def _scores(self, patches: Training) -> tuple[FloatArray, ...]:
        matched = self.filters.score(patches.z, patches.sublattice, patches.frames)
        return self._novelty.score(patches.z), *matched


def fit_judgement(
    front: FrontEnd,
    patches: SitePatches,
    baseline: Baseline,
    training: Training,
    settings: Settings,
) -> Judgement:
    """The experts of a crystal, from defect-free patches of single frames; not yet calibrated."""
    energy = (training.z**2).sum(axis=1)
    normal = training.z[energy <= np.quantile(energy, TRAINING_TRIM)]
    novelty = fit_novelty(normal, nu=settings.nu, seed=settings.random_seed)
    noise = front.grid.by_cell(baseline.variance()).mean(axis=(0, 2))
    return Judgement(novelty, matched_filters(front, patches, noise, training))


def matched_filters(
    front: FrontEnd, patches: SitePatches, variance: FloatArray, training: Training
) -> MatchedFilters:
    """Filters of every site of the cell.

    Parameters
    ----------
    variance : (m1, m2) noise variance of one frame within the cell, template units².
    training : defect-free patches of single frames.
    """
    profile = fit_profile(front.template, front.columns, front.lattice)
    neighbour_px = front.columns.scale_px / np.sqrt(3)
    filters = []
    for site in range(patches.sites_per_cell):
        columns = profile.heights
        shapes = SiteShapes(
            profile=profile,
            offsets_px=patches.offsets_px - patches.to_columns[site],
            noise=np.sqrt(patches.of_site(variance, site)),
            height=float(columns[site]) if patches.is_column(site) else None,
            others=np.delete(columns, site) if patches.is_column(site) else columns,
            neighbour_px=float(neighbour_px),
        )
        filters.append(MatchedFilter(shapes, training.z[training.sublattice == site]))
    return MatchedFilters(filters)


def training_patches(
    patches: SitePatches, baseline: Baseline, allowed: BoolArray, seed: int
) -> dict[int, Training]:
    """Held-out patches of the warm-up by window length, at some of the sites `allowed` (n,)."""
    sites = np.flatnonzero(allowed)
    sites = np.sort(np.random.default_rng(seed).permutation(sites)[:MAX_TRAINING_SITES])
    sublattices, samples = patches.sublattices(sites), patches.samples(sites)
    wanted = np.zeros(baseline.known.size, bool)
    wanted[samples] = True
    among = np.cumsum(wanted, dtype=np.int32)[samples] - 1
    collected: dict[int, list[Training]] = {}
    for window in baseline.held_out(np.flatnonzero(wanted)[None]).windows():
        usable = window.valid[0][among].all(axis=1)
        entry = Training(sublattices[usable], window.z[0][among[usable]], window.frames)
        collected.setdefault(window.frames, []).append(entry)
    return {length: joined(entries) for length, entries in collected.items()}
