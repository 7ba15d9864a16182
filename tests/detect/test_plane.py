"""Maps of cells that go on beyond where they are known."""

import numpy as np
import pytest
from scipy import ndimage

from livedetect.detect.plane import LocalPlane

SIGMA = 3.0
SHAPE = (24, 30)


def smooth(cells: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(cells, SIGMA)


def sloping(down: float, across: float) -> np.ndarray:
    row, col = np.indices(SHAPE)
    return 5.0 + down * row + across * col


@pytest.mark.parametrize(("down", "across"), [(0.3, 0.0), (0.0, -0.2), (0.2, 0.1)])
def test_a_slope_goes_on_into_the_cells_beside_what_is_known(down: float, across: float) -> None:
    known = np.zeros(SHAPE, bool)
    known[6:-6, 6:-6] = True
    true = sloping(down, across)
    heights = LocalPlane(known, smooth, SIGMA).through(np.where(known, true, 1e6), smooth)
    beside = ndimage.binary_dilation(known) & ~known
    mean_of_near = smooth(true * known) / smooth(known.astype(float))
    off = np.abs(heights - true)[beside]
    assert off.max() < 0.35 * np.abs(mean_of_near - true)[beside].max()


def test_far_from_all_that_is_known_it_is_the_mean() -> None:
    known = np.zeros((20, 80), bool)
    known[:, :8] = True
    row, _ = np.indices(known.shape)
    values = row.astype(float)
    plane = LocalPlane(known, smooth, SIGMA)
    assert plane.through(values, smooth)[:, 40:] == pytest.approx(values[known].mean(), abs=0.1)
