"""Frames that come in blocks of rows, over real sockets."""

import itertools
import threading

import numpy as np
import pytest

from livedetect.detect.detector import Detector
from livedetect.errors import ProtocolError
from livedetect.settings import Settings
from livedetect.stream import wire_frames as wire
from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.registry import open_source
from livedetect.stream.session import run_session
from livedetect.types import Frame, Gap, PartialFrame
from livedetect_adapters.numbering import JOINED_WITHIN, ChannelNumbering

ANY_PORT = "tcp://127.0.0.1:0"
HEIGHT = 16
PATIENCE_S = 20


def image(number):
    return np.arange(HEIGHT * 8, dtype=np.uint16).reshape(HEIGHT, 8) + 1000 * number


def send_rows(publisher, number, *edges):
    for first, end in itertools.pairwise(edges):
        publisher.send_rows(image(number)[first:end], first_row=first, height=HEIGHT)


def received(send, *, rows=True):
    """What a source gives when `send(publisher)` has sent all."""
    with FramePublisher(ANY_PORT) as publisher:
        source = open_source(publisher.endpoint)
        if rows:
            source.give_rows()
        items = []
        taking = threading.Thread(target=lambda: items.extend(source))
        taking.start()
        assert publisher.wait_for_listener(PATIENCE_S)
        send(publisher)
    taking.join(PATIENCE_S)
    assert not taking.is_alive()
    return [item for item in items if isinstance(item, (Frame, Gap, PartialFrame))]


def shape_of(items):
    return [(type(item).__name__, getattr(item, "index", None)) for item in items]


def test_blocks_are_put_together_and_seen_on_the_way():
    items = received(lambda p: send_rows(p, 0, 0, 4, 8, 16))
    assert shape_of(items) == [("PartialFrame", 0), ("PartialFrame", 0), ("Frame", 0)]
    assert [(p.first_row, p.rows_done) for p in items[:2]] == [(0, 4), (4, 8)]
    assert (items[1].frame.data[:8] == image(0)[:8]).all()
    assert (items[2].data == image(0)).all()
    assert items[2].valid_rows is None


def test_who_does_not_ask_gets_whole_frames_only():
    def send(publisher):
        send_rows(publisher, 0, 0, 8, 16)
        publisher.send(image(1))
        send_rows(publisher, 2, 0, 8, 16)

    items = received(send, rows=False)
    assert shape_of(items) == [("Frame", 0), ("Frame", 1), ("Frame", 2)]
    assert [int(item.data[0, 0]) for item in items] == [0, 1000, 2000]


def test_an_aborted_scan_is_a_frame_of_which_so_many_rows_are_valid():
    def send(publisher):
        send_rows(publisher, 0, 0, 4, 8)
        send_rows(publisher, 1, 0, 8, 16)
        send_rows(publisher, 2, 0, 4)

    items = [item for item in received(send) if isinstance(item, Frame)]
    assert [(item.index, item.valid_rows) for item in items] == [(0, 8), (1, None), (2, 4)]
    assert (items[0].data[:8] == image(0)[:8]).all()
    assert not items[0].data[8:].any()


def test_a_whole_frame_after_unfinished_rows_is_the_next():
    def send(publisher):
        send_rows(publisher, 0, 0, 4)
        publisher.send(image(5))

    frames = [item for item in received(send) if isinstance(item, Frame)]
    assert [(frame.index, frame.valid_rows) for frame in frames] == [(0, 4), (1, None)]


def test_a_block_in_the_middle_that_is_lost_tears_the_frame():
    def send(publisher):
        send_rows(publisher, 0, 0, 4)
        send_rows(publisher, 0, 8, 16)
        publisher.send(image(1))

    items = received(send)
    frames = [item for item in items if isinstance(item, Frame)]
    assert [(frame.index, frame.valid_rows) for frame in frames] == [(0, 4), (1, None)]
    assert [p.rows_done for p in items if isinstance(p, PartialFrame)] == [4]


def test_frames_that_come_in_bursts_of_many_blocks_arrive_whole():
    tall = np.arange(2048 * 512, dtype=np.uint16).reshape(2048, 512)
    dropped = []

    def send(publisher):
        for _ in range(3):
            for first in range(0, 2048, 16):
                publisher.send_rows(tall[first : first + 16], first_row=first, height=2048)
        dropped.append(publisher.dropped)

    frames = received(send, rows=False)
    assert [(frame.index, frame.valid_rows) for frame in frames] == [(n, None) for n in range(3)]
    assert all((frame.data == tall).all() for frame in frames)
    assert dropped == [0]


def gaps_of(items):
    return [(i.first_missing, i.missing_frames, i.reason) for i in items if isinstance(i, Gap)]


def test_who_joins_within_a_scan_is_told_of_that_frame_and_gets_the_next():
    def send(publisher):
        send_rows(publisher, 0, 4, 8, 12, 16)
        send_rows(publisher, 1, 0, 8, 16)

    items = received(send)
    assert gaps_of(items) == [(0, 1, JOINED_WITHIN)]
    assert isinstance(items[0], Gap)
    assert shape_of(items)[-1] == ("Frame", 1)


def test_frames_before_the_one_that_was_joined_are_a_gap_of_their_own():
    publisher_side, numbering = bytes(16), ChannelNumbering(Settings())
    given = list(numbering.follow_restart(publisher_side, 0.0))
    for seq, first in [(7, 8), (7, 12), (8, 0), (8, 8), (9, 8), (10, 0), (10, 8)]:
        rows = (first, first + (4 if seq == 7 else 8))
        given += numbering.take(*rows_of(publisher_side, seq, rows), 0.0)
    # only the first can have been joined: 9 lost its upper rows on the way
    assert gaps_of(given) == [(0, 7, "before joining"), (7, 1, JOINED_WITHIN), (9, 1, "missing")]
    assert [item.index for item in given if isinstance(item, Frame)] == [8, 10]
    assert numbering.repeated_rows == 0


def test_the_ledger_balances_for_who_joined_within_a_scan():
    with FramePublisher(ANY_PORT) as publisher:
        source, events = open_source(publisher.endpoint), []
        taking = threading.Thread(target=lambda: events.append(run_session(source, Detector())))
        taking.start()
        assert publisher.wait_for_listener(PATIENCE_S)
        send_rows(publisher, 0, 8, 16)
        send_rows(publisher, 1, 0, 8, 16)
    taking.join(PATIENCE_S)
    (outcome,) = events
    ledger = outcome.ledger
    assert (ledger["sent"], ledger["missing"], ledger["received"]) == (2, 1, 1)
    assert outcome.not_taken.get("repeated_rows", 0) == 0


def rows_of(epoch, seq, rows):
    header = wire.FrameHeader(
        origin=wire.Origin(stream="a", epoch=epoch), seq=seq, t_ns=0, mono_ns=0, dtype="<u2",
        shape=(HEIGHT, 8), rows=rows,
    )  # fmt: skip
    parts = wire.encode_frame(header, image(seq)[slice(*rows)])
    return wire.decode_header(parts), parts[1]


def test_rows_travel_as_a_kind_of_their_own():
    header = wire.FrameHeader(
        origin=wire.Origin(stream="a", epoch=bytes(16)),
        seq=3,
        t_ns=0,
        mono_ns=0,
        dtype="<u2",
        shape=(HEIGHT, 8),
        rows=(4, 6),
    )
    block = image(0)[4:6]
    parts = wire.encode_frame(header, block)
    read = wire.decode_header(parts)
    assert read == header
    assert (wire.decode_pixels(read, parts[1]) == block).all()


@pytest.mark.parametrize(("first", "height"), [(HEIGHT, HEIGHT), (-1, HEIGHT), (0, 1)])
def test_rows_outside_the_frame_are_refused(first, height):
    with FramePublisher(ANY_PORT) as publisher, pytest.raises(ProtocolError):
        publisher.send_rows(image(0)[:2], first_row=first, height=height)
