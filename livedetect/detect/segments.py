"""The frame of the seed's own schemes: describe segments, learn what is normal, compare.

Guo et al., npj Computational Materials 7:180 (2021) give the idea, not the constants;
what stands here is a reconstruction. Unlike the original, the threshold comes from the
scores of held-out warm-up frames and not from the SVM's own zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import fft
from scipy.spatial.distance import cdist
from skimage.registration import phase_cross_correlation

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.decision import Tail, fit_tail, site_probability, suppress_non_maxima
from livedetect.detect.lattice import Lattice, find_lattice, hann_window
from livedetect.detect.method import Candidate, Findings, Scored
from livedetect.detect.novelty import NoveltyModel, fit_novelty
from livedetect.detect.phases import classify, interior
from livedetect.detect.registration import BraggRegistration
from livedetect.detect.warm_up import bulk_tail
from livedetect.detect.watch import WatchedArea, block_map
from livedetect.errors import LatticeNotFoundError
from livedetect.settings import Settings
from livedetect.types import Registration

COMPONENTS = 40
TRAINING_SHARE = 2 / 3
CORRELATION_ERROR = 0.9
"""Normalised error of the phase correlation above which a shift is not believed."""
MEAN_SHIFT_STEPS = 4
AT_START_FALSE = 0.1
"""False markers expected among the defects reported at the start."""


class SegmentMethod(ABC):
    """See `livedetect.detect.method.Method`; subclasses say what a segment is."""

    def __init__(
        self, frames: Sequence[FloatArray], settings: Settings, dwell_us: float | None = None
    ) -> None:
        """Learn from float32 frames (H, W)."""
        self._settings = settings
        self._dwell_us = dwell_us
        self._shape = frames[0].shape
        self.lattice = self._find_lattice(frames)
        self._place(frames)
        self.shift = np.zeros(2)
        self._registration = BraggRegistration(self.lattice, frames) if self.lattice else None
        self._reference = frames[0] * hann_window(self._shape)
        self.watch(settings)
        described = [self.describe(frame) for frame in frames]
        self._fit(described)
        self.warm_up_shifts = self._shifts(frames)
        self.shift = self._locate(frames[-1])
        self._held = self._at_start(described)

    @abstractmethod
    def _place(self, frames: Sequence[FloatArray]) -> None:
        """Choose the size of the segments and set `merge_radius_px` and `border_px`."""

    @abstractmethod
    def describe(self, frame: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Positions (n, 2) as (x, y) in the frame and descriptors (n, d) of its segments."""

    @property
    def lattice_px(self) -> FloatArray | None:
        """(2, 2) basis vectors (x, y), px."""
        return self.lattice.basis_px if self.lattice else None

    @property
    def threshold(self) -> float:
        """Score above which a segment becomes a candidate."""
        budget = self._settings.false_markers_per_1000_frames
        return self._tail.score_at(site_probability(budget, self.sites))

    def at_start(self) -> Sequence[Candidate]:
        """Segments of the mean warm-up frame unlike the others."""
        return self._held

    def in_warm_up(self) -> Sequence[tuple[int, Candidate]]:
        """Nothing: these schemes look at one frame at a time."""
        return ()

    def findings(self) -> Findings:
        """Nothing: these schemes look at one frame at a time."""
        return Findings()

    def score(self, frame: FloatArray) -> Scored:
        """Judge a frame, float32 (H, W)."""
        self.shift = self._locate(frame)
        positions, descriptors = self.describe(frame)
        judged = self._area.contains(positions) & self._was_normal(positions - self.shift)
        positions, descriptors = positions[judged], descriptors[judged]
        return Scored(
            candidates=self._candidates(positions, self.novelty.score(descriptors), self.threshold),
            shift=self.shift,
            registration=Registration(
                drift_x_px=float(self.shift[0]),
                drift_y_px=float(self.shift[1]),
                gain=1.0,
                offset=0.0,
            ),
            watched=block_map(positions, self._shape),
        )

    def to_frame(self, positions: FloatArray) -> FloatArray:
        """Pixels (n, 2) in the latest frame of sample positions (n, 2)."""
        return np.asarray(positions + self.shift)

    def signal(self, positions: FloatArray, _window_frames: int | None = None) -> FloatArray:
        """NaN (n, 1): a segment says nothing about one place, so nothing heals."""
        return np.full((len(positions), 1), np.nan)

    def z_at(self, _positions: FloatArray, _window_frames: int) -> FloatArray | None:
        """Nothing: these schemes judge windows, not places."""
        return None

    def learn(self, defects: FloatArray) -> None:  # noqa: B027 - they do not learn on purpose
        """Keep the model; these schemes do not roll."""

    def watch(self, settings: Settings) -> None:
        """Judge another region of the frame."""
        self._settings = settings
        self._area = WatchedArea.from_settings(
            settings, self._shape, self.border_px, self._dwell_us
        )

    def restart(self, shift: FloatArray | None = None) -> None:
        """Go on after an interruption, from the drift `shift` or where it was."""
        if self._registration:
            self._registration.restart(shift)

    def sensitivity(self) -> Mapping[str, int | None]:
        """Nothing is known of what the descriptors of single kinds would be."""
        return {}

    def slip(self, frames: int) -> FloatArray | None:
        """None: windows of an image know nothing of single sites."""
        del frames
        return None

    def miss(self, frames: int) -> None:
        """Note frames that were not seen: the specimen went on drifting meanwhile."""
        if self._registration:
            self._registration.miss(frames)

    def _find_lattice(self, frames: Sequence[FloatArray]) -> Lattice | None:
        try:
            return find_lattice(frames)
        except LatticeNotFoundError:
            return None

    def _locate(self, frame: FloatArray) -> FloatArray:
        """(x, y) drift, from the Bragg phases or, without a lattice, by correlation."""
        if self._registration:
            return self._registration.step(frame).shift
        windowed = frame * hann_window(self._shape)
        move, error, _ = phase_cross_correlation(windowed, self._reference, upsample_factor=10)
        return np.asarray(move[::-1], float) if error < CORRELATION_ERROR else self.shift

    def _shifts(self, frames: Sequence[FloatArray]) -> FloatArray:
        if self._registration:
            return self._registration.shifts
        return np.stack([self._locate(frame) for frame in frames])

    def _fit(self, described: Sequence[tuple[FloatArray, FloatArray]]) -> None:
        """Train on the first frames, take the threshold from the others."""
        self.phases = classify(described[-1][1], seed=self._settings.random_seed)
        inside = [self._inside_a_phase(*entry) for entry in described]
        normal = [entry[1][mask] for entry, mask in zip(described, inside, strict=True)]
        cut = max(1, round(TRAINING_SHARE * len(described)))
        training = np.concatenate(normal[:cut])
        self.novelty: NoveltyModel = fit_novelty(
            training,
            components=COMPONENTS,
            nu=self._settings.nu,
            seed=self._settings.random_seed,
        )
        held_out = np.concatenate(normal[cut:] or normal)
        self._tail: Tail = fit_tail(self.novelty.score(held_out))
        self.sites = len(described[-1][0])

    def _inside_a_phase(self, positions: FloatArray, descriptors: FloatArray) -> BoolArray:
        """(n,) True for segments to learn from: with two domains in view, not their boundary."""
        if self.phases.max() == 0:
            return np.ones(len(positions), bool)
        labels = classify(descriptors, seed=self._settings.random_seed)
        return interior(labels, positions, self.merge_radius_px)

    def _at_start(self, described: Sequence[tuple[FloatArray, FloatArray]]) -> list[Candidate]:
        positions, _ = described[-1]
        inside = self._inside_a_phase(*described[-1])
        usual = bulk_tail(self.novelty.score(described[-1][1][inside]))
        threshold = usual.score_at(AT_START_FALSE / max(len(positions), 1))
        judged = self._area.contains(positions)
        latest = self.novelty.score(described[-1][1])
        self._unusual = positions[judged & (latest > threshold)] - self.shift
        return self._candidates(positions[judged], latest[judged], threshold)

    def _was_normal(self, positions: FloatArray) -> BoolArray:
        """(n,) False beside what the first frames held already: it must not be told again."""
        if not len(self._unusual):
            return np.ones(len(positions), bool)
        return np.asarray(cdist(positions, self._unusual).min(axis=1) > self.merge_radius_px)

    def _candidates(
        self, positions: FloatArray, scores: FloatArray, threshold: float
    ) -> list[Candidate]:
        above = scores > threshold
        positions, scores = positions[above], scores[above]
        return [
            Candidate(
                position=self._centroid(positions, scores - threshold, index) - self.shift,
                score=float(scores[index]),
                p_value=self._tail.probability(float(scores[index])),
                window_frames=1,
                sublattice=0,
                kind="unknown",
                confidence=0.0,
            )
            for index in suppress_non_maxima(positions, scores, self.merge_radius_px)
        ]

    def _centroid(self, positions: FloatArray, excess: FloatArray, index: int) -> FloatArray:
        """Where the segments around the best one agree: all that overlap a defect fire.

        Mean shift from the best segment, which may lie at the rim of those that fire.
        """
        centre = positions[index]
        for _ in range(MEAN_SHIFT_STEPS):
            near = np.hypot(*(positions - centre).T) < self.merge_radius_px
            centre = excess[near] @ positions[near] / excess[near].sum()
        return np.asarray(centre)

    phases: IntArray
    """(n,) phase of every segment of the last warm-up frame, 0 the largest."""
    merge_radius_px: float
    border_px: float
    sites: int


def patterson(segments: FloatArray, lag_px: int) -> FloatArray:
    """Patterson function of segments: their autocorrelation, invariant under translation.

    Parameters
    ----------
    segments : (n, s, s) float32, tapered, zero mean.
    lag_px : lags beyond this are cropped: strain spoils them first.

    Returns
    -------
    (n, d) unique half of the autocorrelation without its origin, where the noise piles
    up, in units of the segment's mean energy.
    """
    size = segments.shape[-1]
    lag = min(lag_px, size - 1)
    # so far apart do the segment and its repetitions lie that none reaches another at these lags
    apart = (fft.next_fast_len(size + lag, real=True),) * 2
    spectrum = fft.rfft2(segments, s=apart)
    correlation = fft.irfft2(spectrum.real**2 + spectrum.imag**2, s=apart)
    rows = np.concatenate([np.arange(-lag, 0), np.arange(lag + 1)])
    half = correlation[:, rows][:, :, : lag + 1]
    y, x = np.meshgrid(rows, np.arange(lag + 1), indexing="ij")
    unique = (x > 0) | (y > 0)
    unique &= np.hypot(x, y) >= 2
    return np.asarray(half[:, unique] / max(float(correlation[:, 0, 0].mean()), 1e-12))
