"""HDF5 files after NeXus are read with the scan that they tell."""

import dataclasses

import h5py
import numpy as np
import pytest

from livedetect.stream.pack import pack
from livedetect.stream.record import Recorder
from livedetect.stream.registry import open_source
from livedetect.types import Calibration, Frame


@pytest.fixture
def packed(tmp_path):
    scan = Calibration(pixel_size_nm=0.02, pixel_aspect=1.5, dwell_us=3.0, current_pA=20.0)
    recorder = Recorder(tmp_path / "s")
    for number in range(4):
        frame = Frame.from_array(np.full((6, 8), number, "u2"), index=number, time_s=0.5 * number)
        recorder.on_frame(dataclasses.replace(frame, calibration=scan))
    recorder.close()
    return pack(tmp_path / "s", tmp_path / "p.h5")[0]


def test_a_packed_session_keeps_pixel_size_times_and_scan(packed):
    frames = list(open_source(packed))
    assert [frame.data[0, 0] for frame in frames] == [0, 1, 2, 3]
    found = frames[0].calibration
    assert found.pixel_size_nm == pytest.approx(0.02)
    assert found.pixel_aspect == pytest.approx(1.5)
    assert (found.dwell_us, found.current_pA) == (3.0, 20.0)
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.5, 1.0, 1.5])
    with open_source(packed) as source:
        assert source.info.remark == ""


def test_axes_of_other_units_and_lengths_tell_nothing(packed):
    with h5py.File(packed, "r+") as file:
        data = file["entry/data"]
        data["x"].attrs["units"] = "furlong"
        data["y"].attrs["units"] = "px"
        del data["time"]
        data["time"] = np.arange(9)
        del file["entry/instrument"]
    source = open_source(packed)
    assert "tells no times" in source.info.remark
    frames = list(source)
    assert frames[0].calibration.pixel_size_nm is None
    assert [frame.time_s for frame in frames] == [0.0, 1.0, 2.0, 3.0]


def test_a_stack_without_times_says_so(tmp_path):
    np.save(tmp_path / "f.npy", np.ones((3, 8, 8)))
    with open_source(tmp_path / "f.npy") as source:
        assert "1 s a frame" in source.info.remark
