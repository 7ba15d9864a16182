"""What an alarm rule would have done so far."""

import pytest

from livedetect.settings import AlarmSettings
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
    assert dry_run(alarm, SERIES, EVENTS, 4.0).frame == frame


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
    assert told(alarm, dry_run(alarm, SERIES, EVENTS, 4.0)) == said


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
    assert dry_run(regions, SERIES, events, 4.0) == DryRun(frame=None, highest=3.5)
    dose = [1000.0 * (at + 1 if at < 25 else at - 24) for at in range(50)]
    rate = AlarmSettings(rule="rate", limit=0.4)
    assert dry_run(rate, SERIES | {"dose_e_per_A2": dose}, events, 4.0).frame == 24
    late = [event for event in events if event["frame"] != 24]
    assert dry_run(rate, SERIES | {"dose_e_per_A2": dose}, late, 4.0).frame is None


def test_what_is_not_known_is_not_guessed():
    unknown = SERIES | {"dose_e_per_A2": [None] * 50}
    for alarm in (AlarmSettings(rule="rate"), AlarmSettings(rule="density")):
        assert "cannot be tried" in told(alarm, dry_run(alarm, unknown, EVENTS, None))
    empty = {name: [] for name in SERIES}
    assert dry_run(AlarmSettings(rule="count"), empty, [], None).highest is None


def test_rules_in_words():
    assert in_words("count", 10.0) == "10 defects"
    assert in_words(None, None) == "no alarm"
