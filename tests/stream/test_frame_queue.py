"""What waits to be published is bounded and counted in frames, however many blocks they have."""

import itertools

import numpy as np
import pytest

from livedetect.stream import frame_queue, wire_frames
from livedetect.stream.frame_queue import FrameQueue, Outgoing

HEIGHT = 64


def whole(seq, stream="a", rows=None):
    pixels = np.full((HEIGHT, 4) if rows is None else (rows[1] - rows[0], 4), seq, np.uint16)
    header = wire_frames.FrameHeader(
        origin=wire_frames.Origin(stream=stream, epoch=bytes(16)),
        seq=seq,
        t_ns=0,
        mono_ns=0,
        dtype="<u2",
        shape=(HEIGHT, 4),
        rows=rows,
    )
    return Outgoing(header, pixels)


def blocks(seq, count, stream="a"):
    edges = np.linspace(0, HEIGHT, count + 1).astype(int).tolist()
    return [whole(seq, stream, rows) for rows in itertools.pairwise(edges)]


def filled(*messages):
    queue = FrameQueue()
    for message in messages:
        queue.put(message)
    return queue


def drained(queue):
    taken = []
    while (message := queue.take()) is not None:
        taken.append((message.header.seq, message.header.rows))
    return taken


def test_a_burst_of_blocks_is_one_frame_and_nothing_is_dropped():
    queue = filled(*blocks(0, 64))
    assert (len(queue), queue.dropped) == (1, 0)
    message = queue.take()
    assert message.header.rows == (0, HEIGHT)
    read = wire_frames.decode_header(message.parts())
    assert wire_frames.decode_pixels(read, message.parts()[1]).shape == (HEIGHT, 4)
    assert queue.take() is None


def test_a_few_blocks_travel_one_by_one():
    rows = [rows for _, rows in drained(filled(*blocks(3, 4)))]
    assert rows == [(0, 16), (16, 32), (32, 48), (48, 64)]


def test_blocks_are_not_joined_over_a_hole():
    messages = blocks(0, 16)
    del messages[10]
    assert drained(filled(*messages))[0] == (0, (0, 40))


@pytest.mark.parametrize("count", [1, 7])
def test_the_oldest_frames_give_way_as_a_whole_and_count_once(count):
    many = [message for seq in range(frame_queue.MAX_FRAMES + 3) for message in blocks(seq, count)]
    queue = filled(*many)
    assert (len(queue), queue.dropped) == (frame_queue.MAX_FRAMES, 3)
    *older, newest = range(3, frame_queue.MAX_FRAMES + 3)
    assert [seq for seq, _ in drained(queue)] == older + [newest] * count


def test_what_a_newer_frame_has_overtaken_travels_as_one_message():
    queue = filled(*blocks(0, 4), *blocks(1, 4))
    assert drained(queue)[:2] == [(0, (0, HEIGHT)), (1, (0, 16))]


def test_what_waits_is_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(frame_queue, "MAX_BYTES", 3 * whole(0).pixels.nbytes)
    queue = filled(*(message for seq in range(5) for message in blocks(seq, 4)))
    assert queue.dropped == 2
    assert {seq for seq, _ in drained(queue)} == {2, 3, 4}
    monkeypatch.setattr(frame_queue, "MAX_BYTES", 1)
    assert drained(filled(*blocks(9, 2))) == [(9, (0, 32)), (9, (32, 64))]


def test_later_blocks_of_a_frame_that_was_given_up_are_left_out(monkeypatch):
    monkeypatch.setattr(frame_queue, "MAX_FRAMES", 2)
    first, *later = blocks(0, 4, stream="slow")
    queue = filled(first, whole(0, "fast"), whole(1, "fast"), *later, whole(1, "slow"))
    assert queue.dropped == 2
    assert not [seq for seq, rows in drained(queue) if rows is not None]


def test_the_order_within_a_channel_is_kept():
    queue = filled(*blocks(0, 2)[:1])
    assert queue.take().header.rows == (0, 32)
    queue.put(blocks(0, 2)[1])
    queue.put(whole(1))
    assert drained(queue) == [(0, (32, 64)), (1, None)]
    assert not queue.holds("a")
