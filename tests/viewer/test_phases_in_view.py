"""Outlines of the phases in view: which, and where in the image that is drawn."""

import numpy as np
import pytest

from livedetect.stream.event_names import MODELS
from livedetect.stream.history import MAX_OTHER_EVENTS, RunHistory
from livedetect.viewer.phases_in_view import PhasesInView, with_phases

LARGEST = [(0.0, 0.0), (9.0, 0.0), (9.0, 9.0)]
SECOND = [(4.0, 1.0), (9.0, 1.0), (9.0, 7.0)]
PHASES = [
    {"share": 0.7, "polygons_px": [LARGEST]},
    {"share": 0.3, "polygons_px": [SECOND, LARGEST]},
]


def event(name, /, area_id=0, **values):
    return {"event": name, "frame": 11, "area_id": area_id, "segment_id": 0, **values}


@pytest.fixture
def told():
    phases = PhasesInView()
    phases.follow(event("model_ready", phases=PHASES, drift_px=[2.0, 1.0]))
    return phases


def test_all_but_the_largest_are_outlined_without_the_drift(told):
    outlines = told.outlines({"segment_id": 0})
    assert len(outlines) == 2
    np.testing.assert_allclose(outlines[0], [(0.0, 2.0), (0.0, 7.0), (6.0, 7.0)])
    assert told.shares == (0.7, 0.3)
    assert "2&nbsp;phases&nbsp;70&nbsp;%&nbsp;·&nbsp;30&nbsp;%" in with_phases("", told.shares)


def test_they_are_those_of_the_area_and_of_the_scan_settings_in_view(told):
    assert told.outlines({"segment_id": 1}) == {}
    told.follow(event("source_changed", area_id=1))
    assert told.outlines({"segment_id": 0}) == {}
    told.follow(event("source_changed", area_id=0))
    assert told.outlines({"segment_id": 0})


def test_they_go_when_the_crystal_is_learnt_again(told):
    told.follow(event("command", name="rebaseline", ok=False))
    assert told.shares
    told.follow(event("command", name="rebaseline", ok=True))
    assert told.outlines({}) == {}
    told.follow(event("model_ready", phases=PHASES[:1]))
    assert told.outlines({}) == {}
    assert with_phases("vacancy", told.shares) == "vacancy"


def test_a_model_that_took_over_leaves_them_as_they_are(told):
    told.follow(event("model_refitted", phases=[]))
    assert len(told.outlines({})) == 2


def test_late_viewers_are_told_of_the_model_however_much_has_happened():
    history = RunHistory()
    noise = [event("gap") for _ in range(MAX_OTHER_EVENTS + 1)]
    history.add({"seq": 1, "kind": "status", "events": [event("model_ready"), *noise]})
    kept = RunHistory.from_snapshot(history.snapshot()).events
    assert [one["event"] for one in kept if one["event"] in MODELS] == ["model_ready"]
