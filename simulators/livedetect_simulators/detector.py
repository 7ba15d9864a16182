"""The detector and its converter: Poisson counts, gain, noise, black level, saturation, bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect_simulators.counting import poisson
from livedetect_simulators.randomness import Purpose, generator
from livedetect_simulators.spec import SimulationSettings

FLOAT_BITS = 32


def saturation_value(settings: SimulationSettings) -> float | None:
    """Largest value that the detector can report; None for unlimited float data."""
    if settings.bits == FLOAT_BITS:
        return settings.clip
    largest = float(2**settings.bits - 1)
    return largest if settings.clip is None else min(largest, settings.clip)


def data_type(settings: SimulationSettings) -> np.dtype[Any]:
    """Type of the frames: float32, uint16, or uint8 where 8 bits suffice."""
    if settings.bits == FLOAT_BITS:
        return np.dtype(np.float32)
    return np.dtype(np.uint16 if settings.bits > 8 else np.uint8)


def detect(
    expected: NDArray[np.float32], settings: SimulationSettings, frame: int, gain: float = 1.0
) -> NDArray[Any]:
    """(H, W) reported values of a frame in which (H, W) `expected` electrons should arrive.

    `gain` multiplies that of the settings.

    Counts are Poisson; the gain adds ``excess_noise`` times their variance; a converter cuts
    below 0 and above the saturation value and rounds.
    """
    random = generator(settings, Purpose.DETECTOR, frame)
    brightness = max(0.05, 1 + settings.flicker * random.standard_normal())
    counts = poisson(expected * np.float32(brightness), random)
    if _is_counting(settings) and gain == 1:
        return _limited(counts, settings)
    signal = settings.offset + settings.gain * gain * counts.astype(np.float32)
    if settings.excess_noise or settings.read_noise:
        variance = (
            settings.gain * gain
        ) ** 2 * settings.excess_noise * counts + settings.read_noise**2
        signal += np.sqrt(variance) * random.standard_normal(signal.shape, dtype=np.float32)
    return _limited(signal, settings)


def in_electrons(data: NDArray[Any], settings: SimulationSettings) -> NDArray[np.float32]:
    """(H, W) electrons that reported values stand for; what was cut off stays lost."""
    electrons = (data.astype(np.float32) - settings.offset) / settings.gain
    return np.asarray(electrons, np.float32)


def variance_of(expected: NDArray[np.float32], settings: SimulationSettings) -> NDArray[np.float32]:
    """(H, W) variance in electrons² of what is reported for `expected` electrons."""
    rounding = 0.0 if settings.bits == FLOAT_BITS or _is_counting(settings) else 1 / 12
    constant = (settings.read_noise**2 + rounding) / settings.gain**2
    return np.asarray(expected * (1 + settings.excess_noise) + constant, np.float32)


def _is_counting(settings: SimulationSettings) -> bool:
    noise = settings.excess_noise or settings.read_noise
    return settings.gain == 1 and settings.offset == 0 and not noise


def _limited(signal: NDArray[Any], settings: SimulationSettings) -> NDArray[Any]:
    largest = saturation_value(settings)
    if settings.bits == FLOAT_BITS:
        signal = signal if largest is None else np.minimum(signal, largest)
    else:
        whole = signal if signal.dtype.kind == "i" else np.rint(signal)
        signal = np.clip(whole, 0, largest)
    return signal.astype(data_type(settings))
