import io
import json
import time
import zipfile

import h5py
import numpy as np
import pytest

from livedetect.errors import FrameReadError, SourceError
from livedetect_adapters.nion import READER
from tests.adapters.reader_contract import FRAMES, FileContract, frame_of

PROPERTIES = {
    "dimensional_calibrations": [{"scale": 1.0, "units": ""}]
    + 2 * [{"offset": 0.0, "scale": 0.2, "units": "Å"}],
    "metadata": {
        "hardware_source": {"pixel_time_us": 2.5, "exposure": 0.7, "channel_name": "HAADF"},
        "scan": {"rotation": 0.5236, "rotation_deg": 30.0},
        "instrument": {"high_tension": 60000.0},
    },
}


def write_zip(path, array, properties=PROPERTIES):
    pixels = io.BytesIO()
    np.save(pixels, array)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", pixels.getvalue())
        archive.writestr("metadata.json", json.dumps(properties))


def write_hdf5(path, array, properties=PROPERTIES):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=array).attrs["properties"] = json.dumps(properties)


class TestNdata(FileContract):
    suffix = ".ndata"

    def write(self, path, array):
        write_zip(path, array)


class TestNdata1(TestNdata):
    suffix = ".ndata1"


class TestHdf5(FileContract):
    suffix = ".h5"

    def write(self, path, array):
        write_hdf5(path, array)


@pytest.mark.parametrize(("name", "write"), [("x.ndata1", write_zip), ("x.h5", write_hdf5)])
def test_what_swift_knew(tmp_path, name, write):
    write(tmp_path / name, FRAMES)
    stack = READER.open(tmp_path / name)
    frame = stack.frame(2)
    stack.close()
    assert frame.calibration.pixel_size_nm == pytest.approx(0.02)
    assert frame.calibration.dwell_us == 2.5
    assert frame.calibration.high_tension_kv == pytest.approx(60)
    assert frame.calibration.rotation_deg == 30
    assert frame.meta == {"channel_name": "HAADF"}
    assert frame.time_s == pytest.approx(1.4)


@pytest.mark.parametrize("properties", [{}, {"dimensional_calibrations": None}, [1, 2]])
def test_missing_metadata_leaves_it_open(tmp_path, properties):
    write_zip(tmp_path / "x.ndata1", FRAMES, properties)
    assert READER.open(tmp_path / "x.ndata1").frame(0).calibration.pixel_size_nm is None


def test_damaged_pixels_are_noticed(tmp_path):
    write_zip(tmp_path / "x.ndata1", FRAMES)
    raw = bytearray((tmp_path / "x.ndata1").read_bytes())
    raw[2000] ^= 255
    (tmp_path / "x.ndata1").write_bytes(raw)
    with pytest.raises(FrameReadError, match="CRC"):
        READER.open(tmp_path / "x.ndata1")


def test_hdf5_of_others_with_one_image(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["entry/detector/frames"] = FRAMES
        file["entry/time"] = np.arange(4)
    stack = READER.open(tmp_path / "x.h5")
    np.testing.assert_array_equal(stack.frame(1).data, FRAMES[1])
    stack.close()


def test_hdf5_of_several_images_names_them(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["haadf"], file["bf"] = FRAMES, FRAMES
    with pytest.raises(SourceError, match=r"(?s)2 items.*item=/bf.*/haadf"):
        READER.open(tmp_path / "x.h5")


def test_swmr_file_of_another_process_grows(tmp_path, writer):
    process = writer(
        tmp_path,
        """
import h5py
file = h5py.File(folder / "x.h5", "w", libver="latest")
data = file.create_dataset("data", (1, 32, 24), "u2", maxshape=(None, 32, 24))
data[0] = frame(0)
file.swmr_mode = True
data.flush()
(folder / "first").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
data.resize(2, axis=0)
data[1] = frame(1)
data.flush()
(folder / "second").touch()
time.sleep(60)
""",
    )
    await_file(tmp_path / "first", process)
    stack = READER.open(tmp_path / "x.h5")
    assert len(stack) == 1
    (tmp_path / "go").touch()
    await_file(tmp_path / "second", process)
    assert len(stack) == 2
    np.testing.assert_array_equal(stack.frame(1).data, frame_of(1))
    stack.close()


def await_file(path, process):
    deadline = time.monotonic() + 20
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
