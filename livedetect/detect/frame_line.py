"""Gain and offset of a frame: its contrast and level against everything that is known of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels import form
from livedetect.detect.kernels.maps import FitGround

LEVEL_FRAMES = 16
"""Every so many frames it is looked up what the levels of all sites have in common. What changed
since is followed over as many frames, because the levels themselves follow no faster."""


class FrameLine:
    """Fits ``frame = offset + gain * (template + level + background)`` with Huber weights.

    The fit is to template and levels together, because the sites differ. What all levels
    have in common with the template belongs to the gain: left with the levels nothing would
    hold it, and as noise in a model makes its slope too small (errors in variables), they
    would grow from frame to frame.
    """

    def __init__(self, kernels: str) -> None:
        self._kernels = kernels
        self._frames = 0
        self._usual: FloatArray | None = None
        self._towards: FloatArray = np.zeros(2)
        self._of_levels: FloatArray = np.zeros(2)

    def fit(
        self,
        values: FloatArray,
        covered: BoolArray,
        template: FloatArray,
        ground: FitGround,
        other_phases: BoolArray,
    ) -> tuple[float, float]:
        """Gain and offset of the samples (P, Q) of the next frame, where they are `covered`.

        `template` (m1, m2); the levels of cells in `other_phases` (n1, n2) say nothing of it.
        """
        kernels = form(self._kernels)
        gain, offset = kernels.robust_line(
            *kernels.fitted_samples(values, covered, template, ground)
        )
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
        ground: FitGround,
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
        common = np.array(
            kernels.robust_line(*kernels.fitted_samples(ground.level, covered, template, alone))
        )
        if self._usual is None and other_phases.any():
            # the template is a mean of all phases: that each differs from it is no creeping
            self._usual = common
        self._towards = common if self._usual is None else common - self._usual
