"""Maps between the coordinates of segments and of the area they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Affine:
    """Points (x, y) become ``linear @ point + origin``."""

    linear: FloatArray
    """(2, 2)."""
    origin: FloatArray
    """(2,)."""

    @classmethod
    def scaling(cls, x: float, y: float) -> Affine:
        """Axes stretched, origin kept."""
        return cls(np.diag([float(x), float(y)]), np.zeros(2))

    def apply(self, points: FloatArray) -> FloatArray:
        """(n, 2) mapped points."""
        return np.asarray(points @ self.linear.T + self.origin)

    def after(self, first: Affine) -> Affine:
        """`first`, then this one."""
        return Affine(self.linear @ first.linear, self.linear @ first.origin + self.origin)

    @property
    def inverse(self) -> Affine:
        """The way back."""
        linear = np.linalg.inv(self.linear)
        return Affine(linear, -linear @ self.origin)
