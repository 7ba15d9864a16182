import threading
from collections import deque

import pytest

from livedetect.stream.backlog import Arrival, Receiver, skip_to_newest
from livedetect.types import Frame, Gap, Rejection


def pending(items):
    return deque(Arrival(item=item, at_s=float(number)) for number, item in enumerate(items))


@pytest.mark.parametrize(
    ("count", "limit", "kept"),
    [(0, 4, []), (4, 4, [0, 1, 2, 3]), (5, 4, [4]), (2, 1, [1]), (9, 8, [8])],
)
def test_beyond_the_limit_only_the_newest_frame_is_kept(frame, count, limit, kept):
    waiting = pending([frame(i) for i in range(count)])
    skip_to_newest(waiting, limit)
    assert [a.item.index for a in waiting if isinstance(a.item, Frame)] == kept
    skipped = [a.item for a in waiting if isinstance(a.item, Rejection)]
    assert [r.index for r in skipped] == [i for i in range(count) if i not in kept]
    assert {r.reason for r in skipped} <= {"skipped"}


def test_gaps_keep_their_place_and_arrivals_their_time(frame):
    hole = Gap(first_missing=1, missing_frames=2)
    waiting = pending([frame(0), hole, frame(3), frame(4)])
    skip_to_newest(waiting, 2)
    assert [type(a.item) for a in waiting] == [Rejection, Gap, Rejection, Frame]
    assert [a.at_s for a in waiting] == [0.0, 1.0, 2.0, 3.0]


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
