"""What Nion Swift exports and keeps: sequences, collections, single images and their words."""

import json
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest
import tifffile

import livedetect
from livedetect.errors import FrameReadError, SourceError
from livedetect.types import Frame, Notice
from livedetect_adapters import nion
from livedetect_adapters.nion import READER
from livedetect_adapters.nion_properties import acquired_s
from livedetect_adapters.npy import READER as NPY_READER
from livedetect_adapters.tiff import READER as TIFF_READER
from tests.adapters.reader_contract import FRAMES, read
from tests.adapters.swift_files import (
    exported,
    properties_of,
    write_h5,
    write_ndata,
    write_nhdf,
)

TILES = FRAMES.reshape(2, 2, 40, 24)
SEQUENCE = properties_of(FRAMES, "Sequence", sequence=True)
COLLECTION = properties_of(TILES, "Tableau")
MADE_S = datetime(2026, 11, 22, 19, 35, 0, 500000, tzinfo=UTC).timestamp()


def write_npy(path, array, properties):
    np.save(path, array)
    path.with_suffix(".json").write_text(json.dumps(properties), encoding="utf-8")


KINDS = {
    "x.ndata": write_ndata,
    "x.ndata1": lambda path, array, words: write_ndata(path, array, exported(words)),
    "x.h5": write_h5,
    "x.nhdf": lambda path, array, words: write_nhdf(path, (array, words)),
    "x.npy": lambda path, array, words: write_npy(path, array, exported(words)),
}


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    path = tmp_path / request.param
    return path, lambda array, words: KINDS[request.param](path, array, words)


@pytest.mark.parametrize(("array", "words"), [(FRAMES, SEQUENCE), (TILES, COLLECTION)])
def test_frames_and_what_swift_knew(kind, array, words):
    path, write = kind
    write(array, words)
    frames = list(livedetect.open_source(path, live=False))
    np.testing.assert_array_equal([frame.data for frame in frames], FRAMES)
    frame = frames[2]
    assert frame.calibration.pixel_size_nm == 0.0625
    assert frame.calibration.dwell_us == 2
    assert frame.calibration.high_tension_kv == 100
    assert frame.stream == "swift/HAADF"
    assert frame.meta["fov_nm"] == 4
    # one object for all frames: what belongs to one scan is not known of any
    assert frame.scan_id == ""
    assert frame.valid_rows is None
    assert frame.time_s == pytest.approx(2 * 0.006144)


def test_when_it_was_made(kind):
    path, write = kind
    write(FRAMES, SEQUENCE)
    reader = NPY_READER if path.suffix == ".npy" else READER
    stack = reader.open(path)
    stack.close()
    assert stack.acquired_s == MADE_S


@pytest.mark.parametrize(
    ("text", "zone", "hours"), [("20:35", "+0100", 1), ("14:05", "-0530", -5.5)]
)
def test_local_times_are_taken_back_to_utc(text, zone, hours):
    stamp = {"local_datetime": f"2026-11-22T{text}:00.5", "tz": zone}
    assert acquired_s({"datetime_original": stamp}) == MADE_S
    assert acquired_s({"datetime_original": {**stamp, "tz": "+0000"}}) == MADE_S + 3600 * hours


@pytest.mark.parametrize("words", [{}, {"created": "noon"}, {"datetime_original": {}}])
def test_no_time_is_no_time(words):
    assert acquired_s(words) is None


def test_a_half_scanned_image_says_so(kind):
    path, write = kind
    words = properties_of(FRAMES[0], "Record")
    words["metadata"] = {**words["metadata"], "scan": {"valid_rows": 17}}
    write(FRAMES[0], words)
    assert read(path).valid_rows == 17


def test_a_time_axis_gives_the_interval(kind):
    path, write = kind
    axes = [{"offset": 0, "scale": 250.0, "units": "ms"}, *SEQUENCE["dimensional_calibrations"][1:]]
    write(FRAMES, {**SEQUENCE, "dimensional_calibrations": axes})
    assert read(path, 2).time_s == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("array", "words", "message"),
    [
        (np.zeros((40, 24, 3), "u1"), {"collection_dimension_count": 0}, "colour"),
        (np.zeros((2, 40, 24, 4), "u1"), {"collection_dimension_count": 1}, "colour"),
        (FRAMES, {"datum_dimension_count": 1, "collection_dimension_count": 2}, "spectra"),
        (FRAMES.astype("c8"), {}, "complex"),
        (FRAMES, {"dimensional_calibrations": [{"scale": 1, "units": "mrad"}] * 3}, "diffraction"),
    ],
)
def test_what_is_no_image_says_why(kind, array, words, message):
    path, write = kind
    plain = {**properties_of(array, "x"), "collection_dimension_count": 1, "is_sequence": False}
    write(array, {**plain, **words})
    with pytest.raises(SourceError, match=message):
        livedetect.open_source(path)


def test_several_items_of_one_display_are_chosen_by_title_or_place(tmp_path):
    path = tmp_path / "both.nhdf"
    other = properties_of(FRAMES[0], "Record MAADF")
    write_nhdf(path, (FRAMES, SEQUENCE), (FRAMES[0] + 5, other))
    with pytest.raises(SourceError, match=r"(?s)2 items.*/data/0 .*Sequence.*/data/1 .*MAADF"):
        READER.open(path)
    for name in ("Record MAADF", "data/1", "maadf"):
        (frame,) = livedetect.open_source(f"{path}?item={name}", live=False)
        np.testing.assert_array_equal(frame.data, FRAMES[0] + 5)


def test_a_zip_has_nothing_to_choose(tmp_path):
    write_ndata(tmp_path / "x.ndata", FRAMES, SEQUENCE)
    with pytest.raises(SourceError, match="single item"):
        livedetect.open_source(f"{tmp_path / 'x.ndata'}?item=2")


@pytest.mark.parametrize(("array", "words"), [(FRAMES, SEQUENCE), (TILES, COLLECTION)])
def test_a_large_zip_is_read_frame_by_frame(tmp_path, monkeypatch, array, words):
    monkeypatch.setattr(nion, "LARGE_BYTES", 1000)
    write_ndata(tmp_path / "x.ndata", array, words)
    stack = READER.open(tmp_path / "x.ndata")
    read_back = [stack.frame(position).data for position in (3, 0, 2, 1)]
    stack.close()
    np.testing.assert_array_equal(read_back, FRAMES[[3, 0, 2, 1]])


def test_a_large_compressed_zip_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(nion, "LARGE_BYTES", 1000)
    write_ndata(tmp_path / "plain.ndata", FRAMES, SEQUENCE)
    with (
        zipfile.ZipFile(tmp_path / "plain.ndata") as plain,
        zipfile.ZipFile(tmp_path / "x.ndata", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(SourceError, match="compressed"):
        READER.open(tmp_path / "x.ndata")


def test_an_item_that_was_never_filled_may_still_be(tmp_path):
    write_ndata(tmp_path / "x.ndata", None, SEQUENCE)
    with pytest.raises(FrameReadError, match=r"data\.npy"):
        READER.open(tmp_path / "x.ndata")


def test_json_of_others_beside_a_npy_is_left_alone(tmp_path):
    write_npy(tmp_path / "x.npy", FRAMES, {"spatial_calibrations": "mine", "title": 5})
    assert read(tmp_path / "x.npy").meta == {}


def test_an_exported_tiff_keeps_what_swift_knew(tmp_path):
    words = {**exported(SEQUENCE), "properties": SEQUENCE["metadata"]["hardware_source"]}
    text = json.dumps({key: words[key] for key in words if key != "metadata"})
    metadata = {"axes": "TYX", "unit": "nm", "nion.1": text}
    tifffile.imwrite(
        tmp_path / "x.tif", FRAMES, imagej=True, resolution=(16, 16), metadata=metadata
    )
    stack = TIFF_READER.open(tmp_path / "x.tif")
    frame = stack.frame(2)
    stack.close()
    assert frame.calibration.dwell_us == 2
    assert frame.calibration.pixel_size_nm == 0.0625
    assert frame.time_s == pytest.approx(2 * 0.006144)


@pytest.mark.parametrize(("asked", "offset"), [(None, 0), ("swift/MAADF", 500)])
def test_of_two_channels_in_a_folder_one_is_played(tmp_path, asked, offset):
    for number, image in enumerate(FRAMES):
        for channel, added in (("HAADF", 0), ("MAADF", 500)):
            words = properties_of(image, "Record", second=number)
            words["metadata"] = {"hardware_source": {"channel_name": channel}}
            write_ndata(tmp_path / f"{number} {channel}.ndata1", image + added, exported(words))
    aside = []
    source = livedetect.open_source(tmp_path, livedetect.Settings(stream=asked), live=False)
    source.divert(aside.append)
    items = list(source)
    frames = [item for item in items if isinstance(item, Frame)]
    np.testing.assert_array_equal([frame.data for frame in frames], FRAMES + offset)
    np.testing.assert_array_equal([frame.data for frame in aside], FRAMES + 500 - offset)
    assert [frame.index for frame in frames] == [frame.index for frame in aside] == [0, 1, 2, 3]
    (notice,) = (item for item in items if isinstance(item, Notice))
    assert "another channel" in notice.values["reason"]
    assert source.counts == {"other_channels": 4}
