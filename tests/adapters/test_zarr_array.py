import shutil

import numpy as np
import pytest
import zarr

import livedetect
from livedetect.errors import FrameReadError, SourceError
from livedetect_adapters.zarr_array import READER
from tests.adapters.reader_contract import FRAMES, ReaderContract


def create(path, array):
    chunks = (1, *array.shape[1:]) if array.ndim == 3 else array.shape
    made = zarr.create_array(str(path), shape=array.shape, chunks=chunks, dtype=array.dtype)
    made[:] = array
    return made


class TestZarr(ReaderContract):
    suffix = ".zarr"

    def write(self, path, array):
        create(path, array)


def test_pixel_size_of_the_attributes(tmp_path):
    create(tmp_path / "x.zarr", FRAMES).attrs["pixel_size_nm"] = 0.03
    assert READER.open(tmp_path / "x.zarr").frame(0).calibration.pixel_size_nm == 0.03


def test_ome_zarr(tmp_path):
    group = zarr.create_group(str(tmp_path / "x.zarr"))
    create(tmp_path / "x.zarr" / "0", FRAMES)
    axes = [{"name": "t"}] + [{"name": n, "unit": "nanometer"} for n in "yx"]
    scale = [{"type": "scale", "scale": [1.0, 0.05, 0.05]}]
    dataset = {"path": "0", "coordinateTransformations": scale}
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [dataset]}]}
    frame = READER.open(tmp_path / "x.zarr").frame(3)
    assert frame.calibration.pixel_size_nm == 0.05
    np.testing.assert_array_equal(frame.data, FRAMES[3])


def test_a_missing_chunk_is_no_black_frame(tmp_path):
    create(tmp_path / "x.zarr", FRAMES)
    shutil.rmtree(tmp_path / "x.zarr" / "c" / "2")
    stack = READER.open(tmp_path / "x.zarr")
    with pytest.raises(FrameReadError, match="frame 2 has not been written"):
        stack.frame(2)


def test_a_cut_chunk_is_an_error(tmp_path):
    create(tmp_path / "x.zarr", FRAMES)
    with (tmp_path / "x.zarr" / "c" / "1" / "0" / "0").open("r+b") as file:
        file.truncate(20)
    with pytest.raises(FrameReadError, match="frame 1"):
        READER.open(tmp_path / "x.zarr").frame(1)


def test_growth_is_seen(tmp_path):
    array = create(tmp_path / "x.zarr", FRAMES)
    stack = READER.open(tmp_path / "x.zarr")
    array.append(FRAMES[:1])
    assert len(stack) == 5
    np.testing.assert_array_equal(stack.frame(4).data, FRAMES[0])


def test_group_of_several_arrays(tmp_path):
    zarr.create_group(str(tmp_path / "x.zarr"))
    for name in ("haadf", "bf"):
        create(tmp_path / "x.zarr" / name, FRAMES)
    with pytest.raises(SourceError, match=r"(?s)bf.*haadf|haadf.*bf"):
        READER.open(tmp_path / "x.zarr")


def test_one_array_of_several_is_chosen(tmp_path):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    group.create_array("haadf", data=FRAMES)
    group.create_array("bf", data=FRAMES + 5)
    frames = list(livedetect.open_source(f"{tmp_path / 'x.zarr'}?item=haadf", live=False))
    np.testing.assert_array_equal([frame.data for frame in frames], FRAMES)


def test_axes_of_length_one_are_passed_over(tmp_path):
    """OME-Zarr has channels and planes, whether or not there are several of them."""
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    group.create_array("0", data=FRAMES[:, None, None])
    frames = list(livedetect.open_source(tmp_path / "x.zarr", live=False))
    np.testing.assert_array_equal([frame.data for frame in frames], FRAMES)
