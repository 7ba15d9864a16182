"""Frames that come in blocks of rows, over real sockets."""

import itertools
import threading

import numpy as np
import pytest

from livedetect.errors import ProtocolError
from livedetect.stream import wire_frames as wire
from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.registry import open_source
from livedetect.types import Frame, Gap, PartialFrame

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


def test_who_joins_within_a_scan_misses_that_frame():
    def send(publisher):
        send_rows(publisher, 0, 8, 16)
        send_rows(publisher, 1, 0, 8, 16)

    items = received(send)
    assert shape_of(items)[-1] == ("Frame", 1)
    assert [(i.first_missing, i.missing_frames) for i in items if isinstance(i, Gap)] == [(0, 1)]


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
