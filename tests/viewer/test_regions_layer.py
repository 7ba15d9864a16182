"""Outlines of regions, live and recorded: laid when they change, moved with the drift."""

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("needs_display")

SQUARE = [(10.0, 20.0), (30.0, 20.0), (30.0, 40.0), (10.0, 40.0)]


@pytest.fixture
def recorded():
    from napari.components import ViewerModel

    from livedetect.viewer.recorded_layers import RecordedLayers

    viewer = ViewerModel()
    return RecordedLayers(viewer), viewer.layers


def test_regions_of_a_recorded_session_lie_where_the_drift_has_taken_them(recorded):
    drawn, layers = recorded
    drawn.outline({3: SQUARE}, (2.0, 5.0))
    (layer,) = layers
    assert np.asarray(layer.data[0]).tolist() == [[y, x] for x, y in SQUARE]
    assert layer.translate.tolist() == [5.0, 2.0]


def test_they_are_laid_again_only_if_they_have_changed(recorded):
    drawn, layers = recorded
    drawn.outline({3: SQUARE}, (0.0, 0.0))
    laid = []
    layers[0].events.data.connect(laid.append)
    drawn.outline({3: list(SQUARE)}, (1.0, 0.0))
    assert laid == []
    drawn.outline({3: [(x + 4.0, y) for x, y in SQUARE]}, (1.0, 0.0))
    assert laid
    assert np.asarray(layers[0].data[0])[0].tolist() == [20.0, 14.0]
    drawn.outline({}, (0.0, 0.0))
    assert len(layers[0].data) == 0
