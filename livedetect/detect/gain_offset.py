"""Gain and offset of a frame: its contrast and level relative to all that is expected of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels import form
from livedetect.detect.kernels.maps import Expected

LEVEL_FRAMES = 16
"""Every so many frames it is looked up what the levels of all sites have in common. What changed
since is followed over as many frames, because the levels themselves follow no faster."""

NEGLIGIBLE = 0.01
"""Variance of a background, in units of the crystal's, whose growth pulls at no gain; a region that
has changed would pull at its share instead, which is not fitted with Huber weights."""


class GainOffset:
    """Fits ``frame = offset + gain * (template + level) + background`` with Huber weights.

    By the crystal alone: how much of the background there is in a frame is fitted as well. What
    it has grown by since the last frame, or does not share of a flicker, is no change of gain.

    While no levels are known, to the template alone: those of a few frames hold so much of
    these frames' own noise that the gain would depend on which frames they were.

    The fit is to template and levels together, because the sites differ. What all levels
    have in common with the template belongs to the gain: left with the levels nothing would
    hold it, and as noise in a model makes its slope too small (errors in variables), they
    would grow from frame to frame.
    """

    def __init__(self, kernels: str) -> None:
        self._kernels = kernels
        self._frames = 0
        # (2,) gain that the levels have in common with the template, and offset over gain:
        self._usual: FloatArray | None = None  # at first, where the phases differ anyway
        self._towards: FloatArray = np.zeros(2)  # when last looked up
        self._of_levels: FloatArray = np.zeros(2)  # as it is allowed for

    def fit(
        self,
        values: FloatArray,
        covered: BoolArray,
        template: FloatArray,
        ground: Expected,
        other_phases: BoolArray,
    ) -> tuple[float, float]:
        """Gain, dimensionless, and offset, data units, of the next frame.

        Parameters
        ----------
        values, covered : (P, Q) its samples, and where they hold data.
        template : (m1, m2) mean unit cell.
        ground : what else is expected.
        other_phases : (n1, n2) cells whose levels say nothing of the template.
        """
        kernels = form(self._kernels)
        crystal, background, data = kernels.fitted_samples(values, covered, template, ground)
        if not len(data):
            return 0.0, 0.0
        middle = float(background.mean())
        beside = background - middle
        if float(beside @ beside) > NEGLIGIBLE * len(crystal) * float(crystal.var()):
            crystal, data = _without(beside, crystal), _without(beside, data)
        gain, offset = kernels.robust_line(crystal, data)
        offset -= gain * middle
        if ground.known.any():
            self._frames += 1
            if self._frames % LEVEL_FRAMES == 1:
                self._look_up(covered, template, ground, other_phases)
        self._of_levels = self._of_levels + (self._towards - self._of_levels) / LEVEL_FRAMES
        more, above = self._of_levels.tolist()
        return gain * (1 + more), offset + gain * above

    def _look_up(
        self,
        covered: BoolArray,
        template: FloatArray,
        ground: Expected,
        other_phases: BoolArray,
    ) -> None:
        """Find what the levels have in common with the template."""
        kernels = form(self._kernels)
        alone = replace(
            ground,
            level=np.zeros_like(ground.level),
            cells=np.zeros_like(ground.cells),
            ignored=ground.ignored | other_phases,
        )
        model, _, levels = kernels.fitted_samples(ground.level, covered, template, alone)
        common = np.array(kernels.robust_line(model, levels))
        if self._usual is None and other_phases.any():
            # the template is a mean of all phases: that each differs from it is no creeping
            self._usual = common
        self._towards = common if self._usual is None else common - self._usual


def _without(shape: FloatArray, values: FloatArray) -> FloatArray:
    """(n,) `values` less what they have in common with `shape` (n,), which has mean 0."""
    return values - shape * (float(shape @ values) / float(shape @ shape))
