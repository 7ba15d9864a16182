"""The default method at the sampling that suits the crystal."""

from __future__ import annotations

from collections.abc import Sequence

from livedetect.detect.arrays import FloatArray
from livedetect.detect.binned import BinnedMethod, binning_factor
from livedetect.detect.lattice import find_lattice
from livedetect.detect.lattice_method import LatticeMethod
from livedetect.detect.method import Method
from livedetect.detect.residual import FrontEnd
from livedetect.settings import Settings

SAMPLING_FRAMES = 3
"""Frames from which it is decided how far frames are binned."""


def lattice_method(
    frames: Sequence[FloatArray], settings: Settings, dwell_us: float | None = None
) -> Method:
    """The default method at the sampling that suits the crystal.

    Raises `LatticeNotFoundError`.
    """
    factor = binning_factor(find_lattice(frames[:SAMPLING_FRAMES]).constant_px)
    if factor > 1:  # a large cell may hold columns that are close together
        factor = binning_factor(FrontEnd(frames[:SAMPLING_FRAMES]).columns.scale_px)
    if factor == 1:
        return LatticeMethod(frames, settings, dwell_us)
    dwell = None if dwell_us is None else dwell_us * factor
    return BinnedMethod(factor, frames, settings, lambda f, s: LatticeMethod(f, s, dwell))
