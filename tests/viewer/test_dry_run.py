"""What an alarm rule would have done so far."""

import pytest

from livedetect.detect.detector import Detector
from livedetect.settings import AlarmSettings
from livedetect.stream.alarm import Alarm
from livedetect.stream.history import RunHistory
from livedetect.stream.registry import open_source
from livedetect.stream.status import SessionStatus
from livedetect.stream.wire_results import Envelope, result_message
from livedetect.types import Gap
from livedetect.viewer.dry_run import DryRun, dry_run, in_words, told

SERIES = {
    "frame": list(range(50)),
    "dose_e_per_A2": [1000.0 * (at + 1) for at in range(50)],
    "active": [at // 5 for at in range(50)],
}
EVENTS = [
    *({"event": "defect_confirmed", "frame": at} for at in range(5, 50, 5)),
    {"event": "region_confirmed", "frame": 30, "area_nm2": 3.5},
]


def run(events=EVENTS, stride=1, **columns):
    return {"series": SERIES | columns, "events": events, "stride": stride}


@pytest.mark.parametrize(
    ("rule", "limit", "frame"),
    [
        ("count", 4, 20),
        ("count", 99, None),
        ("density", 0.5, 10),
        ("rate", 0.2, 5),
        ("region_area", 3.0, 30),
    ],
)
def test_first_frame_at_which_a_rule_would_have_been_met(rule, limit, frame):
    alarm = AlarmSettings(rule=rule, limit=limit)
    assert dry_run(alarm, run(), 4.0).frame == frame


@pytest.mark.parametrize(
    ("alarm", "said"),
    [
        (AlarmSettings(rule="count", limit=4, action="blank"), "Would have blanked at frame 20."),
        (AlarmSettings(rule="count", limit=4), "Would have raised the alarm at frame 20."),
        (
            AlarmSettings(rule="count", limit=99, action="stop_scan"),
            "Would not have stopped the scan so far: the highest was 9 defects.",
        ),
        (AlarmSettings(rule="none"), "No rule: no alarm."),
    ],
)
def test_the_outcome_is_said(alarm, said):
    assert told(alarm, dry_run(alarm, run(), 4.0)) == said


def test_each_area_of_the_specimen_counts_for_itself():
    """As in the engine: regions and births of the place before do not add up."""
    events = [
        {"event": "region_confirmed", "frame": 10, "area_nm2": 3.5, "area_id": 0},
        {"event": "source_changed", "frame": 25, "area_id": 1},
        {"event": "region_confirmed", "frame": 30, "area_nm2": 3.5, "area_id": 1},
        *({"event": "defect_confirmed", "frame": 24, "area_id": 0} for _ in range(9)),
    ]
    events.sort(key=lambda event: event["frame"])
    regions = AlarmSettings(rule="region_area", limit=6.0)
    assert dry_run(regions, run(events), 4.0) == DryRun(frame=None, highest=3.5)
    dose = [1000.0 * (at + 1 if at < 25 else at - 24) for at in range(50)]
    rate = AlarmSettings(rule="rate", limit=0.4)
    assert dry_run(rate, run(events, dose_e_per_A2=dose), 4.0).frame == 24
    late = [event for event in events if event["frame"] != 24]
    assert dry_run(rate, run(late, dose_e_per_A2=dose), 4.0).frame is None


def test_what_is_not_known_is_not_guessed():
    unknown = run(dose_e_per_A2=[None] * 50)
    for alarm in (AlarmSettings(rule="rate"), AlarmSettings(rule="density")):
        assert "cannot be tried" in told(alarm, dry_run(alarm, unknown, None))
    empty = {"series": {name: [] for name in SERIES}, "events": [], "stride": 1}
    assert dry_run(AlarmSettings(rule="count"), empty, None).highest is None


def test_rules_in_words():
    assert in_words("count", 10.0) == "10 defects"
    assert in_words(None, None) == "no alarm"


def test_outside_the_live_phase_a_rule_is_not_tried():
    """While the crystal is learnt or has drifted the engine raises nothing."""
    phases = ["warming_up"] * 25 + ["live"] * 5 + ["drifted"] * 20
    alarm = AlarmSettings(rule="count", limit=4)
    found = dry_run(alarm, run(phase=phases, disposition=["scored"] * 50), 4.0)
    assert found == DryRun(frame=25, highest=5.0)


SPEC = "sim:mos2?size=192&frames=45&seed=1&damage_from=14&detected_e_per_px=10"
LIMITS = {"count": (1, 3, 99), "density": (0.02, 9), "rate": (5e-4, 9), "region_area": (0.1, 9)}


@pytest.fixture(scope="module")
def analysed():
    """Results of a run with a gap, and what a viewer is told of it."""
    engine, history, results = Detector(), RunHistory(), []
    for item in open_source(SPEC):
        if item.index in (30, 31):
            item = Gap(first_missing=item.index, missing_frames=1)  # noqa: PLW2901
        results.append(engine.step(item))
        status = SessionStatus(frame=results[-1].frame, phase=results[-1].phase)
        envelope = Envelope(epoch="0" * 32, seq=len(results), control=1)
        history.add(result_message(envelope, results[-1], status))
    return results, RunHistory.from_snapshot(history.snapshot()).snapshot()


@pytest.mark.parametrize("rule", LIMITS)
def test_the_engine_would_have_done_the_same(rule, analysed):
    results, history = analysed
    for limit in LIMITS[rule]:
        alarm = AlarmSettings(rule=rule, limit=limit)
        engine = Alarm(alarm)
        raised = [r.frame for r in results if engine.update(r, 100.0)]
        assert dry_run(alarm, history, 100.0).frame == (raised[0] if raised else None)
        assert raised or limit > 1 or rule == "region_area"


def test_engines_of_earlier_versions_do_not_tell_the_phase(analysed):
    history = analysed[1]
    for name in ("phase", "disposition", "area_id"):
        history = {**history, "series": {k: v for k, v in history["series"].items() if k != name}}
    again = RunHistory.from_snapshot(history).snapshot()
    assert set(again["series"]["phase"]) == {None}
    assert dry_run(AlarmSettings(rule="count", limit=1), again, None).frame is not None
