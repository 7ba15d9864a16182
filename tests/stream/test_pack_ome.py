"""Packed OME-TIFF: times and numbers of the planes, and what is not among them."""

import dataclasses

import pytest
import tifffile

from livedetect.stream.pack import pack
from livedetect.stream.record import Recorder
from livedetect.stream.session import run_session
from livedetect.types import Calibration, Gap, Rejection

SCAN = Calibration(pixel_size_nm=0.02)


@pytest.fixture
def packed(tmp_path, engine, notes, frames, listed):
    """Frames 0 to 9 less 4 to 6, of which 5 comes late; 8 unreadable, 3 skipped, then a gap."""
    items = [dataclasses.replace(f, calibration=SCAN, stream="HAADF") for f in frames(12)]
    items[8] = Rejection(index=8, reason="invalid", message="no TIFF", time_s=0.8)
    items[3] = Rejection(index=3, reason="skipped", message="too many", time_s=0.3)
    late = items[5]
    del items[4:7]
    items.insert(4, Gap(first_missing=4, missing_frames=3, time_s=0.4))
    items += [late, Gap(first_missing=12, missing_frames=10**9, time_s=1.2)]
    recorder = Recorder(tmp_path / "s")
    run_session(listed(items), engine, taps=[recorder], sinks=[recorder, notes])
    return pack(tmp_path / "s", tmp_path / "p.tif")[0]


def annotation(path):
    with tifffile.TiffFile(path) as file:
        ome = tifffile.xml2dict(file.ome_metadata)["OME"]
    told = ome["StructuredAnnotations"]["MapAnnotation"]
    assert told["Namespace"] == "livedetect/frames"
    return ome, {entry["K"]: str(entry["value"]) for entry in told["Value"]["M"]}


def test_planes_have_their_times_and_numbers(packed):
    ome, told = annotation(packed)
    planes = ome["Image"]["Pixels"]["Plane"]
    numbers = [int(number) for number in told["frame_numbers"].split()]
    assert numbers == [0, 1, 2, 5, 7, 9, 10, 11]
    assert [plane["TheT"] for plane in planes] == list(range(len(numbers)))
    assert [plane["DeltaT"] for plane in planes] == pytest.approx([0.1 * n for n in numbers])
    assert {plane["DeltaTUnit"] for plane in planes} == {"s"}
    assert told["channel"] == "HAADF"


def test_what_is_no_plane_is_told(packed):
    _, told = annotation(packed)
    assert told["dispositions"].split()[:3] == ["warm_up"] * 3
    assert told["dispositions"].split()[3] == "late"
    assert len(told["dispositions"].split()) == len(told["frame_numbers"].split())
    assert told["missing_frames"] == "4 6 12-1000000011"
    assert told["frames_not_in_this_file"] == "3:skipped 8:invalid"


def test_others_open_it(packed):
    frames = tifffile.imread(packed)
    assert frames.shape == (8, 8, 8)
    with tifffile.TiffFile(packed) as file:
        assert file.is_ome
        assert file.series[0].axes == "TYX"
    reader = pytest.importorskip("rsciio.tiff")
    assert reader.file_reader(packed)[0]["data"].shape == frames.shape
