import numpy as np
import pytest
import tifffile

from livedetect.errors import FrameReadError, SourceError
from livedetect_adapters.tiff import READER
from tests.adapters.reader_contract import FRAMES, FileContract, read


class TestTiff(FileContract):
    suffix = ".tif"

    def write(self, path, array):
        tifffile.imwrite(path, array, photometric="minisblack")


class TestBigTiffByPages(FileContract):
    suffix = ".tiff"

    def write(self, path, array):
        with tifffile.TiffWriter(path, bigtiff=True) as writer:
            for frame in array.reshape(-1, *array.shape[-2:]):
                writer.write(frame, contiguous=False, compression="zlib")


class TestBigEndianImageJ(FileContract):
    suffix = ".tif"

    def write(self, path, array):
        tifffile.imwrite(path, array, imagej=True, byteorder=">")


def calibration(path):
    stack = READER.open(path)
    frame = stack.frame(1)
    stack.close()
    return frame.calibration.pixel_size_nm, frame.time_s


@pytest.mark.parametrize(
    ("unit", "per_unit"),
    [("nm", 25.0), ("um", 25e3), ("micron", 25e3), ("\\u00B5m", 25e3), ("Angstrom", 2.5)],
)
def test_imagej_pixel_size(tmp_path, unit, per_unit):
    meta = {"unit": unit, "finterval": 0.5, "axes": "TYX"}
    resolution = (per_unit, per_unit)
    tifffile.imwrite(tmp_path / "x.tif", FRAMES, imagej=True, resolution=resolution, metadata=meta)
    assert calibration(tmp_path / "x.tif") == (pytest.approx(0.04), 0.5)


def test_ome_pixel_size(tmp_path):
    meta = {"axes": "TYX", "PhysicalSizeX": 40.0, "PhysicalSizeXUnit": "pm", "TimeIncrement": 2.0}
    meta |= {"PhysicalSizeY": 0.6, "PhysicalSizeYUnit": "Å"}
    tifffile.imwrite(tmp_path / "x.ome.tif", FRAMES, metadata=meta)
    assert calibration(tmp_path / "x.ome.tif") == (pytest.approx(0.04), 2.0)
    assert read(tmp_path / "x.ome.tif").calibration.pixel_aspect == 1.5


def test_printers_resolution_is_no_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", FRAMES[:2], resolution=(72, 72), resolutionunit="INCH")
    assert calibration(tmp_path / "x.tif")[0] is None


def test_imagej_stack_of_one_page(tmp_path):
    # how ImageJ writes large stacks: one page, all pixels behind each other
    whole = tmp_path / "whole.tif"
    tifffile.imwrite(whole, FRAMES, imagej=True, metadata={"axes": "TYX"})
    with tifffile.TiffFile(whole) as tif:
        second = tif.pages[1].offset
        start = tif.pages[0].dataoffsets[0]
    raw = whole.read_bytes()
    pointer = raw.index(second.to_bytes(4, "big" if raw[:2] == b"MM" else "little"))
    path = tmp_path / "x.tif"
    path.write_bytes((raw[:pointer] + bytes(4) + raw[pointer + 4 :])[: start + FRAMES.nbytes])
    stack = READER.open(path)
    assert len(stack) == 4
    np.testing.assert_array_equal(stack.frame(3).data, FRAMES[3])
    stack.close()


def test_channels_are_not_frames(tmp_path):
    hyper = np.zeros((4, 2, 40, 24), "u2")
    tifffile.imwrite(tmp_path / "x.tif", hyper, imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(SourceError, match="2 channels"):
        READER.open(tmp_path / "x.tif")


@pytest.mark.parametrize(
    ("array", "message"),
    [(np.zeros((40, 24, 3), "u1"), "colour"), (FRAMES[:2].astype("c8"), "complex")],
)
def test_what_is_no_stack_says_why(tmp_path, array, message):
    tifffile.imwrite(tmp_path / "x.tif", array)
    with pytest.raises(SourceError, match=message):
        READER.open(tmp_path / "x.tif")


def test_growing_file_read_page_by_page(tmp_path):
    stack = None
    with tifffile.TiffWriter(tmp_path / "x.tif", bigtiff=True) as writer:
        for count, frame in enumerate(FRAMES, 1):
            writer.write(frame, contiguous=False)
            writer.filehandle.flush()
            stack = stack or READER.open(tmp_path / "x.tif")
            assert len(stack) == count
            np.testing.assert_array_equal(stack.frame(count - 1).data, frame)
    assert stack.torn == ""
    stack.close()


@pytest.mark.parametrize(
    "keywords", [{"photometric": "minisblack"}, {"imagej": True}, {"ome": True}]
)
@pytest.mark.parametrize("share", [0.3, 0.4, 0.6, 0.8, 0.95])
def test_a_cut_stack_never_gives_torn_frames_silently(tmp_path, keywords, share):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, FRAMES, metadata={"axes": "TYX"}, **keywords)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    stack = READER.open(path)
    for position in range(len(stack)):
        np.testing.assert_array_equal(stack.frame(position).data, FRAMES[position])
    assert len(stack) == 4 or stack.torn or stack.declared_frames == 4
    stack.close()


def test_one_damaged_page_spoils_no_other(tmp_path):
    path = tmp_path / "x.tif"
    with tifffile.TiffWriter(path) as writer:
        for frame in FRAMES:
            writer.write(frame, contiguous=False, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[2].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
    stack = READER.open(path)
    with pytest.raises(FrameReadError, match="page 2"):
        stack.frame(2)
    np.testing.assert_array_equal(stack.frame(3).data, FRAMES[3])
    stack.close()


def test_pages_in_a_circle_end(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        for frame in FRAMES:
            writer.write(frame, contiguous=False)
    with tifffile.TiffFile(tmp_path / "x.tif") as tif:
        first, last = tif.pages[0].offset, tif.pages[3].offset
    with (tmp_path / "x.tif").open("r+b") as file:
        file.seek(last)
        tags = int.from_bytes(file.read(2), "little")
        file.seek(last + 2 + 12 * tags)
        file.write(first.to_bytes(4, "little"))
    stack = READER.open(tmp_path / "x.tif")
    assert len(stack) == 4
    assert "points back" in stack.torn
    stack.close()


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "x.tif").touch()
    with pytest.raises(FrameReadError, match="is empty"):
        READER.open(tmp_path / "x.tif")
