"""Refits beside the loop: what takes effect is decided by frames, never by time."""

import dataclasses
import threading

import pytest

from livedetect.protocols import RefitRequest
from livedetect.stream.refits import THREAD_NAME
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import Command, Gap, NoticeEvent, Rejection
from tests.stream.conftest import ThresholdEngine
from tests.stream.recorded_runs import Script
from tests.waiting import until


class Learner(ThresholdEngine):
    """Asks for a refit at frame 4 for frame 8; says what it was given, and when."""

    def __init__(self, learn=lambda: "learnt"):
        super().__init__()
        self.learn, self.wanted, self.given = learn, None, None
        self.number = 0

    def step(self, item):
        result = super().step(item)
        if self.seen and self.seen[-1] == 4 and self.number == 0:
            self.number += 1
            self.wanted = RefitRequest(number=1, install_at=8, learn=self.learn)
        if self.given is not None:
            values = {"reason": str(self.given)}
            stamp = {"frame": result.frame, "time_s": result.time_s}
            said = NoticeEvent(event="model_refitted", values=values, **stamp)
            result = dataclasses.replace(result, events=(*result.events, said))
            self.given = self.wanted = None
        return result

    def apply(self, command):
        self.wanted = None
        return super().apply(command)

    def refit_request(self):
        return self.wanted

    def install(self, number, learnt):
        assert number == self.number
        self.given = learnt


def installed(engine, items, notes, listed, script=None):
    script = script or Script()
    options = SessionOptions(commands=[script])
    outcome = run_session(
        listed(items), engine, taps=[script, notes], sinks=[notes], options=options
    )
    assert outcome.status == "success"
    return [(event["frame"], event["reason"]) for event in notes.named("model_refitted")]


def refit_threads():
    return [each for each in threading.enumerate() if each.name.startswith(THREAD_NAME)]


def slowly():
    threading.Event().wait(0.5)
    return "learnt"


@pytest.mark.parametrize("learn", [lambda: "learnt", slowly])
def test_a_refit_takes_effect_at_its_frame_however_long_it_takes(learn, notes, listed, frames):
    engine = Learner(learn)
    assert installed(engine, frames(20), notes, listed) == [(8, "learnt")]
    assert not refit_threads()


def test_a_hole_at_the_frame_leaves_it_to_the_next_one(notes, listed, frame):
    items = [
        *(frame(n) for n in range(7)),
        Gap(first_missing=7, missing_frames=3, reason="lost"),
        Rejection(index=10, reason="invalid", message="torn"),
        frame(11),
        frame(12),
    ]
    assert installed(Learner(), items, notes, listed) == [(11, "learnt")]


def test_a_command_that_makes_it_void_is_obeyed_before_the_frame(notes, listed, frames):
    script = Script((8, Command(name="rebaseline")))
    assert installed(Learner(slowly), frames(20), notes, listed, script) == []
    assert not refit_threads()


def test_a_refit_that_fails_is_handed_over_as_what_it_raised(notes, listed, frames, caplog):
    def fail():
        raise MemoryError("too large")

    assert installed(Learner(fail), frames(20), notes, listed) == [(8, "too large")]
    assert "the model could not be learnt anew" in caplog.text


def test_an_end_during_a_refit_leaves_no_thread(notes, listed, frames):
    assert installed(Learner(slowly), frames(7), notes, listed) == []
    assert not refit_threads()


def test_a_stop_ends_the_waiting_for_a_refit(notes, listed, frames):
    stop, held = threading.Event(), threading.Event()

    def learn():
        stop.set()  # while the loop waits, or will
        held.wait(0.3)

    outcome = run_session(
        listed(frames(20)), Learner(learn), sinks=[notes], options=SessionOptions(stop=stop)
    )
    assert outcome.status == "abort"
    assert not notes.named("model_refitted")
    assert not refit_threads()


def test_while_a_frame_waits_for_a_refit_orders_are_obeyed_and_the_state_is_told(
    notes, listed, frames
):
    waiting, obeyed = threading.Event(), threading.Event()
    ordered = []

    class Clicks:
        """Somebody who wants something as soon as the loop waits."""

        def poll(self):
            if waiting.is_set() and engine.seen[-1] == 7 and not ordered:
                ordered.append(Command(name="accept"))
                return ordered
            return []

    class Patient(Learner):
        def apply(self, command):
            assert command.name == "accept"  # which leaves the refit wanted
            obeyed.set()
            return ()

    def learn():
        waiting.set()
        assert obeyed.wait(20)
        told = len(notes.statuses)
        until(lambda: len(notes.statuses) > told)  # without frames, once a second
        return "learnt"

    engine = Patient(learn)
    outcome = run_session(
        listed(frames(20)), engine, sinks=[notes], options=SessionOptions(commands=[Clicks()])
    )
    assert outcome.status == "success"
    assert [e["frame"] for e in notes.named("command")] == [8]
    assert [(e["frame"], e["reason"]) for e in notes.named("model_refitted")] == [(8, "learnt")]


def test_an_engine_that_asks_for_nothing_needs_no_thread(engine, notes, listed, frames):
    started = []
    notes.on_frame = lambda _: started.extend(refit_threads())
    run_session(listed(frames(10)), engine, taps=[notes], sinks=[notes])
    assert started == []


def test_the_end_is_told_before_a_refit_that_nobody_needs_any_more(notes, listed, frames):
    told, ends = threading.Event(), []
    notes.on_event = lambda event: event.event == "run_ended" and told.set()

    def learn():
        ends.append(told.wait(20))

    run_session(listed(frames(7)), Learner(learn), sinks=[notes])
    assert ends == [True]
