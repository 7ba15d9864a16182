"""The residual of one time window, in units of its own noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Standardised residual of the mean over the last `frames` frames."""

    frames: int
    """Length of the window."""
    z: FloatArray
    """(P, Q) unit variance on a crystal that has not changed; 0 where not valid."""
    cover: BoolArray | IntArray
    """(P, Q) how well each sample was covered."""
    least: int = 1
    """Of `cover`, for the whole window to be covered where the baseline is known."""

    @property
    def valid(self) -> BoolArray:
        """(P, Q) True where the whole window was covered and the baseline is known."""
        return np.asarray(self.cover >= self.least)
