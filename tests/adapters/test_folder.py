"""Folders as they are: every file ends as a frame or as a rejection."""

import os
import shutil
import time

import numpy as np
import pytest

import livedetect
from livedetect.errors import SettingsError, SourceError
from livedetect.types import Frame, Gap, Rejection
from tests.adapters.reader_contract import frame_of, save


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


def test_the_true_region_of_a_simulated_stream_is_no_frame(tmp_path):
    np.save(tmp_path / "frames.npy", np.stack([frame_of(1), frame_of(2)]))
    np.save(tmp_path / "region.npy", np.zeros((2, 16, 16), np.uint8))
    assert len(replay(tmp_path)) == 4
    (tmp_path / "truth.csv").write_text("frame,defect_id\n", encoding="utf-8")
    frames = replay(tmp_path)
    np.testing.assert_array_equal(frames[1].data, frame_of(2))
    assert len(frames) == 2


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
