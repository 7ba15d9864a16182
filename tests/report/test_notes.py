import itertools

import pytest

from livedetect.report.notes import Outline, Picture, Point, RunNotes, Series
from livedetect.types import Frame, NoticeEvent, RegionEvent


def point(frame):
    return Point(
        frame=frame, dose_e_per_A2=None, exposure_s_per_nm2=None, confirmed=frame, marked=0
    )


def test_a_short_series_keeps_every_point():
    series = Series(most=10)
    for frame in range(9):
        series.add(point(frame))
    assert [p.frame for p in series] == list(range(9))


def test_a_long_series_is_thinned_evenly_and_keeps_both_ends():
    series = Series(most=100)
    for frame in range(100_001):
        series.add(point(frame))
    frames = [p.frame for p in series]
    assert 50 <= len(frames) <= 101
    assert (frames[0], frames[-1]) == (0, 100_000)
    steps = {after - before for before, after in itertools.pairwise(frames[:-1])}
    assert len(steps) == 1


def test_an_outline_moves_with_the_crystal():
    event = RegionEvent(
        event="region_confirmed",
        frame=1,
        time_s=0.0,
        region_id=0,
        kind="hole",
        polygon_px=((1.0, 2.0), (3.0, 2.0), (3.0, 4.0)),
    )
    picture = Picture(frame=Frame.from_array([[0.0]]), drift_px=(5.0, 7.0))
    moved = Outline(event=event, drift_px=(4.0, 9.0)).polygon_in(picture)
    assert moved == [(2.0, 0.0), (4.0, 0.0), (4.0, 2.0)]


@pytest.mark.parametrize("ended", [{"ledger": {"scored": 500}}, {"scored": 500}])
def test_the_budget_is_counted_in_judged_frames(ended):
    ready = NoticeEvent(
        event="model_ready", frame=0, time_s=0.0, values={"false_markers_per_1000_frames": 2.0}
    )
    assert RunNotes(ended=ended, models=[ready]).false_markers_expected == pytest.approx(1.0)


def test_no_rate_is_claimed_where_the_model_claims_none():
    ready = NoticeEvent(
        event="model_ready", frame=0, time_s=0.0, values={"false_markers_per_1000_frames": None}
    )
    assert RunNotes(models=[ready]).false_markers_expected is None
