"""The displacement of rows is measured whatever lies on the crystal."""

import numpy as np
import pytest

from livedetect.detect.residual import FrontEnd
from livedetect.detect.row_jitter import RowJitter
from tests.detect.streams import frames

SIZE = 256
NOTHING = np.zeros(2)


@pytest.mark.parametrize("seed", [101, 102])
def test_a_smooth_background_is_not_taken_for_noise_that_hides_the_displacement(seed: int) -> None:
    spec = f"mos2?size={SIZE}&frames=8&damage=0&detected_e_per_px=20&jitter_px=0.5&walk_px=0"
    stream = [f.data.astype(np.float32) for f in frames(f"{spec}&drift_px=0&seed={seed}")]
    front = FrontEnd(stream)
    y, x = np.indices((SIZE, SIZE))
    spot = 150 * np.exp(-((x - 120) ** 2 + (y - 150) ** 2) / 2 / 60**2).astype(np.float32)

    def found(above: np.ndarray, smooth: float) -> np.ndarray:
        jitter = RowJitter(front.pixel_template(), front.warp, (SIZE, SIZE))
        rows = [jitter.estimate(f + above, NOTHING, 1.0, NOTHING, smooth=smooth) for f in stream]
        return np.stack(rows[1:])

    clean = found(np.zeros_like(spot), 0.0)
    assert clean.std() > 0.2
    allowed_for = found(spot, float(spot.var()))
    assert np.corrcoef(clean.ravel(), allowed_for.ravel())[0, 1] > 0.9
    assert 0.7 < allowed_for.std() / clean.std() < 1.4
    assert found(spot, 0.0).std() < 0.5 * clean.std()
