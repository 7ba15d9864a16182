"""Numbering of LDF/1 frames: whatever happens on the way, the ledger balances."""

import dataclasses
import os

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from livedetect.settings import Settings
from livedetect.stream import wire_frames as wire
from livedetect.stream.ledger import Ledger
from livedetect.types import Frame, Gap, Notice, PartialFrame, Rejection
from livedetect_adapters.frame_order import FrameOrder

EXAMPLES = int(os.environ.get("LIVEDETECT_EXAMPLES", "0"))
"""So many random histories instead of the few that are always the same."""
FATES = ("warm_up", "scored", "invalid", "suspect", "duplicate", "late", "skipped", "pending")


def epoch(number):
    return number.to_bytes(wire.EPOCH_BYTES, "big")


def frame_parts(seq, *, start=0, stream="a", dtype="<u2", mono_ns=0, **details):
    pixels = np.full((4, 6), seq % 200, dtype)
    header = wire.FrameHeader(
        origin=wire.Origin(stream=stream, epoch=epoch(start)),
        seq=seq,
        t_ns=1,
        mono_ns=mono_ns,
        dtype=dtype,
        shape=pixels.shape,
        details=details,
    )
    return [bytes(part) for part in wire.encode_frame(header, pixels)]


def control_parts(kind, last_seq=-1, *, start=0, stream="a", status=""):
    origin = wire.Origin(stream=stream, epoch=epoch(start))
    message = wire.Control(kind=kind, origin=origin, last_seq=last_seq, status=status)
    return wire.encode_control(message)


def rows_parts(seq, first, end, **which):
    """The rows `first` to `end` of the frame that `frame_parts` makes."""
    header, pixels = frame_parts(seq, **which)
    whole = wire.decode_header([header, pixels])
    rows = dataclasses.replace(whole, rows=(first, end), details={})
    block = wire.decode_pixels(whole, pixels)[first:end]
    return [bytes(part) for part in wire.encode_frame(rows, np.ascontiguousarray(block))]


class Watched:
    """A `FrameOrder` with the session's ledger behind it."""

    def __init__(self, wanted=None, settings=None):
        self.order = FrameOrder(wanted, settings or Settings())
        self.ledger = Ledger()
        self.items = []
        self.now_s = 0.0

    def take(self, parts):
        self.now_s += 0.1
        items = list(self.order.take(parts, self.now_s))
        for item in items:
            for admitted in self.ledger.admit(item):
                self.ledger.settle(admitted, "scored")
        self.items += items
        return items

    def frames(self):
        return [item.index for item in self.items if isinstance(item, Frame)]


def notices(items):
    return [item.event for item in items if isinstance(item, Notice)]


def test_the_index_counts_on_over_a_restart():
    watched = Watched()
    for seq in range(3):
        watched.take(frame_parts(seq, mono_ns=seq * 10**9))
    notice, frame = watched.take(frame_parts(0, start=1, mono_ns=5))
    assert (notice.event, notice.index) == ("source_restarted", 2)
    assert frame.index == 3
    # the clock of the new start is another one; time goes on by what has passed here
    assert abs(frame.time_s - 2.1) < 1e-9
    assert (frame.meta["seq"], frame.meta["epoch"]) == (0, epoch(1).hex())


def test_what_a_heartbeat_knows_more_of_is_a_gap_at_once():
    watched = Watched()
    watched.take(frame_parts(0))
    (gap,) = watched.take(control_parts("heartbeat", 4))
    assert (gap.first_missing, gap.missing_frames) == (1, 4)
    assert not watched.take(control_parts("heartbeat", 4))
    (late,) = watched.take(frame_parts(2))
    assert isinstance(late, Frame), "its pixels are worth recording"
    assert watched.ledger.counts()["late"] == 1
    assert watched.ledger.counts()["missing"] == 3


@pytest.mark.parametrize(
    "heard_again",
    [frame_parts(0), frame_parts(1), rows_parts(0, 0, 2), rows_parts(1, 2, 4), rows_parts(2, 0, 2)],
)
def test_only_a_later_frame_tears_one_that_is_unfinished(heard_again):
    watched = Watched()
    watched.take(frame_parts(0))
    watched.take(rows_parts(2, 0, 2))
    watched.take(heard_again)
    (frame,) = watched.take(rows_parts(2, 2, 4))
    assert (frame.index, frame.valid_rows) == (2, None)
    assert frame.data.tolist() == np.full((4, 6), 2).tolist()


def test_the_next_frame_tears_it():
    watched = Watched()
    watched.take(rows_parts(0, 0, 2))
    torn, whole = watched.take(frame_parts(1))
    assert [(each.index, each.valid_rows) for each in (torn, whole)] == [(0, 2), (1, None)]


def test_rows_that_come_again_are_counted_and_seen_once():
    watched = Watched()
    watched.order.give_rows()
    blocks = [(0, 1), (0, 1), (1, 3), (0, 1), (1, 3), (3, 4), (3, 4)]
    seen = [item for rows in blocks for item in watched.take(rows_parts(0, *rows))]
    states = [(item.first_row, item.rows_done) for item in seen if isinstance(item, PartialFrame)]
    assert states == [(0, 1), (1, 3)]
    assert watched.frames() == [0]
    assert watched.order.counts == {"repeated_rows": 4}


def test_the_end_tells_of_the_frames_that_never_came():
    watched = Watched()
    watched.take(frame_parts(0))
    (gap,) = watched.take(control_parts("end", 9, status="success"))
    assert gap.missing_frames == 9
    assert watched.order.ended
    assert watched.ledger.counts()["sent"] == 10


def test_an_end_without_any_frame_ends_when_all_channels_have():
    watched = Watched()
    watched.take(control_parts("start", stream="a"))
    watched.take(control_parts("start", stream="b"))
    watched.take(control_parts("end", stream="a", status="abort"))
    assert not watched.order.ended
    watched.take(control_parts("end", stream="b", status="abort"))
    assert watched.order.ended


def test_the_end_of_an_earlier_start_is_not_ours():
    watched = Watched()
    watched.take(frame_parts(0, start=0))
    watched.take(frame_parts(0, start=1))
    watched.take(control_parts("end", 0, start=0, status="success"))
    assert not watched.order.ended


def test_other_channels_are_counted_and_told_once():
    watched = Watched()
    watched.take(frame_parts(0, stream="a"))
    items = [item for seq in range(5) for item in watched.take(frame_parts(seq, stream="b"))]
    assert notices(items) == ["source_changed"]
    assert items[0].values["stream"] == "b"
    assert watched.order.counts["other_channels"] == 5
    assert watched.order.channel == "a"
    assert watched.frames() == [0]


def test_a_channel_can_be_chosen():
    watched = Watched("b")
    watched.take(frame_parts(0, stream="a"))
    watched.take(frame_parts(0, stream="b"))
    assert watched.items[-1].stream == "b"


def test_strangers_are_told_once_and_counted():
    watched = Watched()
    other = [frame_parts(0)[0].replace(b"\xa1v\x01", b"\xa1v\x02"), b""]
    items = [i for p in ([b"GET /"], [b"x"] * 5, other, other) for i in watched.take(p)]
    assert notices(items) == ["source_changed"] * 2
    assert "version 2" in items[1].values["reason"]
    assert dict(watched.order.counts) == {"foreign": 2, "other_version": 2}
    assert watched.ledger.received == 0


def test_a_damaged_frame_keeps_its_place_as_invalid():
    watched = Watched()
    watched.take(frame_parts(0))
    watched.take(frame_parts(1, crc32=1))
    header, pixels = frame_parts(2)
    watched.take([header, pixels[:-1]])
    assert watched.ledger.counts()["invalid"] == 2
    assert watched.ledger.counts()["missing"] == 0


def test_the_operator_completes_the_calibration():
    header = wire.decode_header(frame_parts(0))
    axes = (wire.Axis(scale=0.3, units="Å"), wire.Axis(scale=0.2, units="Å"))
    header = dataclasses.replace(header, cal=axes, details={"dwell_us": 2.0, "sat": 255})
    parts = wire.encode_frame(header, np.zeros((4, 6), "<u2"))
    (frame,) = Watched(settings=Settings(current_pA=40.0, dwell_us=9.0)).take(parts)
    assert abs(frame.calibration.pixel_size_nm - 0.02) < 1e-12
    assert abs(frame.calibration.pixel_aspect - 1.5) < 1e-12
    assert (frame.calibration.dwell_us, frame.calibration.current_pA) == (2.0, 40.0)
    assert frame.calibration.current_source == "operator"
    assert frame.saturation_value == 255.0


def test_a_blanked_beam_has_no_current_whatever_the_operator_says():
    (frame,) = Watched(settings=Settings(current_pA=40.0)).take(frame_parts(0, current_pA=0.0))
    assert frame.calibration.current_pA == 0
    assert frame.calibration.current_source == "instrument"


class Wire(RuleBasedStateMachine):
    """A producer and a bad network; what was delivered is counted beside the ledger."""

    def __init__(self):
        super().__init__()
        self.watched = Watched()
        self.start, self.dtype, self.next_seq = 0, "<u2", 0
        self.known, self.delivered, self.held = {}, [], []

    def deliver(self, start, seq):
        self.watched.take(frame_parts(seq, start=start, dtype=self.dtype))
        known = self.known.get(start, -1)
        if start == max([self.start_seen, start]) or seq <= known:
            self.known[start] = max(known, seq)
            self.delivered.append((start, seq))

    @property
    def start_seen(self):
        return max(self.known, default=-1)

    @rule()
    def send(self):
        self.deliver(self.start, self.next_seq)
        self.next_seq += 1

    @rule(count=st.integers(1, 5))
    def drop(self, count):
        self.next_seq += count

    @rule()
    def hold_back(self):
        self.held.append((self.start, self.next_seq))
        self.next_seq += 1

    @rule()
    def release(self):
        # a start that was never heard of would look like a restart into the past
        if self.held and self.held[0][0] in self.known:
            self.deliver(*self.held.pop(0))

    @rule(choice=st.integers(0, 1000))
    def repeat(self, choice):
        if self.delivered:
            self.deliver(*self.delivered[choice % len(self.delivered)])

    @rule()
    def restart(self):
        if self.start in self.known:
            self.start, self.next_seq = self.start + 1, 0

    @rule(unsent=st.integers(0, 4))
    def kill(self, unsent):
        """What had been numbered and not sent is never heard of, nor what was on its way."""
        if self.start in self.known:
            self.next_seq += unsent
            self.held.clear()
            self.restart()

    @rule(dtype=st.sampled_from(sorted(wire.DTYPES)))
    def change_dtype(self, dtype):
        self.dtype = dtype

    @rule()
    def heartbeat(self):
        if self.start in self.known:
            self.watched.take(control_parts("heartbeat", self.next_seq - 1, start=self.start))
            self.known[self.start] = max(self.known[self.start], self.next_seq - 1)

    @invariant()
    def the_ledger_balances(self):
        counts = self.watched.ledger.counts()
        sent = sum(last + 1 for last in self.known.values())
        distinct = len(set(self.delivered))
        assert counts["received"] == len(self.delivered)
        assert counts["received"] == sum(counts[fate] for fate in FATES)
        assert counts["duplicate"] == len(self.delivered) - distinct
        assert counts["missing"] == sent - distinct
        assert (
            counts["sent"] == sent == counts["received"] - counts["duplicate"] + counts["missing"]
        )

    @invariant()
    def every_frame_is_seen_once_under_its_own_index(self):
        frames = self.watched.frames()
        assert len(frames) == len(set(frames)) == len(set(self.delivered))
        kinds = (Frame, Gap, Rejection, Notice)
        assert all(isinstance(item, kinds) for item in self.watched.items)


def histories(count, *, same):
    """Settings for so many random histories, always the `same` ones or others each time."""
    return hypothesis_settings(
        max_examples=count, stateful_step_count=30, deadline=None, derandomize=same
    )


Wire.TestCase.settings = histories(EXAMPLES or 40, same=not EXAMPLES)
TestWire = Wire.TestCase


@pytest.mark.slow
class TestWireAtLength(Wire.TestCase):
    settings = histories(5000, same=False)
