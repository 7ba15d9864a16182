"""Previews: contrast that stays, frames that wait for their result."""

import numpy as np
import pytest

from livedetect.stream.mailbox import FrameShelf, ResultMailbox
from livedetect.stream.preview import PreviewMaker, block_mean
from livedetect.types import Frame, FrameResult, NoticeEvent, Phase


def noisy(index: int, scale: float = 1.0) -> Frame:
    rng = np.random.default_rng(index)
    return Frame.from_array(scale * rng.poisson(20.0, (64, 64)), index=index)


def test_contrast_is_that_of_the_warm_up_frames():
    maker = PreviewMaker()
    for index in range(12):
        maker.learn(noisy(index), warming_up=True)
    _, before = maker.make(noisy(0))
    maker.learn(noisy(20, scale=10.0), warming_up=False)
    image, after = maker.make(noisy(20, scale=10.0))
    assert after["contrast"] == before["contrast"]
    assert after["value_range"] == before["value_range"]
    assert image.max() == 255


def test_values_can_be_read_back_from_the_preview():
    maker = PreviewMaker()
    frame = noisy(1)
    maker.learn(frame, warming_up=True)
    image, fields = maker.make(frame)
    start, end = fields["value_range"]
    inside = (frame.data > start) & (frame.data < end)
    values = start + image / 255 * (end - start)
    np.testing.assert_allclose(values[inside], frame.data[inside], atol=(end - start) / 255)
    assert inside.mean() > 0.98


@pytest.mark.parametrize("value", [0, np.nan, np.inf, -np.inf])
def test_frames_without_contrast_can_be_shown(value):
    maker = PreviewMaker()
    frame = Frame.from_array(np.full((8, 8), value, dtype=np.float64))
    maker.learn(frame, warming_up=True)
    image, fields = maker.make(frame)
    assert len(np.unique(image)) == 1
    assert np.isfinite(fields["value_range"]).all()


def test_another_shape_learns_its_own_contrast():
    maker = PreviewMaker()
    maker.learn(noisy(0), warming_up=True)
    small = Frame.from_array(1000 * np.random.default_rng(0).random((16, 16)))
    maker.learn(small, warming_up=False)
    _, fields = maker.make(small)
    assert fields["value_range"][1] > 900


def test_block_means_leave_out_the_incomplete_last_block():
    data = np.arange(35, dtype=np.uint8).reshape(5, 7)
    np.testing.assert_allclose(block_mean(data, 2), [[4, 6, 8], [18, 20, 22]])


def test_shelf_gives_the_newest_analysed_frame_and_lets_older_ones_go():
    shelf = FrameShelf()
    for index in range(5):
        shelf.put(noisy(index))
    assert shelf.take(analysed=2, patience_s=10.0).index == 2
    assert shelf.take(analysed=2, patience_s=10.0) is None
    assert shelf.take(analysed=9, patience_s=10.0).index == 4
    assert shelf.empty


def test_shelf_is_bounded_in_number_and_bytes():
    shelf = FrameShelf()
    for index in range(40):
        shelf.put(noisy(index))
    assert shelf.take(analysed=10, patience_s=10.0) is None
    big = np.broadcast_to(np.float64(0), (4096, 2048))
    for index in range(40, 43):
        shelf.put(Frame(data=big, index=index))
    assert shelf.take(analysed=41, patience_s=10.0) is None


def test_full_mailbox_keeps_the_events():
    mailbox = ResultMailbox(max_results=2)
    for frame in range(5):
        event = NoticeEvent(event="gap", frame=frame, time_s=0.0)
        mailbox.put(
            FrameResult(
                frame=frame, time_s=0.0, phase=Phase.LIVE, disposition="scored", events=(event,)
            )
        )
    batch = mailbox.take()
    assert [item.frame for item in batch.items] == [3, 4]
    assert [event.frame for event in batch.spilled] == [0, 1, 2]
    assert mailbox.dropped == 3
    assert mailbox.take().items == ()
