"""The first residuals: what is seen ahead, at drifts that a prediction would not find."""

import numpy as np
import pytest

from livedetect.detect.registration import Drift
from livedetect.detect.residual import FrontEnd
from livedetect.detect.warm_up import LOOK_AHEAD, first_residuals
from tests.detect.streams import frames


class Noting(FrontEnd):
    """Keeps the drifts that it measures."""

    def locate(self, frame: np.ndarray) -> Drift:
        drift = super().locate(frame)
        self.measured = [*getattr(self, "measured", []), drift.shift]
        return drift


@pytest.mark.parametrize("seed", [101, 102])
def test_frames_that_are_looked_at_ahead_are_found_where_they_were(seed: int) -> None:
    """Every third frame of a specimen that drifts by 2.2 px: half a lattice constant each time."""
    spec = "mos2?size=256&a_px=14&frames=12&detected_e_per_px=10&damage=0"
    stream = [
        frame.data.astype(np.float32)
        for frame in frames(f"{spec}&drift_px=2.2&walk_px=0.1&seed={seed}")
    ]
    front = Noting(stream)
    first_residuals(front, stream)
    ahead = len(stream[::LOOK_AHEAD])
    true = front.registration.shifts
    assert np.abs(true[-1]).max() > 10
    assert np.abs(np.array(front.measured[:ahead]) - true[::LOOK_AHEAD]).max() < 0.5
    assert np.abs(np.array(front.measured[ahead:]) - true).max() < 0.5
