"""When the plug-in acts on an alarm; pure, without Swift."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "adapters" / "nionswift" / "nionswift_plugin" / "livedetect_bridge" / "alarm.py"


@pytest.fixture(scope="module")
def alarm():
    spec = importlib.util.spec_from_file_location("nion_alarm", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def said(*, raised=False, flag=False, epoch="a", frame=0):
    event = {"event": "alarm", "frame": frame, "action": "blank", "rule": "count", "value": 3.0}
    return {
        "epoch": epoch,
        "frame": frame,
        "flags": {"alarm": flag},
        "events": [event] if raised else [],
    }


def raises(alarm, messages):
    watch = alarm.AlarmWatch()
    return [watch.raised_by(message) is not None for message in messages]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{}, {"raised": True}, {"flag": True}, {"flag": True}], [0, 1, 0, 0]),
        # the flag of the message with the event lags behind
        ([{"raised": True}, {}, {"flag": True}, {}], [1, 0, 0, 0]),
        # the event was lost, the flag says it too
        ([{}, {"flag": True}, {"flag": True}], [0, 1, 0]),
        # after it was re-armed in the engine it can be raised again
        ([{"raised": True, "flag": True}, {}, {"flag": True}], [1, 0, 1]),
        # another engine
        ([{"raised": True, "flag": True}, {"flag": True, "epoch": "b"}], [1, 1]),
    ],
)
def test_an_alarm_is_acted_on_once(alarm, messages, expected):
    assert raises(alarm, [said(**message) for message in messages]) == [bool(e) for e in expected]


@pytest.mark.parametrize(
    ("armed", "wanted", "asked", "action"),
    [
        (False, "blank", "blank", "notify"),
        (True, "as_asked", "none", "notify"),
        (True, "as_asked", "blank", "blank"),
        (True, "as_asked", "stop_scan", "blank_and_stop"),
        (True, "as_asked", "explode", "notify"),
        (True, "notify", "blank", "notify"),
        (True, "blank", "none", "blank"),
    ],
)
def test_what_is_done(alarm, armed, wanted, asked, action):
    guard = alarm.Guard()
    guard.arm(armed=armed)
    assert guard.action(wanted, asked) == action


def test_it_arms_again_only_after_somebody_switched_the_beam_on(alarm):
    guard = alarm.Guard()
    guard.arm(armed=True)
    assert not guard.beam_seen(blanked=False)
    guard.tripped()
    assert guard.duty is alarm.Duty.TRIPPED
    assert not guard.beam_seen(blanked=True)
    assert not guard.beam_seen(blanked=None)
    assert guard.beam_seen(blanked=False)
    assert guard.duty is alarm.Duty.ARMED


def test_disarmed_stays_disarmed(alarm):
    guard = alarm.Guard()
    guard.tripped()
    guard.beam_seen(blanked=False)
    assert guard.duty is alarm.Duty.DISARMED
