"""From a frame to its residual: what differs from the crystal, in units of the template.

`FrontEnd` learns lattice, warp and template from the first frames; `FrontEnd.step`
registers a frame, undoes its row jitter, samples it on the lattice grid behind a
probe-matched Gaussian and subtracts gain x template + offset + background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.background import Background
from livedetect.detect.columns import Columns, find_columns
from livedetect.detect.gain_offset import GainOffset
from livedetect.detect.grid import SAMPLE_SPACING_PX, Grid, shifted
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.maps import Expected, FilterScratch
from livedetect.detect.lattice import Lattice, find_lattice
from livedetect.detect.left_out import Box, block_centres, boxes_around, what_remains
from livedetect.detect.noise import moved_with_edge
from livedetect.detect.registration import BraggRegistration, Drift
from livedetect.detect.row_jitter import PixelTemplate, RowJitter
from livedetect.detect.warp import WARP_STEP_PX, Warp
from livedetect.types import Registration

PROBE_SIGMA = 0.145
"""Matched Gaussian, in units of the column scale (the lattice constant of a simple cell)."""
FIRST_SIGMA_PX = 1.2
"""Smoothing before the columns are known."""
FILTERED_SPACING = 1.15
"""Samples behind the matched filter, in units of its sigma."""
EDGE_PX = 8.0
"""Samples closer to the frame's edge are not covered."""
TABLE_SIZE = 32  # entries of the look-up table along each axis of the cell
FEW_FRAMES = 4
FEW_CELLS = 4000
"""The mean of so many cells, or of four frames, is sharp enough to find the row jitter."""
TEMPLATE_FRAMES = 4
TEMPLATE_CELLS = 14_000
"""More than in so many cells, and frames, the template gains nothing: what it is wrong by is
the same in all frames and goes with the level of each site."""
WARP_TEST_FRAMES = 4
WARP_MARGIN_CELLS = 2.0
"""Nearer to the edges the displacement is a guess: it was smoothed over 1.6 cells."""
SLIP_CELLS = 0.4  # a jump farther than this may be one to another lattice point
REPLACED_PX = 0.15
"""A baseline means little once its samples turn out to lie this far from their places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """A frame on the lattice grid."""

    values: FloatArray
    """(P, Q) frame minus crystal and background, in the units of the warm-up frames."""
    covered: BoolArray
    """(P, Q) True where the frame has data."""
    shift: FloatArray
    """(x, y) drift, px."""
    innovation_px: float
    """Distance between predicted and measured drift, px."""
    gain: float
    """Contrast relative to the warm-up frames."""
    offset: float
    """Mean level relative to the warm-up frames, data units."""
    jitter_rms_px: float
    """Running rms of the row displacement, px."""
    moved_cells: tuple[int, int]
    """Cells by which every map on the grid had to move before this frame."""
    background: FloatArray
    """(n1, n2) what was subtracted of every cell, in the units of `values`."""

    def slip_px(self, cell_px: float) -> float:
        """Jump after which a lattice slip cannot be excluded, px; 0 if none."""
        return self.innovation_px if self.innovation_px > SLIP_CELLS * cell_px else 0.0

    @property
    def registration(self) -> Registration:
        """As it is reported."""
        return Registration(
            drift_x_px=float(self.shift[0]),
            drift_y_px=float(self.shift[1]),
            gain=self.gain,
            offset=self.offset,
            row_jitter_rms_px=self.jitter_rms_px,
        )


class FrontEnd:
    """Everything between raw frame and residual."""

    DERIVED = ("_scratch",)

    columns: Columns
    _jitter: RowJitter | None

    def __init__(
        self,
        frames: Sequence[FloatArray],
        kernels: str = COMPILED,
        lattice: Lattice | None = None,
    ) -> None:
        """Learn from `frames`, float32 (H, W), whose `lattice` may be known already.

        Raises `LatticeNotFoundError`.
        """
        self._begin(frames, kernels, lattice or find_lattice(frames))
        shifts = self.registration.shifts
        few, few_shifts = frames[: self._few], shifts[: self._few]
        self._sigma = PROBE_SIGMA * self.columns.scale_px
        for _ in range(2):  # the second pass knows the row jitter
            self.template = self._mean_cell(few, few_shifts)
            self._jitter = RowJitter(self.pixel_template(), self.warp, self.shape, kernels)
        used = slice(None, None, self._stride(len(frames)))
        self.template = self._mean_cell(frames[used], shifts[used])
        self.replaced: BoolArray | None = None
        """(P, Q) samples that the latest step moved to another place of the specimen, if any."""
        self.well_placed = np.zeros(self.grid.shape, bool)
        """(P, Q) where the displacement is known well; set together with `replaced`."""
        self.other_phases = np.zeros(self.grid.cells, bool)
        """(n1, n2) cells unlike the template from the start: what their levels have in common
        with it is their own, and changes as the view moves over them."""
        self._first_levels: FloatArray | None = None  # (2, P, Q) float32, and where they are known
        self.registration.restart(np.zeros(2))

    def look_ahead(self, frames: Sequence[FloatArray], shifts: FloatArray) -> None:
        """See in a few frames (H, W) how the levels of the sites differ, before the first counts.

        `shifts` (frames, 2) are their drifts. Without it the background takes the levels in bit
        by bit, and a boundary of two grains creeps. Until `end_look_ahead` the background is
        measured against what was seen.
        """
        nothing = np.zeros(self.grid.shape, np.float32)
        total, count = nothing.copy(), nothing.copy()
        for frame, shift in zip(frames, shifts, strict=True):
            self.registration.restart(shift)  # several frames on: too far for a prediction
            residual = self._measured(frame, self.locate(frame), nothing, nothing.astype(bool))
            total, count = (self.grid.shifted(e, residual.moved_cells) for e in (total, count))
            subtracted = self._background_at(residual.background, residual.covered)
            total += residual.values + subtracted
            count += residual.covered
        smooth = self._background_at(self.background.begin(residual.background), count > 0)
        self._first_levels = np.stack(
            [total / np.maximum(count, 1) - smooth, count > 0], dtype=np.float32
        )
        self.registration.restart(np.zeros(2))

    def _background_at(self, cells: FloatArray, covered: BoolArray) -> FloatArray:
        """(P, Q) what is subtracted of the samples for a background per cell (n1, n2)."""
        subtracted = np.zeros(self.grid.shape, np.float32)
        form(self._kernels).subtract_cells(subtracted, covered, -cells)
        return subtracted

    def end_look_ahead(self) -> None:
        """From now on the levels are given with every frame."""
        self._first_levels = None

    @classmethod
    def columns_of(cls, frames: Sequence[FloatArray], lattice: Lattice) -> Columns:
        """The columns in a few frames, (H, W) float32, and nothing else."""
        front = cls.__new__(cls)
        front._begin(frames, COMPILED, lattice)
        return front.columns

    def _begin(self, frames: Sequence[FloatArray], kernels: str, lattice: Lattice) -> None:
        """Where the samples lie, and the columns between them."""
        self._kernels = kernels
        self.shape = frames[0].shape
        self.restore_derived()
        self.lattice = lattice
        self.registration = BraggRegistration(lattice, frames)
        shifts = self.registration.shifts
        self.warp = Warp.from_frames(frames, shifts, lattice, kernels)
        self.grid = Grid.covering(lattice, self.shape)
        self.ignored_cells = np.zeros(self.grid.cells, bool)
        """(n1, n2) regions that are no longer this crystal: they pull at nothing."""
        elsewhere = self.warp.is_elsewhere(self.grid.cell_centres())
        self._other_lattice = elsewhere.reshape(self.grid.cells)
        """(n1, n2) cells in which the lattice did not show: they say nothing of the rows."""
        self._centre = np.array([self.shape[1] / 2, self.shape[0] / 2])
        self._sigma = FIRST_SIGMA_PX
        self._jitter = None
        self._steps = 0
        self._gain_offset = GainOffset(kernels)
        self._place_samples(np.zeros(2))
        self.template = self._mean_cell(frames[: self._few], shifts[: self._few])
        self.columns = find_columns(self.pixel_template().value, lattice)
        # the matched filter leaves nothing that samples so far apart would not show
        spacing = max(SAMPLE_SPACING_PX, FILTERED_SPACING * PROBE_SIGMA * self.columns.scale_px)
        self.grid = Grid.covering(lattice, self.shape, spacing_px=spacing)
        self.background = Background(self.grid.cells, kernels=kernels)
        self._place_samples(np.zeros(2))

    @property
    def _few(self) -> int:
        """Frames of a rough template."""
        return min(FEW_FRAMES, self._frames_with(FEW_CELLS))

    def _frames_with(self, cells: int) -> int:
        """Frames that show so many unit cells."""
        area = abs(float(np.linalg.det(self.lattice.basis_px)))
        return int(np.ceil(cells * area / (self.shape[0] * self.shape[1])))

    def _stride(self, frames: int) -> int:
        """Every so many of the frames make the template."""
        wanted = max(TEMPLATE_FRAMES, self._frames_with(TEMPLATE_CELLS))
        return max(1, frames // wanted)

    def restore_derived(self) -> None:
        """Make room for intermediate results, after a state has been restored."""
        self._scratch = FilterScratch.empty(self.shape)

    def locate(self, frame: FloatArray) -> Drift:
        """Register the next frame, (H, W) float32, before anything is done with it.

        By what is still this crystal: a phase of the same lattice would pull the drift along.
        """
        expected = self.registration.predicted
        boxes = self._boxes(self.ignored_cells, expected)
        if not boxes:
            return self.registration.step(frame)
        x, y = block_centres(self.shape)
        displacement = np.stack(self.warp.at(x - expected[0], y - expected[1], expected))
        remaining = what_remains(boxes, displacement, self.lattice.wavevectors, self.shape)
        return self.registration.step(frame, remaining)

    def step(
        self, frame: FloatArray, drift: Drift, baseline: FloatArray, known: BoolArray
    ) -> Residual:
        """Residual of the frame just located.

        Parameters
        ----------
        frame : (H, W) float32.
        drift : what `locate` said of it.
        baseline : (P, Q) lasting difference of each site from the template.
        known : (P, Q) True where `baseline` means something; both on the grid as it was
            after the previous step. Gain and offset are fitted to them, and they tell what of
            a cell's mean is its own and what is background.
        """
        self._settle_warp(frame, drift.shift)
        return self._measured(frame, drift, baseline, known)

    def _measured(
        self, frame: FloatArray, drift: Drift, baseline: FloatArray, known: BoolArray
    ) -> Residual:
        """As `step`, with the distortion as it is."""
        self.grid, moved = self.grid.follow(drift.shift)
        if moved != (0, 0):
            self._place_samples(drift.shift)
            self.background.move(moved)
            self.ignored_cells = shifted(self.ignored_cells, moved)
            self.other_phases = moved_with_edge(self.other_phases, moved)
            self._other_lattice = moved_with_edge(self._other_lattice, moved)
            baseline = self.grid.shifted(baseline, moved)
            known = self.grid.shifted(known, moved)
            if self._first_levels is not None:
                moved_levels = [self.grid.shifted(entry, moved) for entry in self._first_levels]
                self._first_levels = np.stack(moved_levels)
        strength = self.registration.strength(drift)
        values, covered = self._sample(frame, drift.shift, strength, drift.swing)
        kernels = form(self._kernels)
        ground = Expected(
            level=baseline,
            known=known,
            cells=self.background.expected,
            ignored=self.ignored_cells,
        )
        line = self._gain_offset.fit(values, covered, self.template, ground, self.other_phases)
        gain, offset = line[0] if line[0] > 1e-3 else max(strength, 1e-3), line[1]
        if self._first_levels is not None:
            level, seen = self._first_levels
            ground = replace(ground, level=level, known=seen > 0)
        cells = kernels.subtract_crystal(values, covered, self.template, (gain, offset), ground)
        background = self._background_of(*cells)
        kernels.subtract_cells(values, covered, background)
        return Residual(
            values=values,
            covered=covered,
            shift=drift.shift,
            innovation_px=drift.innovation_px,
            gain=gain,
            offset=offset,
            jitter_rms_px=self._jitter.rms_px if self._jitter else 0.0,
            moved_cells=moved,
            background=background,
        )

    @property
    def settled(self) -> BoolArray:
        """(n1, n2) True where the background of the territory is known well enough."""
        return self.background.settled

    def pixel_template(self) -> PixelTemplate:
        """The template without the matched filter, by Fourier interpolation and inversion."""
        m1, m2 = self.grid.samples
        n = max(TABLE_SIZE, 2 * max(m1, m2))
        h = fft.fftfreq(m1, 1 / m1).astype(int)
        k = fft.fftfreq(m2, 1 / m2).astype(int)
        b1, b2 = self.lattice.reciprocal
        frequency = h[:, None, None] * b1 + k[None, :, None] * b2
        transfer = np.exp(-2 * np.pi**2 * self._sigma**2 * (frequency**2).sum(axis=-1))
        spectrum = np.where(transfer > 0.05, fft.fft2(self.template) / transfer, 0)
        fine = np.zeros((n, n), complex)
        fine[np.ix_(h % n, k % n)] = spectrum * n * n / (m1 * m2)
        turns = fft.fftfreq(n, 1 / n)
        along_x = turns[:, None] * b1[0] + turns[None, :] * b2[0]
        value = fft.ifft2(fine).real
        slope = fft.ifft2(2j * np.pi * along_x * fine).real
        return PixelTemplate(
            (value - value.mean()).astype(np.float32),
            slope.astype(np.float32),
            self.lattice.reciprocal,
            self._centre,
        )

    def to_frame(self, positions: FloatArray, shift: FloatArray) -> FloatArray:
        """Frame pixels (n, 2) of sample positions (n, 2) in a frame of drift `shift`."""
        return self.warp.place(positions, shift)

    def _place_samples(self, shift: FloatArray) -> None:
        x, y = self.grid.positions()
        ux, uy = self.warp.at(x, y, shift)
        self._positions = np.stack([x + ux, y + uy]).astype(np.float32)
        self._placed_for = shift

    def _settle_warp(self, frame: FloatArray, shift: FloatArray) -> None:
        """While the specimen drifts, find out what the warp belongs to; then follow it."""
        self._steps += 1
        self.replaced = None
        if self._steps % WARP_TEST_FRAMES == 0 and self.warp.calls_for_a_look(shift):
            undecided = self.warp.undecided
            self.warp.settle(Warp.from_frames([frame], shift[None], self.lattice), shift)
            before = self._positions
            if self.warp.scan_fixed:
                self._place_samples(shift)
            if undecided and self.warp.scan_fixed:
                self.replaced = np.hypot(*(self._positions - before)) > REPLACED_PX
                self.well_placed = self._inside(shift, WARP_MARGIN_CELLS * self.lattice.constant_px)
        moved = float(np.abs(shift - self._placed_for).max())
        if self.warp.scan_fixed and moved > WARP_STEP_PX:
            self._place_samples(shift)

    def _inside(self, shift: FloatArray, margin_px: float) -> BoolArray:
        """(P, Q) samples that lay away from the edges in the first frames, and do so now."""
        size = np.array(self.shape[::-1]).reshape(2, 1, 1)
        places = [self._positions, self._positions + shift[:, None, None]]
        inside = [(margin_px < place) & (place < size - margin_px) for place in places]
        return np.asarray(np.all(inside, axis=(0, 1)))

    def _mean_cell(self, frames: Sequence[FloatArray], shifts: FloatArray) -> FloatArray:
        """(m1, m2) mean unit cell of `frames`."""
        total = np.zeros(self.grid.samples)
        count = np.zeros(self.grid.samples)
        for frame, shift in zip(frames, shifts, strict=True):
            values, covered = self._sample(frame, shift, 1.0, np.zeros(2))
            total += self.grid.by_cell(values).sum(axis=(0, 2))
            count += self.grid.by_cell(covered).sum(axis=(0, 2))
        return (total / np.maximum(count, 1)).astype(np.float32)

    def _sample(
        self, frame: FloatArray, shift: FloatArray, gain: float, swing: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        """(P, Q) samples, row jitter undone, behind the matched filter; where there are any."""
        displacement = np.zeros(0, np.float32)
        if self._jitter is not None:
            changed = self._boxes(self.ignored_cells | self._other_lattice, shift)
            smooth = gain**2 * self.background.variance(~self._other_lattice)
            displacement = self._jitter.estimate(frame, shift, gain, swing, changed, smooth)
        kernels = form(self._kernels)
        spline = kernels.spline_of_smoothed(frame, displacement, self._sigma, self._scratch)
        positions = self._positions
        if swing.any():
            down = (positions[1] + shift[1]) / len(frame) - 0.5
            positions = positions + np.multiply.outer(swing, down).astype(np.float32)
        return kernels.sample(spline, positions, shift, EDGE_PX)

    def _boxes(self, cells: BoolArray, shift: FloatArray) -> list[Box]:
        """Parts of a frame of drift `shift` that hold any of the cells (n1, n2)."""
        if not cells.any():
            return []
        centres = self.to_frame(self.grid.cell_centres()[cells.ravel()], shift)
        reach = np.abs(self.lattice.basis_px).sum(axis=0) / 2  # of a cell from its centre
        return boxes_around(centres, reach, self.shape)

    def _background_of(
        self, means: FloatArray, coverage: FloatArray, known: FloatArray
    ) -> FloatArray:
        """(n1, n2) level of each cell, from its mean residual, covered share and known share."""
        coverage = coverage * ~self.ignored_cells
        new = (2 * known < coverage) & known.any()
        background = self.background.step(means, coverage, new)
        self.background.centre()
        return background
