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
    lattice = find_lattice(frames)
    factor = binning_factor(lattice.constant_px)
    if factor > 1:  # a large cell may hold columns that are close together
        few = frames[:SAMPLING_FRAMES]
        factor = binning_factor(FrontEnd.columns_of(few, lattice).scale_px)
    if factor == 1:
        return LatticeMethod(frames, settings, dwell_us, lattice)
    dwell = None if dwell_us is None else dwell_us * factor
    return BinnedMethod(factor, frames, settings, lambda f, s: LatticeMethod(f, s, dwell))
