"""The history of a run stays bounded and counts what it should."""

from livedetect.stream import history as module
from livedetect.stream.history import RunHistory


def message(seq: int, *events: dict, kind: str = "result") -> dict:
    return {
        "kind": kind,
        "seq": seq,
        "frame": seq,
        "dose_e_per_A2": 10.0 * seq,
        "active": 3,
        "events": [{"frame": seq, **event} for event in events],
    }


def test_defects_at_the_start_are_not_new():
    history = RunHistory()
    history.add(message(1, {"event": "defect_at_start"}, {"event": "defect_confirmed"}))
    assert history.counts == {"active": 3, "total": 2, "new": 1}


def test_rebaseline_starts_the_new_ones_again_but_forgets_nothing():
    history = RunHistory()
    history.add(message(1, {"event": "defect_confirmed"}))
    history.add(message(2, {"event": "command", "name": "rebaseline", "ok": True}, kind="status"))
    history.add(message(3, {"event": "defect_confirmed"}))
    assert history.counts == {"active": 3, "total": 2, "new": 1}
    assert history.baseline_frame == 2


def test_a_late_viewer_is_told_the_model_in_use():
    history = RunHistory()
    history.add(message(1, {"event": "model_ready", "sites": 900}))
    history.add(message(2, {"event": "model_refitted", "sites": 880}))
    assert history.model["sites"] == 880


def test_failed_command_changes_nothing():
    history = RunHistory()
    history.add(message(1, {"event": "defect_confirmed"}))
    history.add(message(2, {"event": "command", "name": "rebaseline", "ok": False}))
    assert history.counts["new"] == 1


def test_series_covers_the_whole_run_within_bounds():
    history = RunHistory()
    for seq in range(1, 20_001):
        history.add(message(seq))
    frames = history.series["frame"]
    assert len(frames) <= module.MAX_SERIES_POINTS + 1
    assert frames[0] == 1
    assert frames[-1] > 19_980
    assert frames == sorted(frames)


def test_flood_of_notices_does_not_push_out_defects():
    history = RunHistory()
    history.add(message(1, {"event": "defect_confirmed"}))
    for seq in range(2, 3000):
        history.add(message(seq, {"event": "frame_rejected"}))
    events = history.events
    assert events[0]["event"] == "defect_confirmed"
    assert len(events) == module.MAX_OTHER_EVENTS + 1
    assert events[-1]["frame"] == 2999
