"""Slowly varying background of a crystal, one level per unit cell.

A cumulative map plus a clipped innovation, smoothed twice ("twicing", Tukey 1977): a
plain normalised convolution is biased at the frame's edges, and a clipped one does not
follow growth.
"""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, middle
from livedetect.detect.grid import shifted
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.plane import LocalPlane

MIN_RATE = 0.25
"""Of the level per frame: slower, a contamination that adds a hundredth of the mean per frame was
lost, as only the noise of cells is clipped, and then called a region."""
SLOPE_RATE = 0.005
"""Of the growth per frame; without it a steady growth is followed with a lag that clipping
turns into a runaway."""
ROUGH_FRAMES = 4
ROUGH_LEVEL, ROUGH_SLOPE = 0.008, 0.2
"""Share lost every so many frames of what smoothing cannot see in level and growth. Nothing
else holds it: what the moving edge of the view leaves there would grow for ever."""
SMOOTH_BEGINNING = 3
"""Times that the first level is smoothed: what is rough in it is the specimen's, and would be lost
again little by little."""
TELLING = 0.5
"""Share of a cell that must be covered for its mean to say something."""
FULL = 0.9
"""Share of a cell that must be covered for its level to be kept from frame to frame."""
SETTLED_FRAMES = 6
"""Frames after which the level of new territory is trusted."""


class Background:
    """Level per unit cell (n1, n2), followed from frame to frame."""

    DERIVED = ("_plane",)

    def __init__(
        self, cells: tuple[int, int], smoothing_cells: float = 3.0, kernels: str = COMPILED
    ) -> None:
        self._sigma = smoothing_cells
        self._kernels = kernels
        self._level = np.zeros(cells)
        self._slope = np.zeros(cells)
        self._frames = np.zeros(cells)
        self._steps = 0
        self.restore_derived()

    def restore_derived(self) -> None:
        """The plane follows from what is known."""
        self._plane: LocalPlane | None = None

    @property
    def settled(self) -> BoolArray:
        """(n1, n2) True where the level can be trusted."""
        return np.asarray(self._frames >= SETTLED_FRAMES)

    @property
    def expected(self) -> FloatArray:
        """(n1, n2) float32 level of the next frame, as far as anything is known."""
        return (self._level + self._slope).astype(np.float32)

    def variance(self, where: BoolArray) -> float:
        """Variance of the level over the cells `where` (n1, n2) it is known, template units²."""
        known = (self._frames > 0) & where
        return float(self._level[known].var()) if known.any() else 0.0

    def begin(self, level: FloatArray) -> FloatArray:
        """Go on from the smooth part of `level` (n1, n2), which is returned."""
        weight = np.where(self._frames > 0, 1.0, 0.0)
        mass = np.maximum(self._smooth(weight), 1e-3)
        for _ in range(SMOOTH_BEGINNING):
            level = self._twiced(level, weight, mass)
        self._level, self._slope = level, np.zeros_like(level)
        return level.copy()

    def step(
        self, cell_means: FloatArray, coverage: FloatArray, new: BoolArray | None = None
    ) -> FloatArray:
        """Take in the mean residual of each cell and return the background, both (n1, n2).

        `coverage` is the covered fraction of each cell, 0 to 1; cells covered by less
        than half are ignored. So are those that are `new` (n1, n2), in a specimen that is known
        elsewhere: nobody can tell what of their level is their own, so they go with what lies
        beside them.
        """
        seen = coverage > TELLING
        weight = np.where(seen if new is None else seen & ~new, coverage, 0.0)
        mass = np.maximum(self._smooth(weight), 1e-3)
        level = self._expected(cell_means, coverage, weight, mass)
        limit = self._clip_limit(cell_means, weight, mass)
        innovation = np.where(weight > 0, np.clip(cell_means - level, -limit, limit), 0.0)
        change = self._twiced(innovation, weight, mass)
        kept = seen | ((self._frames > 0) & (coverage > 0))
        rate = np.where(kept, np.maximum(MIN_RATE, 1 / (self._frames + 1)), 0.0)
        self._level = level + rate * change
        settled = self._frames >= SETTLED_FRAMES
        self._slope = self._slope + SLOPE_RATE * np.where(settled, change, 0)
        self._steps += 1
        if self._steps % ROUGH_FRAMES == 0:
            self._lose_roughness(weight, mass)
        # out of view nothing holds a growth: what comes back is new territory
        self._slope = np.where(kept, self._slope, 0.0)
        self._frames = np.where(kept, self._frames + (coverage > FULL), 0.0)
        return level + change

    def centre(self) -> None:
        """Leave the mean to the frame's offset, which is fitted anew every time.

        Nothing tells how the two share it; growing against each other, they would leave what
        enters at the edge of the view behind.
        """
        known = self._frames > 0
        if known.any():
            self._level -= self._level[known].mean()
            self._slope -= self._slope[known].mean()

    def _lose_roughness(self, weight: FloatArray, mass: FloatArray) -> None:
        """Take a share of what smoothing cannot see off level and growth."""
        rough = self._level - self._twiced(self._level, weight, mass)
        self._level -= ROUGH_LEVEL * np.where(weight > 0, rough, 0.0)
        self._slope -= ROUGH_SLOPE * (self._slope - self._twiced(self._slope, weight, mass))

    def move(self, offset: tuple[int, int]) -> None:
        """Follow a grid moved by whole cells."""
        self._level = shifted(self._level, offset)
        self._slope = shifted(self._slope, offset)
        self._frames = shifted(self._frames, offset)

    def _expected(
        self, cell_means: FloatArray, coverage: FloatArray, weight: FloatArray, mass: FloatArray
    ) -> FloatArray:
        """(n1, n2) level before this frame; where it is not known, that of what lies beside it.

        Cells cut by the edge are not known before they have been covered in full: in the first
        frame their level comes from beside them as in all later ones, or it would jump between
        the two. Far from all that is known it is that of the whole.
        """
        known, expected = self._frames > 0, self._level + self._slope
        if not known.any():
            known, expected = coverage > FULL, self._twiced(cell_means, weight, mass)
        if not known.any() or known.all():
            return expected
        if self._plane is None or not np.array_equal(self._plane.known, known):
            self._plane = LocalPlane(known, self._smooth, self._sigma)
        return np.where(known, expected, self._plane.through(expected, self._smooth))

    def _twiced(self, values: FloatArray, weight: FloatArray, mass: FloatArray) -> FloatArray:
        """(n1, n2) smooth part of `values`, with what a first smoothing left of it."""
        once = self._smooth(values * weight) / mass
        return once + self._smooth((values - once) * weight) / mass

    def _smooth(self, values: FloatArray) -> FloatArray:
        return form(self._kernels).smooth_cells(values, self._sigma)

    def _clip_limit(self, cell_means: FloatArray, weight: FloatArray, mass: FloatArray) -> float:
        full = weight > FULL
        if not full.any():
            return float(np.abs(cell_means).max(initial=0.0))
        rough = np.abs(cell_means - self._smooth(cell_means * weight) / mass)[full]
        return float(3 * 1.4826 * middle(rough))  # three standard deviations
