"""Matched filters: how much a patch looks like a change that a single column can undergo.

For noise of covariance C and a change of known shape s the best linear test is
``s' C⁻¹ z / sqrt(s' C⁻¹ s)`` (Turin 1960). The shapes follow from the crystal itself: a
column that becomes brighter or darker, or moves. The noise is that of the warm-up frames,
per site of the cell. What no such filter expects is left to the one-class SVM.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.explanations import Explanations, padded
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.experts import Matched
from livedetect.detect.profile import ColumnProfile

RIDGE = 1e-3
"""Of the mean variance: keeps the inverse covariance from trusting rounding errors."""
TRUSTED_SHARE = 0.98
"""Patches that estimate the covariance; the most unusual ones may hold a defect."""
DISPLACEMENT = 0.3
"""Of the distance of nearest columns, as far as a displaced column is expected to move."""
MIN_FOR_SKEWNESS = 500
FAR = 4.5
DIRECTIONS = 8
NOTABLE_CHANGE = 0.15
"""Columns whose heights differ by less hold the same species."""
ADATOM_SHARES = (0.3, 0.6, 1.0)
"""Heights of adatoms that are expected, relative to the highest column."""
COLUMN_SPREAD = 0.1
"""Standard deviation of defects about their column, in nearest-column distances."""
HOLLOW_SPREAD = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteShapes:
    """What a site of the cell can look like when something happens there."""

    profile: ColumnProfile
    """Of all columns."""
    offsets_px: FloatArray
    """(d, 2) samples of the patch relative to the column, or to the site of a hollow."""
    noise: FloatArray
    """(d,) standard deviation of the samples in one frame, units of the template."""
    height: float | None
    """Of the column, units of the template; None for a hollow."""
    others: FloatArray
    """(n,) heights of the other columns."""
    neighbour_px: float
    """Distance of nearest columns."""

    @property
    def brighter(self) -> FloatArray:
        """(d,) one template unit more at the column, in noise standard deviations."""
        return np.asarray(self.profile.at(self.offsets_px) / self.noise)

    @property
    def moved(self) -> FloatArray:
        """(d, 2) a column of unit height moved by one px along x and y."""
        return np.asarray(self.profile.slope(self.offsets_px) / self.noise[:, None])

    @property
    def highest(self) -> float:
        """Height of the most prominent of the other columns."""
        return float(self.others[np.abs(self.others).argmax()])

    def hypotheses(self) -> list[tuple[str, FloatArray]]:
        """Kinds of defect with the patches (d,) they would make, noise units."""
        brighter = self.brighter
        if self.height is None:
            return [("adatom", share * self.highest * brighter) for share in ADATOM_SHARES]
        expected = [
            ("vacancy", -self.height * brighter),
            ("half_vacancy", -0.5 * self.height * brighter),
            ("bright", 0.3 * self.height * brighter),
        ]
        changes = self.others - self.height
        notable = changes[np.abs(changes) > NOTABLE_CHANGE * abs(self.height)]
        expected += [("antisite", change * brighter) for change in notable]
        expected += [("displaced", patch) for patch in self._displaced(self.height)]
        return expected

    def _displaced(self, height: float) -> list[FloatArray]:
        turns = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
        steps = DISPLACEMENT * self.neighbour_px * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        here = self.profile.at(self.offsets_px)
        return [
            height * (self.profile.at(self.offsets_px - step) - here) / self.noise for step in steps
        ]


class MatchedFilter:
    """Filters and noise of one site of the cell."""

    def __init__(self, shapes: SiteShapes, noise: FloatArray) -> None:
        """Learn from defect-free patches `noise` (n, d), noise standard deviations."""
        inverse = np.linalg.inv(_covariance(noise))
        self.spread_px = shapes.neighbour_px * (
            HOLLOW_SPREAD if shapes.height is None else COLUMN_SPREAD
        )
        """Standard deviation of defects about the site, px."""
        self.sign = 0.0 if shapes.height is not None else float(np.sign(shapes.highest))
        """Of a plausible change: where there is no column none can vanish; 0 for any."""
        model = np.column_stack([shapes.brighter, shapes.moved])
        fit = inverse @ model
        information = model.T @ fit
        uncertainty = np.linalg.inv(information)
        self.locating = fit @ uncertainty.T
        """(d, 3) least-squares estimate of a change's height, and of height x place (x, y)."""
        self.place_noise2 = np.diag(uncertainty)[1:]
        """(2,) variance of the estimate of height x place."""
        hypotheses = sorted(shapes.hypotheses(), key=lambda entry: entry[0])
        self.kinds = [kind for kind, _ in hypotheses]
        """(k,) what each hypothesis is called; in order, with several of one kind."""
        expected = np.stack([patch for _, patch in hypotheses], axis=1)
        self.likely = inverse @ expected
        """(d, k): the log-likelihood of a hypothesis over that of nothing is z' likely - cost."""
        self.cost = 0.5 * np.einsum("dk,dk->k", expected, self.likely)
        """(k,) half the information per frame, d'²."""
        displaced = np.array([kind == "displaced" for kind in self.kinds])
        shapes_sought = np.column_stack([fit[:, 0], self.likely[:, displaced]])
        power = [information[0, 0], *(2 * self.cost[displaced])]
        self.filters = shapes_sought / np.sqrt(power)
        """(d, k) of unit variance: a change of height, then displacements, if any."""
        self.skewness = _skewness(noise @ self.filters)
        """(k,) of their outputs in one frame: counts are not quite normal."""

    def information(self) -> dict[str, float]:
        """Information per frame, d'², of the weakest form of every kind."""
        found: dict[str, float] = {}
        for kind, cost in zip(self.kinds, self.cost, strict=True):
            found[kind] = min(found.get(kind, np.inf), 2 * float(cost))
        return found


class MatchedFilters:
    """The filters of all sites of the cell."""

    def __init__(self, sites: list[MatchedFilter]) -> None:
        self._sites = sites
        most = max(site.filters.shape[1] for site in sites)
        self.arrays = Matched(
            filters=np.stack([padded(site.filters.T, most) for site in sites]),
            skewness=np.stack([padded(site.skewness, most) for site in sites]),
            sign=np.array([site.sign for site in sites], np.float32),
        )
        """For the kernels."""
        self.explanations = Explanations(sites)
        """What made a patch, and where it lies."""
        self.information: dict[str, float] = {}
        """Information per frame, d'², by kind, at the site where the kind is weakest."""
        for site in sites:
            for kind, information in site.information().items():
                self.information[kind] = min(self.information.get(kind, np.inf), information)

    def score(
        self, z: FloatArray, sublattice: IntArray, frames: int | IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Surprise, -ln p, of patches (n, d) over `frames` (n,) at sites of the cell (n,).

        Two arrays (n,): the first of a change of height, the second of a displacement.
        """
        lengths = np.array(np.broadcast_to(frames, len(z)))
        height, moved = form(COMPILED).matched(z, sublattice, lengths, self.arrays)
        return height, moved

    def at(self, sublattice: int) -> MatchedFilter:
        """The filter of one site of the cell."""
        return self._sites[sublattice]


def _skewness(outputs: FloatArray) -> FloatArray:
    """(k,) third standardised moment of outputs (n, k), far values clipped."""
    if len(outputs) < MIN_FOR_SKEWNESS:
        return np.zeros(outputs.shape[1])
    centred = outputs - outputs.mean(axis=0)
    clipped = np.clip(centred / centred.std(axis=0), -FAR, FAR)
    return np.asarray((clipped**3).mean(axis=0))


def deviate_of(surprise: float) -> float:
    """The normal deviate of a surprise, the inverse of what `MatchedFilters.score` gives."""
    deviate = np.sqrt(2 * max(surprise, 0.0))
    for _ in range(8):  # the correction is small and changes slowly
        deviate = np.sqrt(max(2 * surprise - np.log1p(np.pi / 2 * deviate**2), 0.0))
    return float(deviate)


def _covariance(noise: FloatArray) -> FloatArray:
    """(d, d) of patches (n, d), drawn to its diagonal where there are few of them."""
    energy = (noise**2).sum(axis=1)
    usual = noise[energy <= np.quantile(energy, TRUSTED_SHARE)] if len(noise) else noise
    count, length = usual.shape
    if count < 2:
        return np.eye(length)
    covariance = np.cov(usual.T).reshape(length, length).astype(float)
    weight = length / (length + count)
    diagonal = np.diag(np.diag(covariance))
    ridge = RIDGE * np.trace(covariance) / length * np.eye(length)
    return np.asarray((1 - weight) * covariance + weight * diagonal + ridge)
