"""Folders being written by other processes. Every file ends as a frame or as a rejection."""

import os
import sys
import time

import numpy as np
import pytest

from livedetect.types import Frame, Notice, Rejection
from livedetect_adapters.folder_wake import is_network
from tests.adapters.reader_contract import frame_of, save

QUICK = "?give_up_s=1.2"


def test_empty_folder_is_waited_at_and_stop_is_prompt(tmp_path, watch):
    watching = watch(tmp_path)
    time.sleep(0.3)
    assert watching.items == []
    assert watching.source.info.live
    assert watching.end() < 0.3


BURST = """
while {first} and not (folder / 'f0000.npy').exists():
    time.sleep(0.001)
small = frame(0)[:8, :8].copy()
for n in range({first}, 3000, {step}):
    small[0, 0] = n
    np.save(folder / f'f{{n:04}}.npy', small)
"""


@pytest.mark.parametrize("writers", [1, 2])
def test_a_burst_of_3000_files_of_one_or_two_writers(tmp_path, writer, watch, writers):
    watching = watch(tmp_path)
    # the second waits for the first file: had it half a second's start, as beside slow work it
    # may have, file 0 would lie below all that came, as where a counter restarts
    for first in range(writers):
        writer(tmp_path, BURST.format(first=first, step=writers))
    watching.wait_for(3000, 60)
    late = [item for item in watching.items if isinstance(item, Rejection)]
    # two programs may be so far apart that a frame comes too late for its place
    assert len(watching.frames) + len(late) == 3000
    assert {item.reason for item in late} <= {"late"}
    assert writers == 2 or not late
    assert watching.files == sorted(set(watching.files))
    for frame in watching.frames[::100]:
        assert frame.data[0, 0] == int(frame.meta["file"][1:5])


def test_two_writers_of_one_file_give_no_mixture(tmp_path, writer, watch):
    watching = watch(f"{tmp_path}{QUICK}")
    body = """
for n in range(40):
    np.save(folder / 'f000.npy', np.full((32, 24), {value}, 'u2'))
    time.sleep(0.01)
"""
    writers = [writer(tmp_path, body.format(value=value)) for value in (7, 8)]
    for process in writers:
        process.wait(30)
    np.save(tmp_path / "f001.npy", frame_of(1))
    deadline = time.monotonic() + 15
    while "f001.npy" not in watching.files:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for frame in watching.frames:
        if frame.meta["file"] == "f000.npy":
            assert set(np.unique(frame.data)) in ({7}, {8})


def test_a_closed_file_is_delivered_at_once(tmp_path, watch):
    save(tmp_path, 0)
    watching = watch(tmp_path)
    watching.wait_for(1)
    began = time.monotonic()
    save(tmp_path, 1)
    watching.wait_for(2)
    assert time.monotonic() - began < (0.4 if os.name == "posix" else 3)


SLOWLY = """
import io
pixels = io.BytesIO()
np.save(pixels, frame(7))
raw = pixels.getvalue()
for start in range(0, len(raw), 400):
    # closed after every part, as some programs do
    with (folder / "f007.npy").open("ab") as file:
        file.write(raw[start:start + 400])
    time.sleep(0.2)
"""


def test_a_file_written_in_parts_is_one_whole_frame(tmp_path, writer, watch):
    watching = watch(tmp_path)
    writer(tmp_path, SLOWLY)
    watching.wait_for(1)
    time.sleep(0.3)
    assert len(watching.items) == 1
    np.testing.assert_array_equal(watching.frames[0].data, frame_of(7))


def test_rename_into_place(tmp_path, writer, watch):
    body = """
for n in range(5):
    with (folder / f"f{n}.npy.tmp").open("wb") as file:
        np.save(file, frame(n))
        file.flush()
        time.sleep(0.05)
    (folder / f"f{n}.npy.tmp").rename(folder / f"f{n}.npy")
"""
    watching = watch(tmp_path)
    writer(tmp_path, body)
    watching.wait_for(5)
    assert watching.files == [f"f{n}.npy" for n in range(5)]


def test_files_moved_in_from_outside(tmp_path, watch):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    save(outside, 1, 2, 3)
    watching = watch(inside)
    for number in (1, 2, 3):
        (outside / f"f{number:03}.npy").rename(inside / f"f{number:03}.npy")
    watching.wait_for(3)
    assert watching.files == ["f001.npy", "f002.npy", "f003.npy"]


def test_reading_again_after_renaming_is_not_needed(tmp_path, watch):
    save(tmp_path, 1)
    watching = watch(tmp_path)
    watching.wait_for(1)
    (tmp_path / "f001.npy").rename(tmp_path / "kept001.npy")
    save(tmp_path, 2)
    watching.wait_for(2)
    time.sleep(1.2)
    assert watching.files == ["f001.npy", "f002.npy"]


def test_arrival_out_of_order_within_the_buffer(tmp_path, writer, watch):
    watching = watch(tmp_path)
    writer(tmp_path, "for n in (0, 2, 1, 4, 3): np.save(folder / f'f{n}.npy', frame(n))")
    watching.wait_for(5)
    assert watching.files == [f"f{n}.npy" for n in range(5)]


def test_far_too_late_is_rejected_as_late(tmp_path, watch):
    save(tmp_path, 1, 3)
    watching = watch(tmp_path)
    watching.wait_for(2)
    save(tmp_path, 2)
    watching.wait_for(3)
    assert watching.items[2].reason == "late"


def test_a_counter_that_starts_again_is_not_late(tmp_path, watch):
    save(tmp_path, 500, 501)
    watching = watch(tmp_path)
    watching.wait_for(2)
    save(tmp_path, 1)
    watching.wait_for(3)
    assert watching.files[2] == "f001.npy"


def test_unreadable_files_are_quarantined_and_do_not_hold_up_the_rest(tmp_path, watch):
    save(tmp_path, 0)
    whole = (tmp_path / "f000.npy").read_bytes()
    watching = watch(f"{tmp_path}?give_up_s=3")
    watching.wait_for(1)
    (tmp_path / "f001.npy").write_bytes(b"")
    (tmp_path / "f002.npy").write_bytes(whole[:500])
    (tmp_path / "f003.npy").write_text("text, no pixels", encoding="utf-8")
    save(tmp_path, 4)
    watching.wait_for(5)
    assert [type(item) for item in watching.items] == [Frame, *[Rejection] * 3, Frame]
    assert [item.index for item in watching.items] == [0, 1, 2, 3, 4]


def test_a_rejected_file_that_is_completed_later_is_read_after_all(tmp_path, watch):
    save(tmp_path, 0)
    whole = (tmp_path / "f000.npy").read_bytes()
    watching = watch(f"{tmp_path}{QUICK}")
    watching.wait_for(1)
    (tmp_path / "f001.npy").write_bytes(whole[:500])
    watching.wait_for(2)
    assert isinstance(watching.items[1], Rejection)
    save(tmp_path, 1)
    watching.wait_for(3)
    np.testing.assert_array_equal(watching.frames[1].data, frame_of(1))


def test_deleted_before_it_was_complete(tmp_path, watch):
    watching = watch(tmp_path)
    (tmp_path / "f000.npy").write_bytes(b"\x93NUMPY")
    time.sleep(0.6)
    (tmp_path / "f000.npy").unlink()
    watching.wait_for(1)
    assert "deleted" in watching.rejections[0].message


OVERWRITING = """
for n in range({count}):
    np.save(folder / "live.npy", frame(n))
    time.sleep({pause})
"""


def test_a_file_overwritten_with_each_frame(tmp_path, writer, watch):
    watching = watch(tmp_path)
    writer(tmp_path, OVERWRITING.format(count=4, pause=0.8))
    watching.wait_for(4)
    for number, frame in enumerate(watching.frames):
        np.testing.assert_array_equal(frame.data, frame_of(number))


@pytest.mark.skipif(sys.platform != "linux", reason="needs events of closed files")
def test_overwriting_too_fast_to_read_is_not_silent(tmp_path, writer, watch):
    watching = watch(f"{tmp_path}?reorder_s=2")
    writer(tmp_path, OVERWRITING.format(count=4, pause=0.4))
    watching.wait_for(2)
    gap, frame = watching.items
    assert 1 <= gap.missing_frames <= 3
    assert "overwritten" in gap.reason
    np.testing.assert_array_equal(frame.data, frame_of(3))
    assert frame.index == gap.missing_frames


def test_touching_a_file_gives_no_second_frame(tmp_path, watch):
    save(tmp_path, 0)
    watching = watch(tmp_path)
    watching.wait_for(1)
    (tmp_path / "f000.npy").touch()
    save(tmp_path, 1)
    watching.wait_for(2)
    time.sleep(1)
    assert watching.files == ["f000.npy", "f001.npy"]


def test_preallocated_file_is_not_read_as_a_black_frame(tmp_path, writer, watch):
    body = """
target = np.lib.format.open_memmap(folder / "f0.npy", "w+", "u2", (32, 24))
target.flush()
time.sleep(1.0)
target[:16] = frame(3)[:16]
target.flush()
time.sleep(1.0)
target[16:] = frame(3)[16:]
target.flush()
"""
    watching = watch(tmp_path)
    writer(tmp_path, body)
    watching.wait_for(1)
    time.sleep(0.3)
    assert len(watching.items) == 1
    np.testing.assert_array_equal(watching.frames[0].data, frame_of(3))


def test_another_shape_is_delivered_all_the_same(tmp_path, watch):
    save(tmp_path, 0)
    watching = watch(tmp_path)
    watching.wait_for(1)
    np.save(tmp_path / "f001.npy", frame_of(1)[:20])
    watching.wait_for(2, 6)
    assert watching.frames[1].data.shape == (20, 24)


GROWING = """
import tifffile
with tifffile.TiffWriter(folder / "a.tif", bigtiff=True) as tif:
    for number in range({count}):
        tif.write(frame(number), contiguous=False, compression="zlib")
        tif.filehandle.flush()
        time.sleep({pause})
"""


@pytest.mark.parametrize(("count", "pause"), [(12, 0.2), (5, 0.8)])
def test_a_growing_tiff_is_delivered_while_it_grows(tmp_path, writer, watch, count, pause):
    watching = watch(tmp_path)
    process = writer(tmp_path, GROWING.format(count=count, pause=pause))
    watching.wait_for(2)
    assert process.poll() is None
    watching.wait_for(count)
    time.sleep(0.2)
    assert [frame.index for frame in watching.items] == list(range(count))
    for frame in watching.frames:
        np.testing.assert_array_equal(frame.data, frame_of(frame.index))
    times = [frame.time_s for frame in watching.frames]
    assert times == sorted(times)


def test_a_killed_writer(tmp_path, writer, watch):
    watching = watch(f"{tmp_path}{QUICK}")
    process = writer(tmp_path, GROWING.format(count=99, pause=0.1))
    watching.wait_for(3)
    process.kill()
    process.wait()
    with (tmp_path / "a.tif").open("r+b") as file:
        file.truncate((tmp_path / "a.tif").stat().st_size - 20)
    save(tmp_path, 1)
    deadline = time.monotonic() + 10
    while not watching.files.count("f001.npy"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pages = [frame for frame in watching.frames if frame.meta["file"] == "a.tif"]
    for number, frame in enumerate(pages):
        np.testing.assert_array_equal(frame.data, frame_of(number))
    watching.wait_for(len(pages) + 2)
    assert "torn" in watching.rejections[0].message


def test_a_folder_that_goes_away_and_comes_back(tmp_path, watch):
    folder = tmp_path / "share"
    folder.mkdir()
    save(folder, 0)
    watching = watch(folder)
    watching.wait_for(1)
    folder.rename(tmp_path / "away")
    watching.wait_for(2)
    assert isinstance(watching.items[1], Notice)
    assert watching.items[1].event == "stalled"
    save(tmp_path / "away", 1)
    (tmp_path / "away").rename(folder)
    watching.wait_for(3)
    assert watching.files == ["f000.npy", "f001.npy"]


def test_local_folder_is_no_network(tmp_path):
    assert not is_network(tmp_path)
