"""Random numbers that depend on seed, frame and purpose only, never on the order of asking."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What random numbers are for; each purpose has its own independent sequence."""

    CRYSTAL = 0
    PATH = 1
    PLAN = 2
    DAMAGE = 3
    SCAN = 4
    PIXELS = 5
    DETECTOR = 6


def generator(seed: int, purpose: Purpose, frame: int = 0) -> np.random.Generator:
    """The generator of one purpose in one frame."""
    return np.random.default_rng([seed, frame, int(purpose)])
