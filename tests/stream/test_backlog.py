import dataclasses
import threading
import weakref

import pytest

from livedetect.stream.backlog import Arrival, Backlog, Receiver
from livedetect.types import Frame, Gap, PartialFrame, Rejection


def filled(items, *, interval_s, step_s, limit=4):
    backlog = Backlog(limit)
    for number, item in enumerate(items):
        backlog.put(Arrival(item=item, at_s=interval_s * number))
    for _ in range(5):
        backlog.note_step(step_s)
    return backlog


def drained(backlog):
    return [backlog.take() for _ in range(len(backlog))]


def indices(arrivals, kind):
    return [arrival.item.index for arrival in arrivals if isinstance(arrival.item, kind)]


SLOWER = {"interval_s": 0.1, "step_s": 0.2}
FASTER = {"interval_s": 0.1, "step_s": 0.05}


@pytest.mark.parametrize(
    ("count", "limit", "kept"),
    [(0, 4, []), (4, 4, [0, 1, 2, 3]), (5, 4, [4]), (2, 1, [1]), (9, 8, [8])],
)
def test_beyond_its_limit_a_slow_engine_gets_only_the_newest(frames, count, limit, kept):
    backlog = filled(frames(count), limit=limit, **SLOWER)
    backlog.skip_if_behind()
    left = drained(backlog)
    assert indices(left, Frame) == kept
    assert indices(left, Rejection) == [i for i in range(count) if i not in kept]
    assert {a.item.reason for a in left if isinstance(a.item, Rejection)} <= {"skipped"}


def test_an_engine_faster_than_the_stream_may_catch_up(frames):
    backlog = filled(frames(100), **FASTER)
    backlog.skip_if_behind()
    assert indices(drained(backlog), Frame) == list(range(100))


def test_an_engine_that_learns_gets_every_frame(frames):
    backlog = filled(frames(100), **SLOWER)
    backlog.skip_if_behind(learning=True)
    assert indices(drained(backlog), Frame) == list(range(100))


def test_what_was_there_before_can_wait(frames):
    backlog = Backlog(4)
    for _ in range(20):
        backlog.note_step(9.0)
    for number, frame in enumerate(frames(30)):
        backlog.put(Arrival(item=frame, at_s=0.1 * number, stored=True))
    assert backlog.stored
    backlog.skip_if_behind()
    assert indices(drained(backlog), Frame) == list(range(30))


def test_one_long_step_does_not_make_an_engine_slow(frames):
    backlog = filled(frames(100), **FASTER)
    backlog.note_step(60.0)
    backlog.skip_if_behind()
    assert len(indices(drained(backlog), Frame)) == 100


@pytest.mark.parametrize(("sum_step_s", "kept"), [(1.0, list(range(20))), (4.0, [19])])
def test_an_engine_that_sums_is_judged_by_what_a_sum_costs(frames, sum_step_s, kept):
    """Of 16 frames, 0.1 s apart, it works with the last only."""
    backlog = Backlog(4)
    for number, frame in enumerate(frames(20)):
        backlog.put(Arrival(item=frame, at_s=0.1 * number))
    for number in range(40):
        last = number % 16 == 15
        backlog.note_step(sum_step_s if last else 0.001, completes=last)
    backlog.skip_if_behind()
    assert indices(drained(backlog), Frame) == kept


def test_unfinished_frames_give_way_to_what_follows(frame):
    backlog, pixels = Backlog(1), []
    for number in range(3):
        growing = frame(number)
        pixels.append(weakref.ref(growing.data))
        for first in (0, 2):
            state = dataclasses.replace(growing, valid_rows=first + 2)
            backlog.put(Arrival(item=PartialFrame(frame=state, first_row=first), at_s=number))
        del growing, state
        if number < 2:
            backlog.put(Arrival(item=frame(number), at_s=number))
    assert [ref() is None for ref in pixels] == [True, True, False]
    left = drained(backlog)
    assert indices(left[:2], Frame) == [0, 1]
    assert (left[2].item.first_row, left[2].item.rows_done) == (0, 4)


def test_there_is_an_end_to_catching_up(frames):
    backlog = filled(frames(257), **FASTER)
    backlog.skip_if_behind()
    assert indices(drained(backlog), Frame) == [256]


def test_there_is_an_end_to_the_memory_for_it(frames, monkeypatch):
    monkeypatch.setattr("livedetect.stream.backlog._WAITING_BYTES_MAX", 10 * 8 * 8 * 4)
    backlog = filled(frames(11), **FASTER)
    backlog.skip_if_behind()
    assert indices(drained(backlog), Frame) == [10]


def test_gaps_keep_their_place_and_arrivals_their_time(frame):
    hole = Gap(first_missing=1, missing_frames=2)
    backlog = filled([frame(0), hole, frame(3), frame(4)], limit=2, **SLOWER)
    backlog.skip_if_behind()
    left = drained(backlog)
    assert [type(a.item) for a in left] == [Rejection, Gap, Rejection, Frame]
    assert [a.at_s for a in left] == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_arrivals_come_out_in_order_and_then_the_end(listed, frames, stop):
    receiver = Receiver(listed(frames(10)), stop)
    receiver.start()
    taken = [receiver.take(5.0).item.index for _ in range(10)]
    assert taken == list(range(10))
    assert receiver.take(5.0) is None
    assert receiver.exhausted
    receiver.close()


def test_the_source_waits_when_too_much_is_waiting(listed, frame, stop, monkeypatch):
    monkeypatch.setattr("livedetect.stream.backlog._WAITING_BYTES_MAX", 1)
    given = []
    many = [entry for i in range(50) for entry in (frame(i), lambda i=i: given.append(i))]
    source = listed(many)
    receiver = Receiver(source, stop)
    receiver.start()
    threading.Event().wait(0.3)
    assert len(given) <= 5
    assert [receiver.take(5.0).item.index for _ in range(50)] == list(range(50))
    receiver.close()


def test_an_error_of_the_source_comes_after_what_it_gave(listed, frames, stop):
    receiver = Receiver(listed([*frames(2), RuntimeError("pulled")]), stop)
    receiver.start()
    assert receiver.take(5.0).item.index == 0
    assert receiver.take(5.0).item.index == 1
    assert receiver.take(5.0) is None
    assert str(receiver.error) == "pulled"
    receiver.close()


def test_closing_ends_the_thread_and_releases_the_source(listed, frames, stop):
    source = listed([*frames(2), lambda: stop.wait(30), *frames(2)])
    receiver = Receiver(source, stop)
    receiver.start()
    receiver.close()
    assert source.closed == 1
    names = [thread.name for thread in threading.enumerate()]
    assert "livedetect-receiver" not in names


def test_closing_what_never_started_releases_the_source(listed, stop):
    source = listed([])
    Receiver(source, stop).close()
    assert source.closed == 1
