"""Sites of the lattice and the patches around them."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from livedetect.detect.phased import SitePatches
from livedetect.detect.residual import FrontEnd
from tests.detect.streams import frames


@pytest.mark.parametrize("crystal", ["mos2", "square", "zro2"])
def test_the_nearest_site_is_nearest(crystal):
    stream = frames(f"{crystal}?size=192&frames=8&damage=0")
    front = FrontEnd([frame.data.astype(np.float32) for frame in stream])
    patches = SitePatches(front.grid, front.columns)
    positions = np.random.default_rng(2).uniform(0, 192, (500, 2))
    distance = np.hypot(*(patches.positions[patches.nearest(positions)] - positions).T)
    assert np.allclose(distance, cKDTree(patches.positions).query(positions)[0])
    assert patches.nearest(np.zeros((0, 2))).shape == (0,)
