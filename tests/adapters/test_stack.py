import os
import time

import numpy as np
import pytest
import tifffile

import livedetect
from livedetect.errors import SourceError
from livedetect.types import Frame, Gap, Rejection
from tests.adapters.reader_contract import FRAMES, frame_of


def play(path, **keywords):
    return list(livedetect.open_source(path, **keywords))


@pytest.mark.parametrize("live", [True, False])
def test_numpy_stack_plays_once(tmp_path, live):
    np.save(tmp_path / "x.npy", FRAMES)
    began = time.monotonic()
    frames = play(tmp_path / "x.npy", live=live)
    assert time.monotonic() - began < 1
    np.testing.assert_array_equal([frame.data for frame in frames], FRAMES)
    assert [frame.time_s for frame in frames] == [0, 1, 2, 3]


def test_operator_and_scan_time(tmp_path):
    np.save(tmp_path / "x.npy", FRAMES)
    settings = livedetect.Settings(dwell_us=1000, current_pA=50, pixel_size_nm=0.02)
    frames = play(tmp_path / "x.npy", settings=settings)
    assert frames[2].time_s == pytest.approx(2 * 40 * 24 * 1e-3)
    assert frames[2].calibration.current_source == "operator"
    assert frames[2].calibration.dose_per_frame_e_per_A2 > 0


def test_meta_beside_the_file_wins_over_the_operator(tmp_path):
    np.save(tmp_path / "x.npy", FRAMES)
    (tmp_path / "meta.json").write_text('{"pixel_size_nm": 0.04}', encoding="utf-8")
    settings = livedetect.Settings(pixel_size_nm=0.02)
    assert play(tmp_path / "x.npy", settings=settings)[0].calibration.pixel_size_nm == 0.04


def test_a_broken_frame_is_rejected_and_the_run_goes_on(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        for frame in FRAMES:
            writer.write(frame, contiguous=False, compression="zlib")
    with tifffile.TiffFile(tmp_path / "x.tif") as tif:
        offset = tif.pages[2].dataoffsets[0]
    with (tmp_path / "x.tif").open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
    items = play(tmp_path / "x.tif", live=False)
    assert [type(item) for item in items] == [Frame, Frame, Rejection, Frame]
    assert items[2].reason == "invalid"
    assert "page 2" in items[2].message


def test_a_cut_stack_accounts_for_every_promised_frame(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", FRAMES, imagej=True, metadata={"axes": "TYX"})
    raw = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(raw[: len(raw) // 2])
    items = play(tmp_path / "x.tif", live=False)
    missing = sum(item.missing_frames for item in items if isinstance(item, Gap))
    assert missing + sum(not isinstance(item, Gap) for item in items) == 4
    assert missing


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00v", b"text"])
def test_an_unreadable_file_says_why(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(SourceError, match=r"x\.npy"):
        livedetect.open_source(tmp_path / "x.npy", live=False)


def test_an_old_tiff_ends_at_once_although_live(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", FRAMES, metadata={"axes": "TYX"}, imagej=True)
    old = time.time() - 60
    os.utime(tmp_path / "x.tif", (old, old))
    began = time.monotonic()
    assert len(play(tmp_path / "x.tif")) == 4
    assert time.monotonic() - began < 1


def test_an_older_file_from_a_clock_ahead_of_ours(tmp_path):
    np.save(tmp_path / "x.npy", FRAMES)
    ahead = time.time() + 3600
    os.utime(tmp_path / "x.npy", (ahead, ahead))
    assert len(play(tmp_path / "x.npy")) == 4


GROWING_TIFF = """
import tifffile
with tifffile.TiffWriter(folder / "x.tif", bigtiff=True) as tif:
    for number in range(6):
        tif.write(frame(number), contiguous=False)
        tif.filehandle.flush()
        time.sleep(0.15)
"""

GROWING_ZARR = """
import zarr
array = zarr.create_array(folder / "x.zarr", shape=(1, 32, 24), chunks=(1, 32, 24), dtype="u2")
array[0] = frame(0)
for number in range(1, 6):
    time.sleep(0.15)
    array.resize((number + 1, 32, 24))
    time.sleep(0.1)
    array[number] = frame(number)
"""


@pytest.mark.parametrize(("name", "body"), [("x.tif", GROWING_TIFF), ("x.zarr", GROWING_ZARR)])
def test_a_growing_stack_is_followed_to_its_end(tmp_path, writer, watch, name, body):
    writer(tmp_path, body)
    deadline = time.monotonic() + 20
    while not any((tmp_path / part).exists() for part in ("x.tif", "x.zarr/c/0/0/0")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watching = watch(f"{tmp_path / name}?idle_s=1.5")
    watching.wait_for(6)
    for frame in watching.frames:
        np.testing.assert_array_equal(frame.data, frame_of(frame.index))
    assert [frame.index for frame in watching.frames] == list(range(6))
    assert not watching.source.info.live
    watching.join(6)


def test_stop_ends_following_at_once(tmp_path, watch):
    tifffile.imwrite(tmp_path / "x.tif", FRAMES, imagej=True, metadata={"axes": "TYX"})
    watching = watch(tmp_path / "x.tif")
    watching.wait_for(4)
    assert watching.end() < 0.3


def test_a_file_being_copied_is_waited_for(tmp_path, writer, watch):
    np.save(tmp_path / "whole", FRAMES)
    raw = (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(raw[:400])
    rest = f"time.sleep(0.3)\nwith (folder / 'x.npy').open('ab') as file: file.write({raw[400:]!r})"
    writer(tmp_path, rest)
    watching = watch(tmp_path / "x.npy")
    watching.wait_for(4)
    assert len(watching.frames) == 4
