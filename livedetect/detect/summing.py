"""How fast, noisy frames are summed: how many, from where to where, and the sum itself.

Each frame is placed by the phases of its Bragg reflections, which a whole frame gives
precisely even where no column can be seen, and added at the nearest whole pixel: nothing is
interpolated, so noise stays as uncorrelated as it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from livedetect.detect.arrays import FloatArray
from livedetect.detect.lattice import Lattice, find_lattice, hann_window
from livedetect.detect.registration import BraggRegistration
from livedetect.errors import LatticeNotFoundError, SettingsError
from livedetect.settings import Settings

LEARN_FRAMES = 8
"""From so many frames the lattice is found and, with ``auto``, the number to be summed."""
WANTED_SIGNAL = 30.0
"""Contrast of a unit cell over its noise, squared, from which single vacancies need few frames."""
MOST_FRAMES = 64
"""A sum is told when it is complete: what takes more of them would be told too late to act."""
FINE = 0.3
"""Cycles per pixel beyond which a spectrum is noise between the reflections."""


def one_by_one(settings: Settings) -> Settings:
    """`settings` that ask for no sums; raises `SettingsError` for others, saying what to do."""
    if settings.integrate == 1:
        return settings
    raise SettingsError(
        f"integrate = {settings.integrate}: a Detector takes frames one by one; "
        "livedetect.engine_for(settings) gives the engine that sums them first"
    )


@dataclass(slots=True)
class SumPlan:
    """How the frames of one scan setting are summed."""

    frames: int
    """Of one sum."""
    registration: BraggRegistration | None
    """None where no lattice was found: then frames are summed where they are."""

    @classmethod
    def learnt(cls, frames: Sequence[FloatArray], wanted: int | str) -> SumPlan:
        """From the first frames (H, W), float32, and `Settings.integrate`."""
        try:
            lattice = find_lattice(frames)
        except LatticeNotFoundError:
            return cls(LEARN_FRAMES if isinstance(wanted, str) else wanted, None)
        if isinstance(wanted, str):
            wanted = frames_for(cell_signal(frames, lattice))
        return cls(wanted, BraggRegistration(lattice, frames))

    def learnt_shifts(self, count: int) -> list[FloatArray]:
        """(x, y) drift of each frame that was learnt from, px."""
        if self.registration is None:
            return [np.zeros(2)] * count
        return list(self.registration.shifts)

    def place(self, frame: FloatArray) -> FloatArray:
        """(x, y) drift of the next frame (H, W), float32, px."""
        if self.registration is None:
            return np.zeros(2)
        return self.registration.step(frame).shift

    def miss(self, frames: int) -> None:
        """Note frames that were not seen."""
        if self.registration is not None:
            self.registration.miss(frames)


def summed(frames: Sequence[FloatArray], shifts: FloatArray) -> FloatArray:
    """Sum (H, W) of frames (H, W) of drift (n, 2) as (x, y), at the place of the last one.

    Each is moved by whole pixels. What not all of them show is scaled to their number.
    """
    height, width = frames[0].shape
    total, count = np.zeros((2, height, width), np.float32)
    for frame, (x, y) in zip(frames, np.rint(shifts - shifts[-1]).astype(int), strict=True):
        # a feature of the last frame at p lies at p + (x, y) in this one
        rows, cols = _overlap(int(y), height), _overlap(int(x), width)
        total[rows[0], cols[0]] += frame[rows[1], cols[1]]
        count[rows[0], cols[0]] += 1
    mean = float(total.sum() / max(float(count.sum()), 1.0))
    scaled = total * (len(frames) / np.maximum(count, 1))
    return np.where(count > 0, scaled, len(frames) * mean).astype(np.float32)


def cell_signal(frames: Sequence[FloatArray], lattice: Lattice) -> float:
    """Variance that the crystal makes, over that of the noise, times the pixels of a cell.

    The square of the contrast of one unit cell over its noise in one of `frames` (H, W).
    """
    window = hann_window(frames[0].shape)
    height, width = frames[0].shape
    far = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None, :]) > FINE
    signal, noise = 0.0, 0.0
    registration = BraggRegistration(lattice, frames)
    for frame in frames:
        power = np.abs(fft.rfft2((frame - frame.mean()) * window)) ** 2
        white = float(np.median(power[far])) / math.log(2)  # of exponentially distributed values
        peaks = registration.power(frame) - white
        signal += 2 * float(np.maximum(peaks, 0).sum()) / float(window.sum()) ** 2
        noise += white / float((window**2).sum())
    area_px = abs(float(np.linalg.det(lattice.basis_px)))
    return signal / max(noise, 1e-30) * area_px


def frames_for(signal: float) -> int:
    """How many frames of a `cell_signal` are summed."""
    return int(np.clip(math.ceil(WANTED_SIGNAL / max(signal, 1e-9)), 1, MOST_FRAMES))


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Pixels of the sum and those of a frame, along one axis, that show the same."""
    start, end = max(0, -shift), min(size, size - shift)
    end = max(start, end)
    return slice(start, end), slice(start + shift, end + shift)
