"""The place that stands for a region lies in it."""

import numpy as np
import pytest
from skimage import measure

from livedetect.detect.outlines import outlined
from livedetect.detect.regions import Region

SQUARE = np.array([[10.0, 20], [50, 20], [50, 60], [10, 60], [10, 20]])
SICKLE = np.array([[0.0, 0], [90, 0], [90, 90], [80, 90], [80, 10], [0, 10], [0, 0]])


def region(centre: tuple[float, float]) -> Region:
    return Region(number=0, kind="phase", outline=SQUARE, centre=np.array(centre), area_px2=1600.0)


def test_a_centre_inside_stays_where_it_is() -> None:
    assert outlined(region((12.0, 30.0)), None).centre.tolist() == [12.0, 30.0]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
def test_a_centre_outside_moves_to_where_the_outline_is_widest(scale: float) -> None:
    found = outlined(region((45.0 * scale, 45.0 * scale)), SICKLE * scale)
    assert measure.points_in_poly(found.centre[None], SICKLE * scale)[0]
    assert np.abs(found.centre / scale - (84.1, 5.9)).max() < 90 / 64  # a step
    assert found.area_px2 == pytest.approx(1700 * scale**2)
