"""What every place of the lattice grid normally looks like, and how much it scatters.

The baseline is a plain mean of the residual in raw units: static site-to-site variance
of real specimens is many times the noise, so every site is compared with itself. It
keeps following with bounded influence: each innovation is clipped, so that a defect is
absorbed slowly and a wrong level always recovers. Scoring (`windows`) and learning
(`learn`) are different verbs; score first.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray, on_cache_lines
from livedetect.detect.common_noise import CLIPPED_Z2_MEAN, CommonNoise
from livedetect.detect.grid import Grid
from livedetect.detect.held_out import HeldOut, some_of
from livedetect.detect.independence import excess_variance, frame_correlations
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.maps import (
    WINDOWS,
    Ground,
    Recent,
    Standardised,
    WarmUp,
    notable_in,
    window_bits,
)
from livedetect.detect.noise import (
    gradient2,
    moved_with_edge,
    trimmed_over_cells,
    variance_of_steps,
)
from livedetect.detect.time_window import Window

NOISE_CELLS = 3000
"""Cells that tell the noise of the places within: it does not depend on the frame's size."""
SPARSE = 7
"""Every so many samples along each axis are enough for a median."""
USUAL_FRAMES = 8
RATE = 0.06
INNOVATION_LIMIT = 2.0
"""Noise standard deviations by which one frame may pull the baseline."""
NEW_SITE_FRAMES = 12
"""Frames a newly entered place must have of its own before it is judged."""
VARIANCE_FRAMES = 2
"""Every so many frames the noise is followed, by that of the latest."""
VARIANCE_RATE = 0.12
VARIANCE_CELLS = 4.0
"""Of 8, noise that grows with a local contamination was stated too low in its middle."""
SYSTEMATIC_FRAMES = 4
"""The levels that the systematic noise follows from change slowly: a part of it each frame."""
PHASE_FRAMES = 8
"""Every so many frames the noise of the places within the cell is looked at."""
PHASE_RATE = 0.15
MIN_PHASE_CELLS = 20
PHASE_LIMITS = (0.25, 8.0)
"""What the noise of a place in the cell may change by, apart from what all of them do. A systematic
part that is stated too large would otherwise be made up for by noise that goes to nothing."""
LEAST_SCALE = 0.2


class Baseline:
    """Level and noise of every sample of the grid."""

    DERIVED = ("_now",)

    def __init__(
        self, grid: Grid, values: FloatArray, covered: BoolArray, kernels: str = COMPILED
    ) -> None:
        """Learn from the warm-up frames.

        Parameters
        ----------
        values : (K, P, Q) residuals.
        covered : (K, P, Q) where they hold data.
        kernels : form of the arithmetic, see `livedetect.detect.kernels`.
        """
        self._grid = grid
        self._kernels = kernels
        self._warm_up = (values, covered)
        self.correlations = frame_correlations(values, covered)
        """(lags,) of the noise of frames 0, 1, 2, ... apart."""
        frames = covered.sum(axis=0).astype(np.float32)
        level = (values.sum(axis=0) / np.maximum(frames, 1)).astype(np.float32)
        base = on_cache_lines((3, *level.shape))
        base[:2] = level, frames
        self._ground = Ground(
            base=base,
            scale=np.ones(grid.cells, np.float32),
            phase=np.ones(grid.samples, np.float32),
            inflation=np.ones(len(WINDOWS), np.float32),
            known_frames=NEW_SITE_FRAMES,
        )
        self._variance_now: FloatArray | None = None
        self._fit_noise(values, covered)
        self._scale = np.ones(grid.cells)
        self._standardise()
        self._first_phase = self._ground.phase.copy()
        self._recent = Recent.empty(grid.shape)
        self.common_noise = CommonNoise(max(WINDOWS))
        self._learnt = 0
        self._first: FloatArray | None = None  # (2, P, Q) level and where it is known
        self._usual: tuple[float, float] | None = None
        kept = frames >= len(values) - 1
        self.frames[:] = np.where(kept, np.maximum(frames, NEW_SITE_FRAMES), 0)
        self.level[:] = np.where(kept, level, 0)
        self.restore_derived()

    def restore_derived(self) -> None:
        """Make room for the time windows, after a state has been restored."""
        self._now = Standardised.empty(self._grid.shape, self._grid.cells)

    @property
    def level(self) -> FloatArray:
        """(P, Q) lasting difference from the template; a view."""
        return np.asarray(self._ground.base[0])

    @property
    def frames(self) -> FloatArray:
        """(P, Q) frames that the level rests on; a view."""
        return np.asarray(self._ground.base[1])

    @property
    def _systematic(self) -> FloatArray:
        return np.asarray(self._ground.base[2])

    @property
    def known(self) -> BoolArray:
        """(P, Q) True where the level rests on enough frames to judge by."""
        return np.asarray(self.frames >= NEW_SITE_FRAMES)

    @property
    def levels(self) -> tuple[FloatArray, BoolArray]:
        """`level` and where it is `known`."""
        return self.level, self.known

    @property
    def history(self) -> IntArray:
        """(P, Q) uint8, a bit for each frame in which there were data, the latest lowest."""
        return self._recent.history

    @property
    def notable(self) -> IntArray:
        """(P, Q) uint8, a bit for each time window: where the latest frame's |z| is notable."""
        return self._now.notable

    @property
    def z(self) -> FloatArray:
        """(w, P, Q) standardised residuals of the latest frame in all time windows."""
        return self._now.z[: len(self.lengths)]

    @property
    def lengths(self) -> IntArray:
        """(w,) frames of the time windows there are by now."""
        return np.array([length for length in WINDOWS if length <= self._recent.frames])

    @property
    def outlier_share(self) -> float:
        """Share of the latest frame's samples beyond 3 sigma, frozen ones left out."""
        judged, beyond = self._now.counts
        return float(beyond) / float(judged) if judged else 0.0

    @property
    def usual_noise(self) -> tuple[float, float]:
        """Variance relative to the warm-up, and frames that the level of a sample rests on.

        Both change slowly and are looked up anew every few frames.
        """
        if self._usual is None or self._learnt % USUAL_FRAMES == 0:
            self._usual = self._usual_noise()
        return self._usual

    def _usual_noise(self) -> tuple[float, float]:
        some = self.frames[::SPARSE, ::SPARSE]
        known = some[some >= NEW_SITE_FRAMES]
        frames = float(np.median(known)) if len(known) else float(NEW_SITE_FRAMES)
        return float(np.median(self._scale)), frames

    def held_out(self, places: IntArray | None = None) -> HeldOut:
        """The warm-up frames judged by each other, at flat indices `places` (h, w) or all."""
        values, covered = self._warm_up
        warm_up = WarmUp(
            values=values, covered=covered, variance=self.variance(), systematic=self._systematic
        )
        if places is not None:
            warm_up = some_of(warm_up, places)
        return HeldOut(warm_up, self._ground.inflation, self.correlations, self._kernels)

    def restore(self, level: FloatArray, where: BoolArray) -> None:
        """Set the level (P, Q) `where` warm-up frames held a newborn defect."""
        self.level[:] = np.where(where & self.known, level, self.level)
        if self._first is not None:
            self._first[0] = np.where(where, level, self._first[0])

    def forget(self, where: BoolArray) -> None:
        """Start anew `where` (P, Q) the samples were somewhere else before."""
        if where.any():
            self._ground.base[:2, where] = 0
            self._recent.history[where] = 0

    def recall(self, where: BoolArray, trusted: BoolArray) -> None:
        """Take back what was followed `where` (P, Q) the samples had left their places.

        The level is that of the warm-up again; what was not seen then, or is not to be
        `trusted` (P, Q), is learnt anew.
        """
        if self._first is None:
            self.forget(where)
            return
        level, known = self._first
        seen = where & trusted & (known > 0)
        self.level[seen] = level[seen]
        self._recent.history[seen] = 0
        self.forget(where & ~seen)
        self._first = None

    def windows(self, values: FloatArray, covered: BoolArray, frozen: BoolArray) -> list[Window]:
        """Take in a residual (P, Q) and give every time window that ends with it.

        They are overwritten by the next call. Samples that are `frozen` (P, Q) do not count as
        outliers, nor for the noise of a frame.
        """
        self._recent.advance()
        form(self._kernels).windows(values, covered, self._recent, self._ground, frozen, self._now)
        self._allow_for_common_noise(~self._grid.whole_cells(frozen))
        return [
            Window(frames=length, z=z, cover=self._now.unbroken, least=window_bits(length))
            for length, z in zip(WINDOWS, self._now.z, strict=True)
            if length <= self._recent.frames
        ]

    def _allow_for_common_noise(self, telling: BoolArray) -> None:
        """Judge frames that are noisier in all `telling` cells than expected by their own noise."""
        now = self._now  # whose other cells say nothing of the noise that is followed either
        now.cells *= telling
        self.common_noise.take_in(now.cells, int(np.prod(self._grid.samples)))
        excess = np.array([self.common_noise.excess(int(length)) for length in WINDOWS], np.float32)
        if excess.max() > 1.0:
            now.z /= excess[:, None, None]
            now.notable[...] = notable_in(now.z)

    def lately(self, frames: int) -> tuple[FloatArray, BoolArray, float]:
        """Mean residual (P, Q) of the last frames, levels not taken out; where it is one; noise.

        The last is the variance of such a mean, averaged over the map.
        """
        count = len(self._recent.past)
        latest = [(self._recent.newest - back) % count for back in range(frames)]
        bits = window_bits(frames)
        mean, noise = self._recent.past[latest].mean(axis=0), float(self.variance().mean()) / frames
        return mean, self.history & bits == bits, noise

    def change(self) -> FloatArray:
        """(P, Q) how the latest frame differs from the baseline, data units."""
        covered = (self._recent.history & 1) > 0
        values = self._recent.past[self._recent.newest]
        return np.asarray((values - self.level) * (covered & self.known))

    def learn(self, settled: BoolArray, frozen: BoolArray) -> None:
        """Follow the frame last given to `windows`.

        Parameters
        ----------
        settled : (n1, n2) where the background is known well enough to start new sites.
        frozen : (P, Q) where the level must stay, under confirmed defects.
        """
        kernels = form(self._kernels)
        self._learnt += 1
        if self._learnt % VARIANCE_FRAMES == 0:
            self._follow_variance(~self._grid.whole_cells(frozen))
        if self._learnt % PHASE_FRAMES == 0:
            self._follow_phases(frozen)
        kernels.follow(self._recent, self._ground, settled, frozen, (RATE, INNOVATION_LIMIT))
        if self._recent.is_full:
            kernels.systematic(self._ground, self._coefficients, self._next_rows())

    def _next_rows(self) -> slice:
        """Of the grid, whose systematic noise is worked out this time."""
        rows, turn = self._grid.shape[0], self._learnt % SYSTEMATIC_FRAMES
        return slice(turn * rows // SYSTEMATIC_FRAMES, (turn + 1) * rows // SYSTEMATIC_FRAMES)

    def forget_recent(self) -> None:
        """No time window reaches back beyond now."""
        self._recent = Recent.empty(self._grid.shape)
        self.common_noise = CommonNoise(max(WINDOWS))
        self.restore_derived()

    def move(self, grid: Grid, cells: tuple[int, int]) -> None:
        """Follow a grid that has moved by whole cells."""
        self._grid = grid
        for maps in (self._ground.base, self._recent.past):
            for index, entry in enumerate(maps):
                maps[index] = grid.shifted(entry, cells)
        self._recent.history = grid.shifted(self._recent.history, cells)
        if self._first is not None:
            self._first = np.stack([grid.shifted(entry, cells) for entry in self._first])
        self._scale = moved_with_edge(self._scale, cells)
        self._rescale()
        self.restore_derived()

    def end_warm_up(self, *, keep_level: bool = False) -> None:
        """Release the warm-up frames once everything has been calibrated on them.

        With `keep_level` what they gave can be gone back to, see `recall`.
        """
        if keep_level:
            self._first = np.stack([self.level, self.known.astype(np.float32)])
        empty = np.zeros((0, *self._grid.shape), np.float32)
        self._warm_up = (empty, empty.astype(bool))

    def _fit_noise(self, values: FloatArray, covered: BoolArray) -> None:
        """Variance by place in the cell, robust over cells, plus what registration adds."""
        full = self.frames >= max(3, len(values) - 2)
        terms = np.stack([self.level**2, gradient2(self.level, full)])
        grid, places = self._grid.thinned(NOISE_CELLS)
        values, covered = (e.reshape(len(e), -1).take(places, axis=1) for e in (values, covered))
        level, frames, full = (entry.ravel()[places] for entry in (self.level, self.frames, full))
        square = ((values - level) ** 2 * covered).sum(axis=0)
        self._ground.phase = trimmed_over_cells(grid, square / np.maximum(frames - 1, 1), full)
        typical = grid.tiled(self._ground.phase)
        if not full.any():
            self._coefficients = np.zeros(2)
            return
        steady = variance_of_steps(values, covered)
        usual = grid.tiled(trimmed_over_cells(grid, steady, full))
        sampled = full & (
            np.arange(full.size).reshape(full.shape) % max(1, full.size // 60000) == 0
        )
        design = (terms.reshape(2, -1)[:, places[sampled]] / typical[sampled]).T.astype(float)
        excess = (steady / usual - 1)[sampled].astype(float)
        self._coefficients, _ = optimize.nnls(design, excess)
        of_level, of_slope = self._coefficients.astype(np.float32)
        self._systematic[:] = of_level * terms[0] + of_slope * terms[1]

    def _standardise(self) -> None:
        """Rescale the noise so that held-out frames have unit variance in every window."""
        squares: dict[int, list[float]] = {}
        for window in self.held_out(self._grid.thinned(NOISE_CELLS)[1]).windows():
            if window.valid.any():
                mean = float(np.minimum(window.z[window.valid] ** 2, 9).mean()) / CLIPPED_Z2_MEAN
                squares.setdefault(window.frames, []).append(mean)
        if 1 not in squares:
            return
        rms = {length: float(np.sqrt(np.mean(means))) for length, means in squares.items()}
        factor = max(1.0, rms[1]) ** 2
        self._ground.phase = (self._ground.phase * factor).astype(np.float32)
        self._variance_now = None
        self._systematic[:] *= factor
        self._coefficients = self._coefficients * factor
        longest = max(rms)
        for row, length in enumerate(WINDOWS):
            calibrated = min((known for known in rms if known >= length), default=longest)
            inflation = max(1.0, rms[calibrated] / max(1.0, rms[1]))
            self._ground.inflation[row] = inflation * self._beyond(calibrated, length)

    def _beyond(self, calibrated: int, length: int) -> float:
        """What averaged frames add to windows longer than those that could be calibrated."""
        excess = [
            excess_variance(self.correlations, n) for n in (calibrated, max(calibrated, length))
        ]
        return float(np.sqrt(excess[1] / excess[0]))

    def variance(self) -> FloatArray:
        """(P, Q) noise variance of one frame; kept until the scale changes."""
        if self._variance_now is None:
            self._variance_now = self._ground.variance()
        return self._variance_now

    def _rescale(self) -> None:
        self._ground.scale = self._scale.astype(np.float32)
        self._variance_now = None

    def _follow_variance(self, telling: BoolArray) -> None:
        """Broad mean of clipped z² in `telling` (n1, n2); no local feedback that runs away."""
        smooth = form(self._kernels).smooth_cells
        weight, square = self._now.cells * telling / np.prod(self._grid.samples)
        mass, mean = (smooth(entry, VARIANCE_CELLS) for entry in (weight, square))
        # a cell that is not judged yet is as noisy as those around it that are
        around = smooth((weight * self._scale).astype(np.float32), VARIANCE_CELLS)
        own = np.where(weight > 0, self._scale, around / np.maximum(mass, 1e-3))
        ratio = own * mean / np.maximum(mass, 1e-3) / CLIPPED_Z2_MEAN
        ratio = np.where(mass > 0.02, ratio, self._scale)
        rate = max(VARIANCE_RATE, VARIANCE_FRAMES / (self._learnt + 10))
        self._scale = np.maximum((1 - rate) * self._scale + rate * ratio, LEAST_SCALE)
        self._rescale()

    def _follow_phases(self, frozen: BoolArray) -> None:
        """A growing background adds more noise to the hollows of the cell than to its columns."""
        count, square = form(self._kernels).by_place(self._now, frozen, self._ground.phase)
        mean = square / np.maximum(count, 1)
        usual = mean[count > 0].mean() if count.any() else 0.0
        if count.min() < MIN_PHASE_CELLS or usual <= 0:
            return
        wanted = self._ground.phase / self._first_phase * (1 + PHASE_RATE * (mean / usual - 1))
        ratio = np.clip(wanted / wanted.mean(), *PHASE_LIMITS)
        self._ground.phase = (self._first_phase * ratio).astype(np.float32)
        self._variance_now = None
