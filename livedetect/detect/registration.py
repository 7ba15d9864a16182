"""Where each frame lies on the specimen.

*Sample coordinates* are the pixels of the first frame of the segment, straightened: a
feature at sample position x appears in a frame of drift d at ``x + u + d``, u being the
static warp (`warp.Warp`). The drift comes from the phases of the Bragg reflections and
is therefore known up to a lattice vector only; a velocity prediction picks the branch.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from livedetect.detect.arrays import FloatArray
from livedetect.detect.lattice import Lattice
from livedetect.detect.left_out import Remaining
from livedetect.detect.swing import Swing

VELOCITY_MEMORY = 0.7
ACCELERATION = 0.1
"""Lattice constants per frame by which the velocity is seen to change at most."""
AGREEMENT = 0.8
"""Of the phases with a shift; a place of the cell that only looks alike has less."""
BETTER = 0.1
SEARCH_STEPS = 24
"""Places along each lattice vector; the fit does the rest."""
LEAST_SHARE = 0.05
"""Of a reflection, below which what remains of the crystal cannot be registered by itself."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Displacement of one frame."""

    shift: FloatArray
    """(x, y), px."""
    amplitude: FloatArray
    """(n,) magnitude of each Bragg reflection."""
    innovation_px: float
    """Distance between prediction and measurement, px."""
    before: tuple[FloatArray, FloatArray]
    """Shift and velocity before this frame, for `BraggRegistration.undo`."""
    swing: FloatArray
    """(x, y) by which the drift at the last row exceeds that at the first, against the frames
    it was learnt from, px; 0 where that does not stand out."""


class BraggRegistration:
    """Tracks the drift of a crystal from frame to frame."""

    def __init__(self, lattice: Lattice, frames: Sequence[FloatArray]) -> None:
        self._lattice = lattice
        self._vectors = lattice.wavevectors
        height, width = frames[0].shape
        phase_x = np.outer(np.arange(width) - width / 2, self._vectors[:, 0])
        phase_y = np.outer(np.arange(height) - height / 2, self._vectors[:, 1])
        wave_x = np.exp(-2j * np.pi * phase_x) * np.hanning(width)[:, None]
        self._wave_x = np.concatenate([wave_x.real, wave_x.imag], axis=1).astype(np.float32)
        wave_y = np.exp(-2j * np.pi * phase_y) * np.hanning(height)[:, None]
        self._wave_y = wave_y.astype(np.complex64)
        self._swing = Swing(np.hanning(height), self._vectors)
        terms = [self._row_terms(frame) for frame in frames]
        amplitudes = [entry.sum(axis=0) for entry in terms]
        root = np.mean(np.abs(amplitudes), axis=0)
        self._solution = np.linalg.pinv(self._vectors * root[:, None]) * root
        self._reference = amplitudes[0]
        shifts = self._follow(amplitudes)
        turned = [
            a * np.exp(2j * np.pi * (self._vectors @ shift))
            for a, shift in zip(amplitudes, shifts, strict=True)
        ]
        self._reference = np.mean(turned, axis=0)
        self.shifts = self._follow(amplitudes)
        """(frames, 2) drift of the frames used for fitting, px."""
        self._swing.learn(terms, amplitudes, root)
        self.reset_velocity()

    @property
    def predicted(self) -> FloatArray:
        """(x, y) drift at which the next frame is expected, px."""
        return np.asarray(self.shift + (1 + self._missed) * self._velocity)

    def step(self, frame: FloatArray, remaining: Remaining | None = None) -> Drift:
        """Register the next frame, float32 (H, W), by what is `remaining` of the crystal."""
        terms = self._row_terms(frame)
        if remaining is not None and np.abs(remaining.share).min() <= LEAST_SHARE:
            return self._locate(terms.sum(axis=0))  # what is gone pulls, and looks like a swing
        if remaining is not None:
            for down, along in remaining.boxes:
                part = frame[down, along]  # its mean stays: a step would be seen everywhere
                terms[down] -= self._row_terms(part - part.mean(), down, along)
            terms /= remaining.share
        amplitude = terms.sum(axis=0)
        drift, swing = self._locate(amplitude), self._swing.step(terms, amplitude, remaining)
        if remaining is not None:  # the phases tell the drift at the middle of the rows that remain
            self.shift = drift.shift - swing * remaining.middle
        return replace(drift, shift=self.shift, swing=swing)

    def undo(self, drift: Drift) -> None:
        """Take back the latest step, whose frame turned out not to show the crystal."""
        self.shift, self._velocity = drift.before

    def reset_velocity(self) -> None:
        """Forget how fast the specimen moved, as after a pause."""
        self._velocity = np.zeros(2)
        self._missed = 0

    def restart(self, shift: FloatArray | None) -> None:
        """Go on from the drift `shift` (x, y), or where it was, without a prediction."""
        if shift is not None:
            self.shift = np.asarray(shift, float)
        self.reset_velocity()

    def miss(self, frames: int) -> None:
        """Note frames that were not seen: the specimen went on drifting meanwhile."""
        self._missed += frames

    def by_rows(self, latest: FloatArray, rows: int) -> BraggRegistration:
        """A copy that sees the first `rows` of a frame only.

        Its reference are the same rows of `latest` (H, W), the frame last registered: the
        phases of a band differ from those of the whole by the scan's static warp, which both
        frames share.
        """
        view = copy.copy(self)
        height = len(self._wave_y)
        phase_y = np.outer(np.arange(height) - height / 2, self._vectors[:, 1])
        window = np.zeros(height)
        window[:rows] = np.hanning(rows)
        view._wave_y = (np.exp(-2j * np.pi * phase_y) * window[:, None]).astype(np.complex64)
        band = view._reflections(latest) * np.exp(2j * np.pi * (self._vectors @ self.shift))
        view._reference = band / max(self.strength_of(latest), 1e-6)
        view._swing = Swing(window, self._vectors)
        return view

    def power(self, frame: FloatArray) -> FloatArray:
        """(n,) squared amplitude of each reflection of a Hann-windowed frame (H, W)."""
        return np.abs(self._reflections(frame)) ** 2

    def strength_of(self, frame: FloatArray) -> float:
        """Bragg amplitude of a frame (H, W) relative to the fitted ones; nothing is followed."""
        scale = np.abs(self._reference)
        return float(np.abs(self._reflections(frame)) @ scale / (scale @ scale))

    def strength(self, drift: Drift) -> float:
        """Bragg amplitude relative to the fitted frames, dimensionless."""
        scale = np.abs(self._reference)
        return float(drift.amplitude @ scale / (scale @ scale))

    def _reflections(self, frame: FloatArray) -> FloatArray:
        """(n,) windowed Fourier coefficients; two matrix products instead of a full FFT."""
        return np.asarray(self._row_terms(frame).sum(axis=0))

    def _row_terms(
        self, part: FloatArray, down: slice = slice(None), along: slice = slice(None)
    ) -> FloatArray:
        """(h, n) what every row of a `part` of the frame, (h, w), adds to the reflections."""
        rows = part @ self._wave_x[along]
        count = len(self._vectors)
        return np.asarray((rows[:, :count] + 1j * rows[:, count:]) * self._wave_y[down])

    def _follow(self, amplitudes: Sequence[FloatArray]) -> FloatArray:
        self.shift = np.zeros(2)
        self.reset_velocity()
        return np.array([self._locate(amplitude).shift for amplitude in amplitudes])

    def _locate(self, amplitude: FloatArray) -> Drift:
        """Weighted least squares over the reflections, on the branch nearest the prediction."""
        steps, predicted = 1 + self._missed, self.predicted
        shift = self._fitted(amplitude, predicted)
        agreed = self._agreement(amplitude, shift[None])[0]
        if agreed < AGREEMENT:
            # far from the prediction the nearest minimum need not be the one that fits
            other = self._fitted(amplitude, self._best_in_cell(amplitude, predicted))
            better = self._agreement(amplitude, other[None])[0] > agreed + BETTER
            shift = other if better else shift
        before = (self.shift, self._velocity)
        innovation = float(np.hypot(*(shift - predicted)))
        # a stage that jumps is not a stage that moves
        limit = ACCELERATION * self._lattice.constant_px
        change = (shift - predicted) / steps * min(1.0, limit / max(innovation, 1e-12))
        self._missed = 0
        self._velocity = self._velocity + (1 - VELOCITY_MEMORY) * change
        self.shift = shift
        return Drift(shift, np.abs(amplitude), innovation, before, np.zeros(2))

    def _fitted(self, amplitude: FloatArray, start: FloatArray) -> FloatArray:
        """(2,) shift from the phases, each taken to the branch nearest `start` (2,)."""
        turn = np.angle(amplitude * np.conj(self._reference)) / (2 * np.pi)
        shift = start
        for _ in range(2):
            residual = -(turn + self._vectors @ shift)
            residual -= np.round(residual)
            shift = shift + self._solution @ residual
        return np.asarray(shift)

    def _agreement(self, amplitude: FloatArray, shifts: FloatArray) -> FloatArray:
        """(n,) how well the phases fit each of `shifts` (n, 2); 1: all of them do."""
        product = amplitude * np.conj(self._reference)
        turned = np.exp(2j * np.pi * (shifts @ self._vectors.T)) @ product
        return np.asarray(turned.real / max(float(np.abs(product).sum()), 1e-12))

    def _best_in_cell(self, amplitude: FloatArray, start: FloatArray) -> FloatArray:
        """(2,) the shift of best agreement, of all equivalent ones that nearest `start` (2,)."""
        basis = self._lattice.basis_px
        parts = np.arange(SEARCH_STEPS) / SEARCH_STEPS
        places = np.stack(np.meshgrid(parts, parts), axis=-1).reshape(-1, 2) @ basis
        best = places[self._agreement(amplitude, start + places).argmax()]
        around = np.stack(np.meshgrid((-1, 0, 1), (-1, 0, 1)), axis=-1).reshape(-1, 2) @ basis
        equivalent = best + around
        return np.asarray(start + equivalent[np.hypot(*equivalent.T).argmin()])
