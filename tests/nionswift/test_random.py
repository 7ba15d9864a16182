"""An operator who views, records, aborts and subscans at random; the ledger stays intact."""

import dataclasses
import time

import numpy as np
import pytest

from livedetect.stream.ledger import Ledger
from livedetect.types import Frame, Gap
from tests.nionswift.rig import until

FATES = ("sent", "dropped", "torn", "unsuitable", "unsent", "fault", "waiting")


def act(swift, random):
    """One thing that an operator may do, and what it is called."""
    what = random.choice(["view", "record", "abort", "stop", "subscan", "whole", "channels"])
    if what == "view":
        swift.scan(size=int(random.integers(96, 320)))
    elif what == "channels":
        swift.scan(size=128, channels=[0, 1] if random.random() < 0.5 else [0])
    elif what == "record":
        swift.record(size=int(random.integers(128, 512)))
    elif what == "abort":
        swift.abort()
        swift.abort_record()
    elif what == "stop":
        swift.stop()
    else:
        swift.subscan(on=what == "subscan")
    return what


def last_line(item):
    """Half an hour of whole frames would not fit into memory; torn ones lack their last line."""
    if not isinstance(item, Frame):
        return item
    return dataclasses.replace(item, data=item.data[-1:].copy())


def play(swift, subscriber, seconds, seed):
    random = np.random.default_rng(seed)
    before = swift.status()["counts"]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        act(swift, random)
        time.sleep(random.uniform(0.02, 0.6))
    swift.abort()
    swift.abort_record()
    until(lambda: not swift.scanning())
    counts = until(lambda: (c := swift.status()["counts"]).get("waiting", 0) == 0 and c)
    assert counts["seen"] == sum(counts.get(name, 0) for name in FATES)
    assert counts.get("fault", 0) == before.get("fault", 0)
    swift.stop_streaming()
    until(lambda: subscriber.ended, 60)


def check(items):
    ledger = Ledger()
    for item in items:
        for admitted in ledger.admit(item):
            ledger.settle(admitted, "scored")
    told = ledger.counts()
    assert told["sent"] == told["received"] - told["duplicate"] + told["missing"]
    assert told["missing"] == sum(i.missing_frames for i in items if isinstance(i, Gap))
    frames = [item for item in items if hasattr(item, "data")]
    assert frames
    assert len({frame.scan_id for frame in frames}) == len(frames)
    assert not [frame.index for frame in frames if not frame.data[-1].any()]


def test_a_short_while(swift, subscribe):
    subscriber = subscribe(f"{swift.stream()}?stream=swift/HAADF", keep=last_line)
    play(swift, subscriber, seconds=8, seed=5)
    check(list(subscriber.items))


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_half_an_hour(swift, subscribe):
    subscriber = subscribe(f"{swift.stream()}?stream=swift/HAADF", keep=last_line)
    play(swift, subscriber, seconds=1800, seed=6)
    check(list(subscriber.items))
