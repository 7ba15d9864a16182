import numpy as np
import pytest

from livedetect.settings import AlarmSettings
from livedetect.stream.alarm import Alarm, watched_area_nm2
from livedetect.types import DefectEvent, FrameResult, Phase, RegionEvent, Track


def tracks(count):
    return tuple(
        Track(
            defect_id=number,
            x_px=0.0,
            y_px=0.0,
            x_nm=None,
            y_nm=None,
            kind="unknown",
            confidence=0.0,
            score=1.0,
            first_seen_frame=0,
            confirmed_frame=0,
            last_seen_frame=0,
        )
        for number in range(count)
    )


def births(frame, count, name="defect_confirmed"):
    place = {"x_px": 0.0, "y_px": 0.0, "time_s": 0.0, "first_seen_frame": frame}
    return tuple(DefectEvent(event=name, frame=frame, defect_id=i, **place) for i in range(count))


def region(number, area_nm2):
    return RegionEvent(
        event="region_confirmed",
        frame=0,
        time_s=0.0,
        region_id=number,
        kind="hole",
        polygon_px=(),
        area_nm2=area_nm2,
    )


def result(frame=0, **values):
    default = {"phase": Phase.LIVE, "disposition": "scored"}
    return FrameResult(frame=frame, time_s=float(frame), **{**default, **values})


def frames_that_raise(alarm, results, watched_nm2=None):
    events = [(r.frame, alarm.update(r, watched_nm2)) for r in results]
    return [frame for frame, event in events if event is not None]


def alarm(rule, limit, action="notify"):
    return Alarm(AlarmSettings(rule=rule, limit=limit, action=action))


COUNTS = {
    "below": (10, [0, 5, 9], []),
    "at the limit": (10, [9, 10, 11], [1]),
    "stays above": (10, [10, 12, 15], [0]),
    "hovers": (10, [10, 9, 10, 9, 10], [0]),
    "falls and comes back": (10, [10, 8, 10], [0, 2]),
    "limit one": (1, [0, 1, 0, 1], [1, 3]),
    "limit zero is any defect": (0, [0, 1, 2], [1]),
}


@pytest.mark.parametrize(("limit", "counts", "raised"), COUNTS.values(), ids=COUNTS)
def test_count(limit, counts, raised):
    results = [result(i, active_tracks=tracks(n)) for i, n in enumerate(counts)]
    assert frames_that_raise(alarm("count", limit), results) == raised


def test_no_rule_no_alarm():
    results = [result(0, active_tracks=tracks(1000))]
    assert frames_that_raise(alarm("none", 0), results) == []


def test_the_event_says_rule_limit_value_and_action():
    event = alarm("count", 2, "blank").update(result(7, active_tracks=tracks(3)), None)
    assert event.as_dict() == {
        "event": "alarm",
        "frame": 7,
        "time_s": 7.0,
        "area_id": 0,
        "segment_id": 0,
        "dose_e_per_A2": None,
        "rule": "count",
        "limit": 2.0,
        "value": 3.0,
        "action": "blank",
    }


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.WARMING_UP, Phase.DRIFTED])
def test_nothing_is_raised_outside_the_live_phase(phase):
    results = [result(0, phase=phase, active_tracks=tracks(9))]
    assert frames_that_raise(alarm("count", 1), results) == []


@pytest.mark.parametrize(("area_nm2", "raised"), [(100.0, []), (50.0, [0]), (None, [])])
def test_density_is_per_watched_area(area_nm2, raised):
    results = [result(0, active_tracks=tracks(10))]
    assert frames_that_raise(alarm("density", 0.2), results, area_nm2) == raised


RATES = {
    "one in ten frames of 100 e/Å²": ([1] + [0] * 9, 100.0, 1.2),
    "one a frame": ([1] * 10, 100.0, 10.0),
    "half the dose a frame": ([1] * 10, 50.0, 20.0),
}


@pytest.mark.parametrize(("counts", "dose", "rate"), RATES.values(), ids=RATES)
def test_rate_is_births_over_dose(counts, dose, rate):
    watch = alarm("rate", 1e9)
    watch.update(result(0, dose_e_per_A2=dose), None)
    for number, count in enumerate(counts, start=1):
        here = result(number, dose_e_per_A2=dose * (number + 1), events=births(number, count))
        watch.update(here, None)
    assert watch.value == pytest.approx(rate, rel=0.2)


def test_rate_forgets_after_twenty_frames():
    watch = alarm("rate", 1e9)
    for number in range(40):
        here = births(number, 5 if number < 10 else 0)
        watch.update(result(number, dose_e_per_A2=100.0 * number, events=here), None)
    assert watch.value == 0


def test_rate_needs_a_dose_and_some_frames():
    watch = alarm("rate", 0.001)
    results = [result(i, events=births(i, 5)) for i in range(30)]
    assert frames_that_raise(watch, results) == []
    few = [result(i, dose_e_per_A2=float(i + 1), events=births(i, 5)) for i in range(4)]
    assert frames_that_raise(alarm("rate", 0.001), few) == []


def test_defects_of_the_first_frames_are_no_births():
    watch = alarm("rate", 1e9)
    for number in range(10):
        events = births(number, 5, "defect_at_start")
        watch.update(result(number, dose_e_per_A2=float(number), events=events), None)
    assert watch.value == 0


def test_region_area_adds_up_and_a_later_word_on_a_region_replaces_the_first():
    watch = alarm("region_area", 5.0)
    results = [
        result(0, events=(region(1, 2.0),)),
        result(1, events=(region(1, 3.0), region(2, 1.0))),
        result(2, events=(region(2, 2.5),)),
    ]
    assert frames_that_raise(watch, results) == [2]
    assert watch.value == 5.5


def test_another_area_of_the_specimen_starts_anew():
    watch = alarm("region_area", 5.0)
    results = [
        result(0, events=(region(1, 4.0),)),
        result(1, area_id=1, events=(region(2, 4.0),)),
    ]
    assert frames_that_raise(watch, results) == []


def test_a_changed_rule_is_followed_from_then_on():
    watch = alarm("count", 100)
    watch.update(result(0, active_tracks=tracks(5)), None)
    watch.change(AlarmSettings(rule="count", limit=5))
    assert frames_that_raise(watch, [result(1, active_tracks=tracks(5))]) == [1]


def test_the_watched_area_counts_blocks_within_the_frame():
    mask = np.zeros((4, 4), dtype=bool)
    mask[:2] = True
    half = result(0, watched=mask, watched_block_px=8)
    everything = result(0, watched=np.ones((4, 4), dtype=bool), watched_block_px=8)
    assert watched_area_nm2((32, 32), half, 0.01) == pytest.approx(5.12)
    assert watched_area_nm2((30, 30), everything, 0.01) == pytest.approx(9.0)
    assert watched_area_nm2((32, 32), result(0), 0.01) == pytest.approx(10.24)
    assert watched_area_nm2((32, 32), half, None) is None


def test_births_told_before_their_frame_was_complete_count_with_it():
    early, whole = alarm("rate", 1e9), alarm("rate", 1e9)
    for number in range(1, 15):
        dose = {"dose_e_per_A2": 100.0 * number}
        early.update(result(number, disposition="none", events=births(number, 1), **dose), None)
        early.update(result(number, **dose), None)
        whole.update(result(number, events=births(number, 1), **dose), None)
    assert whole.value > 0
    assert early.value == whole.value
