"""Folders being written by other processes. Every file ends as a frame or as a rejection."""

import os
import shutil
import sys
import time

import numpy as np
import pytest

import livedetect
from livedetect.errors import SettingsError, SourceError
from livedetect.types import Frame, Gap, Notice, Rejection
from livedetect_adapters.folder_wake import is_network
from tests.adapters.reader_contract import frame_of

QUICK = "?give_up_s=1.2"


def save(folder, *numbers):
    for number in numbers:
        np.save(folder / f"f{number:03}.npy", frame_of(number))


def replay(folder, options=""):
    return list(livedetect.open_source(f"folder:{folder}{options}", live=False))


def age(folder, seconds=60.0):
    for path in folder.iterdir():
        os.utime(path, (time.time() - seconds, time.time() - seconds))


def test_replay_in_the_order_of_numbers(tmp_path):
    for number in (10, 9, 2, 1, 100):
        np.save(tmp_path / f"img {number}.npy", frame_of(number))
    frames = replay(tmp_path)
    assert [frame.meta["file"] for frame in frames] == [f"img {n}.npy" for n in (1, 2, 9, 10, 100)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(frames[2].data, frame_of(9))


def test_replay_times_follow_the_files_and_never_run_backwards(tmp_path):
    save(tmp_path, 0, 1, 2, 3)
    for number, seconds in enumerate((0, 2, -3600, 5)):
        stamp = 1.7e9 + seconds
        os.utime(tmp_path / f"f{number:03}.npy", (stamp, stamp))
    assert [frame.time_s for frame in replay(tmp_path)] == pytest.approx([0, 2, 2, 5])


def test_replay_accounts_for_every_file(tmp_path):
    save(tmp_path, 0, 1, 5)
    whole = (tmp_path / "f001.npy").read_bytes()
    (tmp_path / "f002.npy").write_bytes(b"")
    (tmp_path / "f003.npy").write_bytes(whole[:300])
    (tmp_path / "f004.npy").write_text("no pixels at all", encoding="utf-8")
    (tmp_path / "f006.tif").write_bytes(b"II*\0" + bytes(4))
    np.save(tmp_path / "f007.npy", np.zeros((9, 9, 3)))
    age(tmp_path)
    began = time.monotonic()
    items = replay(tmp_path)
    assert time.monotonic() - began < 1
    kinds = [type(item) for item in items]
    assert kinds == [Frame, Frame, Rejection, Rejection, Rejection, Frame, Rejection, Rejection]
    assert [item.index for item in items] == list(range(8))
    for item, word in zip(items[2:5], ("empty", "incomplete", "no NumPy file"), strict=True):
        assert word in item.message
        assert item.reason == "invalid"
    assert "colour" in items[7].message


def test_ignored_files(tmp_path):
    save(tmp_path, 0)
    names = ".f1.npy ~f2.npy f3.npy.part f4.npy.tmp f5.npy~ truth.csv notes.txt x.json f6.png"
    for name in names.split():
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "deeper").mkdir()
    assert len(replay(tmp_path)) == 1


def test_pattern(tmp_path):
    save(tmp_path, 0, 1)
    np.save(tmp_path / "dark.npy", frame_of(9))
    assert len(replay(tmp_path, "?pattern=f*.npy")) == 2


def test_replay_of_an_empty_folder_names_the_suffixes(tmp_path):
    with pytest.raises(SourceError, match=r"holds no frames.*\.dm4.*\.npy"):
        replay(tmp_path)


@pytest.mark.parametrize("live", [True, False])
def test_a_folder_must_exist(tmp_path, live):
    with pytest.raises(SourceError, match="no existing directory"):
        livedetect.open_source(f"folder:{tmp_path / 'nowhere'}", live=live)


@pytest.mark.parametrize("options", ["?colour=1", "?settle_s=soon", "?rescan_s=0"])
def test_wrong_options(tmp_path, options):
    with pytest.raises(SettingsError, match=options[1:].split("=")[0]):
        livedetect.open_source(f"folder:{tmp_path}{options}")


@pytest.mark.parametrize("live", [True, False])
def test_a_simulated_stack_beside_its_truth_is_played(tmp_path, live):
    np.save(tmp_path / "frames.npy", np.stack([frame_of(n) for n in range(5)]))
    (tmp_path / "truth.csv").write_text("frame,defect_id\n", encoding="utf-8")
    (tmp_path / "meta.json").write_text('{"pixel_size_nm": 0.04}', encoding="utf-8")
    frames = list(livedetect.open_source(tmp_path, live=live))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[0].calibration.pixel_size_nm == 0.04


def test_a_stream_made_of_real_frames(data):
    source = livedetect.open_source(data / "wse2_births_normal")
    assert source.info.frame_count == 70
    assert next(iter(source)).calibration.pixel_size_nm == pytest.approx(0.03988)


def test_stacks_in_a_folder_are_played_one_after_the_other(tmp_path):
    for number in (1, 2):
        np.save(tmp_path / f"s{number}.npy", np.stack([frame_of(number), frame_of(number + 10)]))
    frames = replay(tmp_path)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.time_s for frame in frames] == sorted(frame.time_s for frame in frames)
    np.testing.assert_array_equal(frames[3].data, frame_of(12))


def test_a_cut_stack_in_a_replayed_folder(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    stack = np.stack([frame_of(n) for n in range(4)])
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TYX"})
    raw = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(raw[: len(raw) // 2])
    save(tmp_path, 1)
    age(tmp_path)
    items = replay(tmp_path)
    assert [type(item) for item in items] == [Frame, Rejection, Gap, Frame]
    assert items[2].missing_frames == 2
    assert items[3].index == 4


def test_two_formats_of_one_frame_count_once(tmp_path):
    save(tmp_path, 0, 1)
    np.savez(tmp_path / "f000.npz", frame_of(0))
    age(tmp_path)
    items = replay(tmp_path)
    assert [item.reason for item in items if isinstance(item, Rejection)] == ["duplicate"]
    assert sum(isinstance(item, Frame) for item in items) == 2


def test_a_series_of_real_dm4_files(tmp_path, data):
    pytest.importorskip("rsciio")
    for number in range(2):
        shutil.copy(data / "1028_ADF2_25.dm4", tmp_path / f"scan_{number}.dm4")
    frames = replay(tmp_path)
    assert [frame.data.shape for frame in frames] == [(512, 512)] * 2
    assert frames[0].calibration.pixel_size_nm == pytest.approx(0.0399, abs=1e-4)


# ---- live ----------------------------------------------------------------------------------


def test_empty_folder_is_waited_at_and_stop_is_prompt(tmp_path, watch):
    watching = watch(tmp_path)
    time.sleep(0.3)
    assert watching.items == []
    assert watching.source.info.live
    assert watching.end() < 0.3


def test_burst_of_500_files(tmp_path, writer, watch):
    watching = watch(tmp_path)
    writer(tmp_path, "for n in range(500): np.save(folder / f'f{n:03}.npy', frame(n))")
    watching.wait_for(500)
    assert watching.files == [f"f{n:03}.npy" for n in range(500)]
    np.testing.assert_array_equal(watching.frames[321].data, frame_of(321))


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
