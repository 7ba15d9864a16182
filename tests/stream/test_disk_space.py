"""The user is told how long the disk will last, and a session can always be closed."""

from collections import namedtuple

import pytest

from livedetect.errors import RecordingError
from livedetect.stream import disk_space
from livedetect.stream.disk_space import check_room, estimate, in_words
from livedetect.stream.record import Recorder
from livedetect.types import NoticeEvent

MIB = 2**20
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def disk(monkeypatch):
    """disk(total, free): the disk has that many MiB."""

    def holds(total, free):
        usage = Usage(total * MIB, (total - free) * MIB, free * MIB)
        monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda _: usage)

    return holds


@pytest.mark.parametrize(
    ("total", "free", "frame_mib", "full"),
    [
        (100_000, 65, 2, False),  # 64 MiB are kept free on a large disk
        (100_000, 63, 2, True),
        (500, 11, 1, False),  # 2 % of a small one
        (500, 9, 1, True),
        (500, 40, 10, True),  # and four frames and a little more in any case
        (500, 42, 10, False),
    ],
)
def test_what_is_kept_free(disk, tmp_path, total, free, frame_mib, full):
    disk(total, free)
    if full:
        with pytest.raises(RecordingError, match="disk is full"):
            check_room(tmp_path, frame_mib * MIB)
    else:
        check_room(tmp_path, frame_mib * MIB)


def test_the_estimate_is_what_fits_beside_the_reserve(disk, tmp_path):
    disk(100_000, 1064)
    assert "2 MiB a frame, 1.04 GiB free, room for 500 frames" in estimate(tmp_path, 2 * MIB)


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (1023, "1.02e+03 B"), (3.2 * 2**30, "3.2 GiB"), (5 * 2**40, "5 TiB")],
)
def test_sizes_in_words(size, words):
    assert in_words(size) == words


def test_the_recorder_says_once_how_long_the_disk_will_last(tmp_path, frames):
    said = []
    recorder = Recorder(tmp_path / "s", said.append)
    recorder.on_event(NoticeEvent(event="run_started", frame=0, time_s=0.0, values={}))
    for frame in frames(3):
        recorder.on_frame(frame)
    recorder.close()
    assert ["room for" in line for line in said].count(True) == 1
