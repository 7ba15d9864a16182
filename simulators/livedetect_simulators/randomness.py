"""Random numbers that depend on seed, crystal, frame and purpose, never on the order of asking."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from livedetect_simulators.spec import CRYSTALS, SimulationSettings


class Purpose(IntEnum):
    """What random numbers are for; each purpose has its own independent sequence."""

    CRYSTAL = 0
    PATH = 1
    PLAN = 2
    DAMAGE = 3
    SCAN = 4
    PIXELS = 5
    DETECTOR = 6


def generator(
    settings: SimulationSettings, purpose: Purpose, frame: int = 0
) -> np.random.Generator:
    """The generator of one purpose in one frame; each crystal has its own sequences."""
    crystal = CRYSTALS.index(settings.crystal)
    return np.random.default_rng([settings.seed, frame, int(purpose), crystal])
