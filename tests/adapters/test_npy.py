import tracemalloc

import numpy as np
import pytest

import livedetect
from livedetect.errors import FrameReadError, SourceError
from livedetect_adapters.npy import READER
from tests.adapters.reader_contract import FRAMES, FileContract, read


class TestNpy(FileContract):
    suffix = ".npy"

    def write(self, path, array):
        np.save(path, array)


class TestNpz(FileContract):
    suffix = ".npz"

    def write(self, path, array):
        np.savez(path, frames=array, names=np.array(["a", "b"]))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (FRAMES.astype("c8"), "complex"),
        (FRAMES[:0], "empty"),
        (FRAMES[0, 0], "1 dimensions"),
        (FRAMES.reshape(2, 2, 40, 24), "4 dimensions"),
        (np.zeros((40, 24, 3), "u1"), "colour"),
        (np.zeros((40, 24, 4), "u1"), "colour"),
        (FRAMES > 5, "bool"),
        (np.array(["a", "b"]), "not numbers"),
        (np.zeros((5, 9, 1)), "no images"),
    ],
)
def test_what_is_no_stack_says_why(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(SourceError, match=message):
        READER.open(tmp_path / "x.npy")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_pickles_are_never_loaded(tmp_path, name):
    array = np.array([{"a": 1}, None], dtype=object)
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    np.savez(tmp_path / "x.npz", array, allow_pickle=True)
    with pytest.raises(SourceError, match=name):
        READER.open(tmp_path / name)


@pytest.mark.parametrize("dtype", ["|u1", ">u2", "<u4", ">i4", "<f4", ">f8", "<i8"])
def test_dtypes_survive(tmp_path, dtype):
    np.save(tmp_path / "x.npy", FRAMES.astype(dtype))
    data = read(tmp_path / "x.npy", 2).data
    np.testing.assert_array_equal(data, FRAMES[2].astype(dtype))
    assert data.dtype == np.dtype(dtype).newbyteorder("=")


def test_half_precision_becomes_single(tmp_path):
    np.save(tmp_path / "x.npy", FRAMES.astype("f2"))
    assert read(tmp_path / "x.npy").data.dtype == np.float32


def test_fortran_order(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(FRAMES))
    np.testing.assert_array_equal(read(tmp_path / "x.npy", 3).data, FRAMES[3])


def test_a_file_cut_while_open_is_an_error_and_no_crash(tmp_path):
    np.save(tmp_path / "x.npy", FRAMES)
    stack = READER.open(tmp_path / "x.npy")
    with (tmp_path / "x.npy").open("r+b") as file:
        file.truncate(500)
    with pytest.raises(FrameReadError, match="frame 3"):
        stack.frame(3)
    stack.close()


def test_a_large_stack_is_not_read_at_once(tmp_path):
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", "f4", (400, 256, 256))
    array[399] = 7
    del array
    tracemalloc.start()
    stack = READER.open(tmp_path / "x.npy")
    assert stack.frame(399).data.max() == 7
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    stack.close()
    assert peak < 5e6


@pytest.mark.parametrize("shape", [(4, 1, 40, 24), (1, 4, 40, 24), (1, 4, 1, 40, 24)])
def test_axes_of_length_one_are_passed_over(tmp_path, shape):
    np.save(tmp_path / "x.npy", FRAMES.reshape(shape))
    np.testing.assert_array_equal(read(tmp_path / "x.npy", 3).data, FRAMES[3])


def test_one_array_of_an_npz_is_chosen(tmp_path):
    np.savez(tmp_path / "x.npz", first=FRAMES, second=FRAMES + 5)
    frames = list(livedetect.open_source(f"{tmp_path / 'x.npz'}?item=second", live=False))
    np.testing.assert_array_equal([frame.data for frame in frames], FRAMES + 5)


def test_npz_of_several_images_asks_which(tmp_path):
    np.savez(tmp_path / "x.npz", first=FRAMES, second=FRAMES)
    with pytest.raises(SourceError, match=r"(?s)2 items.*first .*second "):
        READER.open(tmp_path / "x.npz")


def test_published_single_frames(data):
    stack = READER.open(data / "simulated_single_frames" / "mos2_d200.npz")
    assert stack.frame(0).data.shape == (192, 192)


def cut(path, frames, extra_bytes=100):
    """Leave `frames` complete frames and a piece of the next one."""
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(whole - (4 - frames) * FRAMES[0].nbytes + extra_bytes)


@pytest.mark.parametrize("extra_bytes", [0, 100])
def test_a_cut_stack_gives_the_frames_it_holds(tmp_path, extra_bytes):
    np.save(tmp_path / "x.npy", FRAMES)
    cut(tmp_path / "x.npy", 2, extra_bytes)
    items = list(livedetect.open_source(tmp_path / "x.npy", live=False))
    np.testing.assert_array_equal([item.data for item in items[:2]], FRAMES[:2])
    assert items[2].message.startswith("x.npy is cut: ")
    assert "the rest is lost; copy it again" in items[2].message
    assert (items[3].first_missing, items[3].missing_frames) == (3, 1)
    assert len(items) == 4


def test_a_cut_stack_in_fortran_order_has_no_complete_frame(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(FRAMES))
    cut(tmp_path / "x.npy", 2)
    with pytest.raises(FrameReadError, match="incomplete"):
        READER.open(tmp_path / "x.npy")


def test_a_stack_still_being_copied_to_a_watched_folder_loses_nothing(tmp_path, watch):
    np.save(tmp_path / "whole", FRAMES)
    raw = (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "whole.npy").unlink()
    (tmp_path / "x.npy").write_bytes(raw[: len(raw) // 2])
    watching = watch(tmp_path)
    watching.wait_for(1)
    with (tmp_path / "x.npy").open("ab") as file:
        file.write(raw[len(raw) // 2 :])
    watching.wait_for(4)
    np.testing.assert_array_equal([frame.data for frame in watching.frames], FRAMES)
    assert not watching.rejections
