"""Pictures of a defect from the recorded frames."""

import numpy as np
import pytest

from livedetect import Settings, engine_for
from livedetect.errors import SourceError
from livedetect.stream.record import Recorder
from livedetect.stream.registry import open_source
from livedetect.stream.session import SessionOptions, run_session
from livedetect.viewer.recorded_inspection import difference, inspect_recorded
from livedetect.viewer.recorded_session import RecordedSession


def middle(picture, share=0.12):
    edge = picture.shape[0]
    low, high = round(edge * (0.5 - share)), round(edge * (0.5 + share))
    return picture[low:high, low:high]


def test_the_residual_stands_out_where_the_defect_is(recorded):
    session = RecordedSession(recorded[0])
    confirmed = [
        of
        for of, event in session.timeline.defects.items()
        if event["event"] == "defect_confirmed" and 16 < event["frame"] < 60 and event["score"] > 20
    ]
    strong = []
    for defect_id in confirmed:
        shown = inspect_recorded(session, defect_id)
        assert shown.before.shape == shown.after.shape == shown.residual.shape == (64, 64)
        assert 1 <= shown.frames_after <= 8
        assert shown.frames_before >= 4
        strong.append(np.nanmax(np.abs(middle(shown.residual))))
    assert len(strong) >= 3
    assert np.median(strong) > 5


def test_frames_of_the_warm_up_are_registered_by_the_drift_that_follows(recorded):
    """The earliest defects have few analysed frames before them."""
    session = RecordedSession(recorded[0])
    first = min(
        (e for e in session.timeline.defects.values() if e["event"] == "defect_confirmed"),
        key=lambda event: event["first_seen_frame"],
    )
    shown = inspect_recorded(session, first["defect_id"])
    assert shown.frames_before >= 4
    later = [d for d, e in session.timeline.defects.items() if 25 < e["frame"] < 40]
    sharp = inspect_recorded(session, later[0])
    contrast = [np.nanstd(picture.before) for picture in (shown, sharp)]
    assert contrast[0] > 0.6 * contrast[1]  # drift of 0.6 px a frame would smear the columns


FAST = (
    "sim:mos2?size=192&frames=120&seed=5&detected_e_per_px=0.2&damage=6&damage_from=60&drift_px=1"
)


@pytest.fixture(scope="module")
def summed(tmp_path_factory):
    """A session of fast scans of which the engine summed six at a time."""
    directory = tmp_path_factory.mktemp("summed") / "session"
    settings = Settings().with_values({"integrate": 6, "warm_up_frames": 4})
    recorder, options = Recorder(directory), SessionOptions(settings=settings)
    engine = engine_for(settings)
    run_session(open_source(FAST), engine, taps=[recorder], sinks=[recorder], options=options)
    return RecordedSession(directory)


def test_all_frames_of_a_sum_are_shown_where_the_engine_summed_them(summed):
    born = [k for k, e in summed.timeline.defects.items() if e["event"] == "defect_confirmed"]
    shown = [inspect_recorded(summed, defect_id) for defect_id in born]
    assert all(each.frames_before >= 4 * 6 and each.frames_after > 8 for each in shown)
    # a frame alone has 0.2 electrons per pixel; smeared by a drift of 1 px they would show nothing
    assert max(np.nanmax(np.abs(middle(each.residual))) for each in shown) > 8


def test_what_cannot_be_shown_is_said(recorded):
    with pytest.raises(SourceError, match="not announced"):
        inspect_recorded(RecordedSession(recorded[0]), 10**6)


def test_the_difference_knows_no_gain_and_no_offset():
    rng = np.random.default_rng(0)
    crystal = np.add.outer(np.sin(np.arange(64)), np.cos(np.arange(64)))
    before = (10 * crystal + rng.normal(0, 1, (64, 64))).astype(np.float32)
    after = (20 * crystal + 5 + rng.normal(0, 2, (64, 64))).astype(np.float32)
    assert np.abs(difference(before, after)).max() < 6
    after[30:34, 30:34] -= 30
    z = difference(before, after)
    assert z[32, 32] < -8
    before[:, :5] = np.nan
    assert np.isnan(difference(before, after)[:, :5]).all()
    flat = np.zeros((64, 64), np.float32)
    assert np.isnan(difference(flat, flat)).all()
