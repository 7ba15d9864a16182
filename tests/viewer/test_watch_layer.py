"""Hatching of what is not watched."""

import numpy as np
import pytest

from livedetect.viewer.display import display_problem

pytestmark = pytest.mark.usefixtures("needs_display")

if display_problem() is None:
    from livedetect.viewer.watch_layer import WatchLayer, hatching


@pytest.mark.parametrize("size", [64, 3000])
def test_what_is_watched_stays_clear(size):
    watched = np.zeros((4, 4), bool)
    watched[1:3, 1:3] = True
    picture, scale = hatching(watched, size // 4, (size, size))
    alpha = picture[..., 3]
    edge = len(alpha)
    assert edge * scale == pytest.approx(size, rel=0.01)
    clear = slice(edge // 4 + 1, 3 * edge // 4 - 1)
    assert not alpha[clear, clear].any()
    assert alpha[: edge // 4 - 1].all()
    assert len(np.unique(alpha)) == 3


def test_layer_lies_below_the_markers_and_is_changed_in_place():
    from napari.components import ViewerModel

    viewer = ViewerModel()
    viewer.add_image(np.zeros((64, 64)), name="live image")
    viewer.add_points(np.zeros((1, 2)), name="defects")
    layer = WatchLayer(viewer)
    watched = np.ones((8, 8), bool)
    for row in (0, 1):
        watched[row] = False
        layer.show((watched, 8), (64, 64))
    assert [entry.name for entry in viewer.layers] == ["live image", "not watched", "defects"]
    assert viewer.layers["not watched"].data[:16, :, 3].all()
    layer.clear()
    assert not viewer.layers["not watched"].visible
