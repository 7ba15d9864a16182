import numpy as np
import pytest

from livedetect.stream.assembly import Assembly


def block(rows, value, width=4):
    return np.full((rows, width), value, np.uint16)


@pytest.fixture
def assembly():
    return Assembly((6, 4), np.dtype(np.uint16))


def test_rows_from_the_top_down_make_the_frame(assembly):
    assert assembly.add(0, block(2, 1))
    assert not assembly.complete
    assert assembly.add(2, block(4, 2))
    assert assembly.complete
    assert assembly.pixels()[:, 0].tolist() == [1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    "wrong", [(3, block(1, 9)), (0, block(1, 9)), (2, block(1, 9, width=3)), (2, block(1, 9) + 0.5)]
)
def test_a_frame_with_a_hole_stays_torn(assembly, wrong):
    assembly.add(0, block(2, 1))
    assert not assembly.add(*wrong)
    assert not assembly.add(2, block(4, 2))
    assert assembly.rows_done == 2
    assert assembly.pixels()[:, 0].tolist() == [1, 1, 0, 0, 0, 0]


def test_rows_that_have_come_are_known(assembly):
    assembly.add(0, block(2, 1))
    assembly.add(2, block(2, 2))
    assert assembly.has(4)
    assert not assembly.has(5)


def test_what_has_been_shown_is_read_only_and_stays(assembly):
    assembly.add(0, block(2, 1))
    shown = assembly.pixels()
    assembly.add(2, block(2, 2))
    assert shown[:2].tolist() == block(2, 1).tolist()
    assert not shown.flags.writeable
