"""Steps of a recorded session and the defects known at each, against the engine's own word."""

import contextlib
import json
import sqlite3

import numpy as np
import pytest

from livedetect.stream.recording import Recording
from livedetect.viewer.recorded_timeline import Timeline


def timeline_of(recording: Recording) -> Timeline:
    timeline = Timeline()
    timeline.add_events(recording.events())
    timeline.add_rows(recording.rows())
    timeline.set_commands(recording.commands())
    return timeline


def test_defects_are_where_the_engine_held_them_at_every_frame(recorded):
    folder, results = recorded
    timeline = timeline_of(Recording(folder))
    assert len(timeline.steps) == len(results)
    for step, result in enumerate(results):
        held = timeline.held_at(step)
        assert held.keys() == {track.defect_id for track in result.active_tracks}, step
        for track in result.active_tracks:
            assert held[track.defect_id] == pytest.approx((track.x_px, track.y_px), abs=0.55), step
    assert sum(bool(timeline.held_at(step)) for step in range(len(results))) > 30


def test_defects_are_of_the_kind_that_the_engine_took_them_for_at_every_frame(recorded):
    folder, results = recorded
    timeline = timeline_of(Recording(folder))
    changed = 0
    for step, result in enumerate(results):
        told = timeline.told_at(step)
        for track in result.active_tracks:
            assert told[track.defect_id]["kind"] == track.kind
            changed += track.kind != timeline.defects[track.defect_id]["kind"]
    assert changed > 0


def test_gaps_and_rejected_frames_are_steps_of_their_own(recorded):
    timeline = timeline_of(Recording(recorded[0]))
    gap = timeline.steps[30]
    assert (gap.row.kind, gap.row.index, gap.row.missing_frames) == ("gap", 30, 3)
    assert not gap.has_pixels
    assert timeline.steps[38].row.disposition in ("invalid", "suspect")
    assert timeline.step_of(33) == 31
    assert timeline.step_of(31) is None
    assert timeline.step_near(31) == 30


def test_drift_goes_on_over_a_new_baseline_and_begins_anew_with_another_scan(recorded):
    timeline = timeline_of(Recording(recorded[0]))
    drift = np.array([step.drift_px for step in timeline.steps])
    jumps = np.hypot(*np.diff(drift[12:63], axis=0).T)
    # the first frames after a baseline are registered together: their drift is told at once
    assert jumps.max() < 15.0
    assert np.hypot(*drift[62]) > 15.0
    assert drift[-1].tolist() == [0.0, 0.0]


def test_a_dismissed_marker_is_known_as_such_from_its_frame_on(recorded):
    timeline = timeline_of(Recording(recorded[0]))
    step = timeline.step_of(35)
    assert not timeline.dismissed_at(step - 1)
    assert len(timeline.dismissed_at(step)) == 1


def test_events_of_the_frame_with_which_a_model_appeared_are_placed_by_the_next_one(recorded):
    timeline = timeline_of(Recording(recorded[0]))
    ready = [e["frame"] for e in Recording(recorded[0]).events() if e["event"] == "model_ready"]
    step = timeline.step_of(ready[-1])
    assert timeline.drift_of_event(step) == timeline.drift_at(step + 1)
    assert timeline.drift_of_event(step) != timeline.drift_at(step)
    assert timeline.drift_of_event(step + 3) == timeline.drift_at(step + 3)


def test_pending_rows_are_told_anew(recorded):
    rows = list(Recording(recorded[0]).rows())
    timeline = Timeline()
    timeline.add_rows(rows[:20])
    timeline.forget_from(rows[15].position)
    assert len(timeline.steps) == 15
    timeline.add_rows(rows[15:])
    assert [step.row.position for step in timeline.steps] == [row.position for row in rows]


def test_sessions_that_do_not_know_the_drift_show_markers_where_they_were_announced(
    recorded, tmp_path
):
    old = tmp_path / "old"
    old.mkdir()
    for name in ("session.json", "events.sqlite"):
        (old / name).write_bytes((recorded[0] / name).read_bytes())
    with sqlite3.connect(old / "events.sqlite") as database:
        for name in ("phase", "drift_px", "placed", "gone", "dose_e_per_A2", "model_ready"):
            database.execute("UPDATE frames SET details = json_remove(details, ?)", (f"$.{name}",))
    database.close()
    timeline = timeline_of(Recording(old))
    assert not timeline.follows_drift
    announced = [e for e in Recording(old).events() if e["event"] == "defect_confirmed"]
    first = announced[0]
    held = timeline.held_at(timeline.step_of(first["frame"]))
    assert held[first["defect_id"]] == (first["x_px"], first["y_px"])
    assert not timeline.held_at(timeline.step_of(first["frame"]) - 1).get(first["defect_id"])
    assert json.dumps(sorted(held))


def test_a_session_cut_off_on_a_medium_that_cannot_be_written_to_is_read(recorded, tmp_path):
    torn = tmp_path / "torn"
    torn.mkdir()
    for name in ("session.json", "events.sqlite"):
        (torn / name).write_bytes((recorded[0] / name).read_bytes())
    with contextlib.closing(sqlite3.connect(torn / "events.sqlite")) as writer:
        with writer:
            writer.execute("DELETE FROM frames WHERE position >= 40")
        # as it is on the disk while the writer lives, or has been killed
        log = (torn / "events.sqlite-wal").read_bytes()
        whole = (torn / "events.sqlite").read_bytes()
    (torn / "events.sqlite").write_bytes(whole)
    (torn / "events.sqlite-wal").write_bytes(log)
    # what SQLite wants to write beside the file cannot be written
    (torn / "events.sqlite-shm").unlink(missing_ok=True)
    (torn / "events.sqlite-shm").mkdir()
    before = sorted(path.name for path in torn.iterdir())
    assert len(timeline_of(Recording(torn)).steps) == 40
    assert sorted(path.name for path in torn.iterdir()) == before
