import sys

import numpy as np
import pytest

import livedetect
from livedetect.errors import FrameReadError, MissingExtraError, SourceError
from livedetect.installing import pip_install
from livedetect_adapters.vendor import READER, calibration_of
from tests.adapters.reader_contract import FRAMES


@pytest.fixture
def dm4(data):
    pytest.importorskip("rsciio")
    return data / "1028_ADF2_25.dm4"


def test_real_dm4(dm4):
    (frame,) = livedetect.open_source(dm4)
    assert frame.data.shape == (512, 512)
    assert frame.data.dtype == np.uint32
    assert frame.calibration.pixel_size_nm == pytest.approx(0.03988, abs=1e-5)
    assert frame.calibration.dwell_us == pytest.approx(38)
    assert frame.meta["title"] == "ADF2_25"


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.999])
def test_cut_dm4(dm4, tmp_path, share):
    whole = dm4.read_bytes()
    (tmp_path / "x.dm4").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FrameReadError, match=r"x\.dm4"):
        READER.open(tmp_path / "x.dm4")


def test_ripple_stack(tmp_path):
    ripple = pytest.importorskip("rsciio.ripple")
    sizes = [("time", 4, 0.5, "s"), ("y", 40, 0.3, "Å"), ("x", 24, 0.2, "Å")]
    axes = [
        {"name": n, "size": s, "index_in_array": i, "scale": d, "offset": 0.0, "units": u}
        | {"navigate": i == 0}
        for i, (n, s, d, u) in enumerate(sizes)
    ]
    signal = {"data": FRAMES, "axes": axes, "original_metadata": {}}
    signal["metadata"] = {"General": {"title": "ADF"}, "Signal": {"signal_type": ""}}
    ripple.file_writer(str(tmp_path / "x.rpl"), signal)
    frames = list(livedetect.open_source(tmp_path / "x.rpl", live=False))
    np.testing.assert_array_equal([frame.data for frame in frames], FRAMES)
    assert frames[0].calibration.pixel_size_nm == pytest.approx(0.02)
    assert frames[0].calibration.pixel_aspect == pytest.approx(1.5)
    assert frames[2].time_s == 1.0


def test_units_of_rosettasciio():
    axes = 2 * [{"scale": 20.0, "units": "pm"}]
    instrument = {"TEM": {"beam_energy": 80.0, "beam_current": 0.05, "dwell_time": 2e-6}}
    signal = {"axes": axes, "metadata": {"Acquisition_instrument": instrument}}
    calibration = calibration_of(signal)
    assert calibration.pixel_size_nm == pytest.approx(0.02)
    assert calibration.high_tension_kv == 80
    assert calibration.current_pA == pytest.approx(50)
    assert calibration.current_source == "instrument"
    assert calibration.dwell_us == pytest.approx(2)


def test_without_the_extra_the_message_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsciio", None)
    monkeypatch.delitem(sys.modules, "rsciio.digitalmicrograph", raising=False)
    (tmp_path / "x.dm4").write_bytes(b"1234")
    with pytest.raises(MissingExtraError, match=r'pip install "livedetect\[formats\]"') as caught:
        livedetect.open_source(tmp_path / "x.dm4")
    assert pip_install("livedetect[formats]") in str(caught.value)


def test_spectra_are_no_images(tmp_path):
    ripple = pytest.importorskip("rsciio.ripple")
    axis = {"name": "E", "size": 40, "index_in_array": 0, "scale": 1.0, "offset": 0.0}
    signal = {"data": FRAMES[0, :, 0], "axes": [axis | {"units": "eV", "navigate": False}]}
    signal |= {"original_metadata": {}, "metadata": {"General": {}, "Signal": {}}}
    ripple.file_writer(str(tmp_path / "x.rpl"), signal)
    with pytest.raises(SourceError, match="no image"):
        livedetect.open_source(tmp_path / "x.rpl", live=False)


def write_emd(path, **images):
    """An EMD file of the NCEM kind, one group for each of `images`."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        for name, array in images.items():
            group = file.create_group(f"data/{name}")
            group.attrs["emd_group_type"] = 1
            # the axes of this format run from the fastest to the slowest
            group["data"] = array.T
            for axis, length in enumerate(array.T.shape, start=1):
                group[f"dim{axis}"] = np.arange(length) * 0.02
                group[f"dim{axis}"].attrs["name"] = "xyt"[axis - 1]
                group[f"dim{axis}"].attrs["units"] = "s" if axis == 3 else "nm"


def test_of_several_images_the_first_is_played_and_the_others_are_told(tmp_path):
    pytest.importorskip("rsciio")
    write_emd(tmp_path / "x.emd", BF=FRAMES + 5, HAADF=FRAMES)
    source = livedetect.open_source(tmp_path / "x.emd", live=False)
    assert "?item=" in source.info.remark
    assert "HAADF" in source.info.remark
    np.testing.assert_array_equal([frame.data for frame in source], FRAMES + 5)


@pytest.mark.parametrize("item", ["HAADF", "haadf", "1"])
def test_one_of_several_images_is_chosen(tmp_path, item):
    pytest.importorskip("rsciio")
    write_emd(tmp_path / "x.emd", BF=FRAMES + 5, HAADF=FRAMES)
    frames = list(livedetect.open_source(f"{tmp_path / 'x.emd'}?item={item}", live=False))
    np.testing.assert_array_equal([frame.data for frame in frames], FRAMES)
    assert frames[0].calibration.pixel_size_nm == pytest.approx(0.02)
