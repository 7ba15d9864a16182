"""The engine's offer to return to an earlier area, and the outlines of regions."""

import numpy as np

from livedetect.viewer.offer import Offer
from livedetect.viewer.outlines import Outlines


def event(called, area_id, **values):
    return {"event": called, "frame": 0, "area_id": area_id, **values}


def test_an_offer_holds_until_it_is_taken_or_the_stage_moves_on():
    offer = Offer()
    moved = event("source_changed", 1, left_area=0)
    offered = event("source_changed", 1, earlier_area=0)
    offer.follow([event("run_started", 0), moved])
    assert offer.area_id is None
    assert offer.words == ""
    offer.follow([offered])
    assert offer.area_id == 0
    assert "area 0" in offer.words
    offer.follow([event("command", 1, name="return_to_area", ok=False)])
    assert offer.area_id == 0
    offer.follow([event("command", 1, name="return_to_area", ok=True)])
    assert offer.area_id is None
    offer.follow([offered, event("source_changed", 2)])
    assert offer.area_id is None


def header(y, x, drift, segment_id=0):
    tracks = {"region_id": [None, 3], "y_px": [1.0, y], "x_px": [1.0, x]}
    return {"tracks": tracks, "drift_px": drift, "segment_id": segment_id}


def found(segment_id=0):
    outlines = Outlines()
    polygon = [(10.0, 20.0), (30.0, 20.0), (20.0, 40.0)]
    stamp = {"area_id": 0, "segment_id": segment_id}
    outlines.follow({"event": "region_confirmed", "region_id": 3, "polygon_px": polygon, **stamp})
    told = {"event": "defect_confirmed", "region_id": 3, "y_px": 25.0, "x_px": 20.0}
    outlines.follow(told | stamp)
    return outlines


def test_an_outline_is_laid_once_and_again_when_a_model_counts_drift_anew():
    outlines = found()
    first = outlines.of(header(26.0, 22.0, (1.0, 2.0)))[3]
    np.testing.assert_allclose(first[0], (20.0, 10.0))
    assert outlines.of(header(29.0, 24.0, (4.0, 4.0)))[3] is first
    anew = outlines.of(header(29.0, 24.0, (0.0, 0.0)))[3]
    np.testing.assert_allclose(anew[0], (24.0, 14.0))


def test_an_outline_of_another_scan_setting_is_not_drawn():
    assert set(found().of(header(26.0, 22.0, None, segment_id=0))) == {3}
    assert found().of(header(26.0, 22.0, None, segment_id=1)) == {}
