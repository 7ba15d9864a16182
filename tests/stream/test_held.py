"""What rows say of the defects held, against what the engine said."""

import numpy as np
import pytest

from livedetect.stream.held import HeldDefects
from livedetect.types import FrameResult, NoticeEvent, Phase, Registration, Track


def track(defect_id, x, y):
    return Track(
        defect_id=defect_id,
        x_px=x,
        y_px=y,
        x_nm=None,
        y_nm=None,
        kind="vacancy",
        confidence=0.5,
        score=3.0,
        first_seen_frame=0,
        confirmed_frame=0,
        last_seen_frame=0,
    )


def result(frame, tracks=(), drift=None, *, ready=False, dose=None):
    events = ()
    if ready:
        events = (NoticeEvent(event="model_ready", frame=frame, time_s=0.0),)
    moved = drift and Registration(drift_x_px=drift[0], drift_y_px=drift[1], gain=1.0, offset=0.0)
    return FrameResult(
        frame=frame,
        time_s=0.0,
        phase=Phase.LIVE,
        disposition="scored",
        events=events,
        active_tracks=tuple(tracks),
        registration=moved,
        dose_e_per_A2=dose,
    )


def test_a_defect_that_moves_with_the_drift_is_told_once():
    held = HeldDefects()
    held.change(result(0, drift=(0.0, 0.0)))
    first = held.change(result(1, [track(7, 11.0, 22.0)], (1.0, 2.0), dose=5.0))
    second = held.change(result(2, [track(7, 13.0, 24.0)], (3.0, 4.0)))
    assert first == {
        "phase": "live",
        "dose_e_per_A2": 5.0,
        "drift_px": [1.0, 2.0],
        "placed": [[7, 11.0, 22.0]],
    }
    assert second == {"phase": "live", "drift_px": [3.0, 4.0]}


def test_a_defect_that_is_held_no_longer_is_gone():
    held = HeldDefects()
    held.change(result(0, [track(1, 5.0, 5.0), track(2, 9.0, 9.0)], (0.0, 0.0)))
    told = held.change(result(1, [track(2, 9.0, 9.0)], (0.0, 0.0)))
    assert told["gone"] == [1]
    assert "placed" not in told


def test_a_new_model_has_its_own_origin():
    held = HeldDefects()
    held.change(result(0, [track(1, 5.0, 5.0)], (30.0, 0.0)))
    ready = held.change(result(1, [track(1, 6.0, 5.0)], ready=True))
    after = held.change(result(2, [track(1, 7.0, 5.0)], (1.5, 0.0)))
    last = held.change(result(3, [track(1, 8.0, 5.0)], (2.5, 0.0)))
    assert ready["model_ready"] is True
    assert ready["placed"] == [[1, 6.0, 5.0]]
    assert after["placed"] == [[1, 7.0, 5.0]]
    assert "placed" not in last


@pytest.mark.parametrize(("step_px", "placed_anew"), [(0.004, 0), (0.2, 32)])
def test_a_defect_that_wanders_against_the_drift_is_placed_anew(step_px, placed_anew):
    held = HeldDefects()
    told = [
        held.change(result(n, [track(1, 5.0 + step_px * n, 5.0)], (0.0, 0.0))) for n in range(97)
    ]
    assert sum("placed" in entry for entry in told[1:]) == placed_anew
    assert np.isclose(told[0]["placed"][0][1], 5.0)
