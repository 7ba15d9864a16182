import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livedetect.stream.ledger import FATES, Ledger
from livedetect.types import Frame, Gap, Notice, Rejection

PIXELS = np.zeros((2, 2))
# a busy computer is no fault
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def frame(index):
    return Frame.from_array(PIXELS, index=index)


def gap(first, count):
    return Gap(first_missing=first, missing_frames=count)


def take(ledger, item, disposition="scored"):
    out = ledger.admit(item)
    for entry in out:
        ledger.settle(entry, disposition if isinstance(entry, Frame) else "none")
    return out


def balanced(counts):
    fates = sum(counts[fate] for fate in FATES) + counts["pending"]
    sent = counts["received"] - counts["duplicate"] + counts["missing"]
    return counts["received"] == fates and counts["sent"] == sent


CASES = {
    "in order": ([frame(0), frame(1), frame(2)], {"received": 3, "scored": 3, "sent": 3}),
    "an unannounced hole": ([frame(0), frame(4)], {"missing": 3, "sent": 5}),
    "an announced hole": ([frame(0), gap(1, 3), frame(4)], {"missing": 3, "sent": 5}),
    "announced too late": ([frame(0), frame(4), gap(1, 3)], {"missing": 3, "sent": 5}),
    "announced in part": ([frame(0), gap(1, 1), frame(4)], {"missing": 3, "sent": 5}),
    "gap at the end": ([frame(0), gap(1, 9)], {"missing": 9, "sent": 10}),
    "joined late": ([frame(7), frame(8)], {"missing": 7, "sent": 9}),
    "a repeat": ([frame(0), frame(1), frame(1)], {"duplicate": 1, "received": 3, "sent": 2}),
    "a straggler": ([frame(0), frame(2), frame(1)], {"late": 1, "missing": 0, "sent": 3}),
    "a straggler twice": (
        [frame(0), frame(2), frame(1), frame(1)],
        {"late": 1, "duplicate": 1, "missing": 0, "sent": 3},
    ),
    "a straggler in a long hole": (
        [frame(0), frame(10), frame(5), frame(1), frame(9)],
        {"late": 3, "missing": 6, "sent": 11},
    ),
    "a truncated file": (
        [frame(0), Rejection(index=1), frame(2)],
        {"invalid": 1, "scored": 2, "sent": 3},
    ),
    "a duplicate the source knows of": (
        [frame(0), Rejection(index=0, reason="duplicate"), frame(1)],
        {"duplicate": 1, "received": 3, "sent": 2},
    ),
    "a notice": ([Notice(event="stalled", index=0), frame(0)], {"received": 1, "sent": 1}),
    "nothing": ([], {"received": 0, "sent": 0, "pending": 0}),
}


@pytest.mark.parametrize(("items", "expected"), CASES.values(), ids=CASES)
def test_cases(items, expected):
    ledger = Ledger()
    for item in items:
        take(ledger, item)
    counts = ledger.counts()
    assert {key: counts[key] for key in expected} == expected
    assert balanced(counts)


@UNHURRIED
@given(st.lists(st.integers(0, 30), max_size=60), st.data())
def test_the_equations_hold_whatever_comes(indices, data):
    ledger = Ledger()
    for index in indices:
        if data.draw(st.booleans()):
            take(ledger, gap(index, data.draw(st.integers(0, 5))))
        else:
            take(ledger, frame(index), data.draw(st.sampled_from(["scored", "pending"])))
        assert balanced(ledger.counts())
        assert ledger.counts()["sent"] == ledger.next_index


@UNHURRIED
@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_every_index_passes_once_and_in_order(indices):
    ledger = Ledger()
    passed = [
        item.index
        for index in indices
        for item in take(ledger, frame(index))
        if isinstance(item, Frame)
    ]
    assert passed == sorted(set(passed))
    counts = ledger.counts()
    assert counts["scored"] + counts["late"] == len(set(indices))


def test_a_hole_is_announced_before_the_frame_that_shows_it():
    ledger = Ledger()
    ledger.admit(frame(0))
    (hole, after) = ledger.admit(frame(3))
    assert (hole.first_missing, hole.missing_frames) == (1, 2)
    assert after.index == 3


def test_frames_missing_after_the_first_are_not_from_before_joining():
    ledger = Ledger()
    ledger.admit(frame(0))
    hole, announced = ledger.admit(Gap(first_missing=3, missing_frames=2, reason="told"))
    assert (hole.first_missing, hole.missing_frames, hole.reason) == (1, 2, "missing")
    assert announced.reason == "told"


def test_frames_before_joining_are_a_gap_with_that_reason():
    (hole, _) = Ledger().admit(frame(5))
    assert (hole.first_missing, hole.missing_frames, hole.reason) == (0, 5, "before joining")


def test_a_frame_without_a_result_is_pending():
    ledger = Ledger()
    ledger.admit(frame(0))
    assert ledger.counts()["pending"] == 1
