import dataclasses
import threading

import numpy as np
import pytest

from livedetect.errors import SourceError
from livedetect.settings import Settings
from livedetect.stream.client import ResultsClient
from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import Command, Frame, Gap, Notice, Phase, Rejection

FATES = ("warm_up", "scored", "invalid", "suspect", "duplicate", "late", "skipped", "pending")


def balanced(ledger):
    return (
        ledger["received"] == sum(ledger[fate] for fate in FATES)
        and ledger["sent"] == ledger["received"] - ledger["duplicate"] + ledger["missing"]
    )


class Orders:
    """Gives each command before the frame it is due at."""

    def __init__(self, engine, due):
        self.engine, self.due = engine, dict(due)

    def poll(self):
        command = self.due.pop(len(self.engine.seen), None)
        return [] if command is None else [command]


def test_a_finite_source_is_analysed_frame_by_frame(engine, listed, frames, notes):
    source = listed(frames(20))
    outcome = run_session(source, engine, taps=[notes], sinks=[notes])
    assert outcome.status == "success"
    assert outcome.message == ""
    assert outcome.ledger["warm_up"] == 3
    assert outcome.ledger["scored"] == 17
    assert balanced(outcome.ledger)
    assert engine.seen == list(range(20))
    assert [item.index for item in notes.items] == list(range(20))
    assert notes.events[0].event == "run_started"
    assert notes.events[-1].event == "run_ended"
    assert notes.closed == 1
    assert source.closed == 1


def test_run_started_and_run_ended_say_what_the_contract_asks(engine, listed, frames, notes):
    outcome = run_session(listed(frames(5)), engine, sinks=[notes])
    (started,), (ended,) = notes.named("run_started"), notes.named("run_ended")
    assert started["source"] == "list"
    assert started["session_id"] == outcome.session_id
    assert started["settings"]["method"] == "lattice"
    assert ended["status"] == "success"
    assert ended["frame"] == 4
    assert ended["ledger"] == dict(outcome.ledger)
    assert set(ended["latency_ms"]) == {"p50", "p95", "max"}
    assert 0 <= ended["latency_ms"]["p50"] <= ended["latency_ms"]["max"]


def test_defects_reach_the_sinks_in_the_result_of_their_frame(engine, listed, frame, notes):
    items = [frame(0), frame(1), frame(2), frame(3, (4, 5)), frame(4, (4, 5))]
    run_session(listed(items), engine, sinks=[notes])
    (defect,) = notes.named("defect_confirmed")
    assert (defect["frame"], defect["x_px"], defect["y_px"]) == (3, 5.0, 4.0)


def test_holes_repeats_and_stragglers_balance(engine, listed, frame, notes):
    items = [frame(i) for i in (0, 1, 2, 3, 6, 5, 6, 7)]
    outcome = run_session(listed(items), engine, taps=[notes], sinks=[notes])
    ledger = outcome.ledger
    assert balanced(ledger)
    assert (ledger["missing"], ledger["late"], ledger["duplicate"]) == (1, 1, 1)
    assert ledger["sent"] == 8
    assert engine.seen == [0, 1, 2, 3, 6, 7]
    assert len(notes.named("gap")) == 1
    shown = [item.index for item in notes.items if isinstance(item, Frame)]
    assert shown == [0, 1, 2, 3, 6, 5, 7]


def test_all_kinds_of_items_balance(engine, listed, frame, notes):
    bad = Frame.from_array(np.full((8, 8), np.nan), index=3)
    items = [
        *(frame(i) for i in range(3)),
        bad,
        Rejection(index=4, reason="invalid", message="truncated"),
        Gap(first_missing=5, missing_frames=10),
        Notice(event="source_restarted", index=15),
        frame(15),
    ]
    outcome = run_session(listed(items), engine, sinks=[notes])
    assert balanced(outcome.ledger)
    assert outcome.ledger["invalid"] == 2
    assert outcome.ledger["missing"] == 10
    assert outcome.ledger["sent"] == 16
    assert len(notes.named("source_restarted")) == 1


def test_the_number_of_frames_can_be_limited(engine, listed, frames):
    outcome = run_session(listed(frames(20)), engine, options=SessionOptions(frames=7))
    assert outcome.reason == "frames"
    assert outcome.status == "success"
    assert outcome.ledger["received"] == 7
    assert engine.seen == list(range(7))


def test_a_live_source_that_is_too_fast_skips_to_the_newest(engine, listed, frames, notes):
    arrived = threading.Event()
    step = engine.step

    def slow_step(item):
        if isinstance(item, Frame) and item.index == 0:
            arrived.wait(5)
        return step(item)

    engine.step = slow_step
    source = listed([*frames(40), arrived.set], live=True)
    outcome = run_session(source, engine, taps=[notes], sinks=[notes])
    assert outcome.ledger["skipped"] > 0
    assert balanced(outcome.ledger)
    assert engine.seen[-1] == 39
    assert [item.index for item in notes.items] == list(range(40))
    rejected = notes.named("frame_rejected")
    assert len(rejected) == outcome.ledger["skipped"]
    assert {event["reason"] for event in rejected} == {"skipped"}


def test_a_finite_source_never_skips_however_slow_the_engine(engine, listed, frames):
    step = engine.step
    pause = threading.Event()

    def slow_step(item):
        pause.wait(0.002)
        return step(item)

    engine.step = slow_step
    outcome = run_session(listed(frames(60)), engine)
    assert outcome.ledger["skipped"] == 0
    assert engine.seen == list(range(60))


def test_a_failing_source_keeps_what_was_analysed(engine, listed, frames, notes):
    source = listed([*frames(6), SourceError("the cable was pulled")])
    outcome = run_session(source, engine, sinks=[notes])
    assert outcome.status == "fail"
    assert "the cable was pulled" in outcome.message
    assert engine.seen == list(range(6))
    (ended,) = notes.named("run_ended")
    assert ended["status"] == "fail"
    assert "the cable was pulled" in ended["message"]


def test_a_source_that_cannot_be_closed_costs_nothing(engine, listed, frames, notes):
    source = listed(frames(6))

    def stuck():
        raise OSError("the share is away")

    source.close = stuck
    outcome = run_session(source, engine, sinks=[notes])
    assert outcome.status == "success"
    assert notes.named("run_ended")[0]["ledger"]["received"] == 6
    assert notes.closed


def test_a_failing_engine_ends_the_session_with_its_message(engine, listed, frames, notes):
    def broken_step(_):
        raise ZeroDivisionError("a singular matrix")

    engine.step = broken_step
    outcome = run_session(listed(frames(6)), engine, sinks=[notes])
    assert outcome.status == "fail"
    assert "a singular matrix" in outcome.message
    assert outcome.ledger["pending"] == 1
    assert balanced(outcome.ledger)
    assert notes.named("run_ended")


def test_an_empty_finite_source_is_a_failure(engine, listed):
    outcome = run_session(listed([]), engine)
    assert outcome.status == "fail"
    assert "No frame" in outcome.message


def test_a_live_source_that_ends_without_a_frame_is_a_failure(engine, listed, notes):
    outcome = run_session(listed([], live=True), engine, sinks=[notes])
    assert (outcome.status, outcome.reason) == ("fail", "source_ended")
    assert notes.named("run_ended")[0]["message"] == outcome.message


def test_a_stop_before_the_first_frame_is_no_failure(engine, listed, stop):
    class Stops:
        def poll(self):
            return [Command(name="stop", args={})]

    source = listed([lambda: stop.wait(1)], live=True)
    outcome = run_session(source, engine, options=SessionOptions(commands=[Stops()]))
    stop.set()
    assert (outcome.status, outcome.reason) == ("success", "command")


def test_too_few_frames_for_the_warm_up_are_no_failure_but_said(engine, listed, frames):
    outcome = run_session(listed(frames(2)), engine)
    assert outcome.status == "success"
    assert "2 of the 3 warm-up frames" in outcome.message


def test_an_interrupted_session_is_closed_properly(engine, listed, frames, notes, stop):
    source = listed([*frames(4), stop.set, *frames(4)], live=True)
    outcome = run_session(source, engine, sinks=[notes], options=SessionOptions(stop=stop))
    assert outcome.status == "abort"
    assert balanced(outcome.ledger)
    assert notes.events[-1].event == "run_ended"
    assert notes.closed == 1


def test_silence_ends_the_session_after_the_idle_time(engine, listed, frames, notes, stop):
    source = listed([*frames(4), lambda: stop.wait(10)], live=True)
    options = SessionOptions(stop=stop, idle_timeout_s=0.6, stall_s=0.2)
    outcome = run_session(source, engine, sinks=[notes], options=options)
    assert outcome.reason == "idle_timeout"
    assert outcome.status == "success"
    assert len(notes.named("stalled")) == 1
    assert stop.is_set()


def test_a_step_longer_than_the_idle_time_is_no_silence(engine, listed, frames, notes, stop):
    learn, learning = engine.step, threading.Event()

    def slowly(item):
        if getattr(item, "index", 0) == 2:
            learning.set()
            stop.wait(0.8)
        return learn(item)

    engine.step = slowly
    first, later = frames(8)[:3], frames(8)[3:]
    source = listed([*first, lambda: learning.wait(10), *later, lambda: stop.wait(10)], live=True)
    options = SessionOptions(stop=stop, idle_timeout_s=0.4)
    outcome = run_session(source, engine, sinks=[notes], options=options)
    assert outcome.reason == "idle_timeout"
    assert len([result for result in notes.results if result.disposition != "none"]) == 8


def test_the_status_is_told_after_every_result(engine, listed, frames, notes):
    run_session(listed(frames(6)), engine, sinks=[notes])
    last = notes.statuses[-1]
    assert (last.frame, last.phase) == (5, Phase.LIVE)
    assert last.ledger["scored"] == 3
    assert last.frames_per_s > 0
    assert last.last_latency_ms > 0


def test_commands_take_effect_before_a_frame_and_are_events(engine, listed, frames, notes):
    orders = Orders(engine, {4: Command(name="rebaseline")})
    run_session(listed(frames(8)), engine, sinks=[notes], options=SessionOptions(commands=[orders]))
    (command,) = notes.named("command")
    assert (command["frame"], command["name"], command["ok"]) == (4, "rebaseline", True)
    assert engine.commands == [Command(name="rebaseline")]


def test_a_note_is_an_event_and_nothing_else(engine, listed, frames, notes):
    orders = Orders(engine, {4: Command(name="note", args={"text": "beam blanked"})})
    run_session(listed(frames(8)), engine, sinks=[notes], options=SessionOptions(commands=[orders]))
    (command,) = notes.named("command")
    assert (command["frame"], command["args"], command["ok"]) == (4, {"text": "beam blanked"}, True)
    assert engine.commands == []


def test_the_command_stop_ends_well(engine, listed, frames):
    orders = Orders(engine, {5: Command(name="stop")})
    outcome = run_session(listed(frames(20)), engine, options=SessionOptions(commands=[orders]))
    assert (outcome.status, outcome.reason) == ("success", "command")
    assert engine.seen == list(range(5))
    assert balanced(outcome.ledger)


@pytest.mark.parametrize(
    "args", [{"rule": "nonsense"}, {"limit": -1.0}, {"limit": "many"}, {"colour": "red"}]
)
def test_a_refused_command_changes_nothing_and_is_said(engine, listed, frames, notes, args):
    orders = Orders(engine, {2: Command(name="set_alarm", args=args)})
    options = SessionOptions(commands=[orders])
    outcome = run_session(listed(frames(5)), engine, sinks=[notes], options=options)
    (command,) = notes.named("command")
    assert outcome.status == "success"
    assert command["ok"] is False
    assert command["error"]


def test_set_alarm_arms_the_rule(engine, listed, frame, notes):
    items = [*(frame(i) for i in range(5)), frame(5, (1, 1)), frame(6, (1, 1), (6, 6)), frame(7)]
    args = {"rule": "count", "limit": 2, "action": "stop_scan"}
    orders = Orders(engine, {2: Command(name="set_alarm", args=args)})
    run_session(listed(items), engine, sinks=[notes], options=SessionOptions(commands=[orders]))
    (alarm,) = notes.named("alarm")
    assert (alarm["frame"], alarm["rule"], alarm["value"]) == (6, "count", 2.0)
    assert alarm["action"] == "stop_scan"
    assert notes.statuses[-1].alarm


def test_the_alarm_of_the_settings_follows_its_frame_result(engine, listed, frame, notes):
    settings = Settings().with_values({"alarm.rule": "count", "alarm.limit": 1})
    items = [*(frame(i) for i in range(4)), frame(4, (1, 1))]
    run_session(listed(items), engine, sinks=[notes], options=SessionOptions(settings=settings))
    assert [event.event for event in notes.results[4].events] == ["defect_confirmed", "alarm"]


def test_a_sink_that_fails_is_let_go_and_the_rest_goes_on(engine, listed, frames, notes):
    class FullDisk(type(notes)):
        def on_result(self, _):
            raise OSError("no space left on device")

    full = FullDisk()
    outcome = run_session(listed(frames(6)), engine, taps=[full], sinks=[full, notes])
    assert outcome.ledger["scored"] == 3
    assert outcome.faults == ("FullDisk: no space left on device",)
    assert len(notes.named("recording_stopped")) == 1
    assert full.closed == 1
    assert len(full.items) < 6


def test_equal_runs_give_equal_events(listed, frame, notes, engine):
    items = [frame(0), frame(1), frame(2), frame(3, (2, 2)), frame(6, (2, 2), (3, 7))]
    second, again = type(notes)(), type(engine)()
    run_session(listed(items), engine, sinks=[notes])
    run_session(listed(items), again, sinks=[second])
    assert notes.events[1:-1] == second.events[1:-1]


def test_events_carry_place_and_dose_of_the_latest_frame(engine, listed, frames, notes):
    step = engine.step
    engine.step = lambda item: dataclasses.replace(step(item), dose_e_per_A2=7.5, area_id=2)
    run_session(listed(frames(5)), engine, sinks=[notes])
    (ended,) = notes.named("run_ended")
    assert (ended["dose_e_per_A2"], ended["area_id"]) == (7.5, 2)


@pytest.fixture
def published():
    """A publisher at any free port and a client that is attached to it."""
    publisher = ResultsPublisher("tcp://127.0.0.1:0")
    client = ResultsClient(publisher.endpoint)
    assert client.wait_until_attached(5)
    yield publisher, client
    client.close()
    publisher.close()


def test_an_operator_at_another_program_commands_the_session(
    engine, listed, frames, notes, stop, published
):
    publisher, client = published

    def operate():
        client.request("set_alarm", rule="count", limit=3, action="notify")
        client.request("rebaseline")
        client.request("stop")

    source = listed([*frames(5), operate, lambda: stop.wait(10)], live=True)
    options = SessionOptions(stop=stop, commands=[publisher])
    outcome = run_session(
        source, engine, taps=[publisher], sinks=[publisher, notes], options=options
    )
    assert (outcome.status, outcome.reason) == ("success", "command")
    assert [c["name"] for c in notes.named("command")] == ["set_alarm", "rebaseline", "stop"]
    assert all(command["ok"] for command in notes.named("command"))
    assert engine.commands == [Command(name="rebaseline")]
