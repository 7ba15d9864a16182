"""TIFF: one frame per page, pages found one by one so that a growing file can be read.

Read through tifffile's pages and not its series: a cut multi-page file makes a series of one
page without any error, and a file that is being written has no series yet.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from livedetect.errors import FrameReadError, SourceError
from livedetect.installing import pip_install
from livedetect.types import Calibration, Frame
from livedetect_adapters import calibration as cal
from livedetect_adapters import nion_properties as swift
from livedetect_adapters.frames import READ_ERRORS, frame_layout, owned
from livedetect_adapters.tiff_pages import PageChain, size_now

_CENTIMETRE = 3

# what it logs about cut files we say ourselves, once, where the user looks
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


class TiffReader:
    """Opens TIFF, BigTIFF, OME-TIFF and ImageJ stacks."""

    suffixes: Sequence[str] = (".tif", ".tiff", ".btf", ".tf8")

    def open(self, path: Path) -> TiffStack:
        """Open `path`; see `livedetect.protocols.Reader`."""
        try:
            return TiffStack(path)
        except tifffile.TiffFileError as error:
            raise _no_tiff(path, error) from error
        except READ_ERRORS as error:
            if isinstance(error, (FrameReadError, SourceError)):
                raise
            raise FrameReadError(f"{path.name} cannot be read: {error}") from error


class TiffStack:
    """Pages of one file; `len` looks for new ones.

    Attributes
    ----------
    torn : what is wrong with the page after the last complete one; empty if nothing is.
    declared_frames : frames that the file's own description promises; 0 if it does not say.
    interval_s : time between two frames, s, or None.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # unbuffered, because pointers in pages already seen change when the file grows
        self._file = path.open("rb", buffering=0)
        try:
            self._tif = tifffile.TiffFile(self._file, name=path.name)
            self._chain = PageChain(self._tif)
            self._chain.extend()
            first = self._first_page(path)
            description = _Description(self._tif, first)
            self._inline = _inline_frames(self._tif, first)
        except BaseException:
            self._file.close()
            raise
        self.interval_s = description.interval_s
        self.declared_frames = description.frames
        self._calibration = description.calibration

    def _first_page(self, path: Path) -> tifffile.TiffPage:
        if not self._chain.offsets:
            raise FrameReadError(f"{path.name} has no complete page yet: {self._chain.torn}")
        page = self._chain.page(0)
        if page.samplesperpixel > 1:
            raise SourceError(f"{path.name} is a colour image {page.shape}; save one grey channel")
        if page.dtype is None or len(page.shape) != 2:
            raise SourceError(f"{path.name} has pages of shape {page.shape}; needed are (H, W)")
        frame_layout(page.shape, page.dtype, path.name)
        _check_codec(page, path.name)
        return page

    @property
    def torn(self) -> str:
        """What is wrong with the page after the last complete one."""
        return f"{self._path.name}: {self._chain.torn}" if self._chain.torn else ""

    def __len__(self) -> int:
        self._chain.extend()
        return max(self._inline, len(self._chain.offsets))

    def frame(self, position: int) -> Frame:
        """Frame at `position`; raises `FrameReadError` naming the file and the page."""
        try:
            data = self._inline_frame(position) if self._inline else self._page_data(position)
        except (*READ_ERRORS, TypeError, AttributeError) as error:
            raise FrameReadError(f"{self._path.name}, page {position}: {error}") from error
        time_s = position * (self.interval_s or 0.0)
        return Frame(data=data, index=position, time_s=time_s, calibration=self._calibration)

    def _page_data(self, position: int) -> NDArray[Any]:
        return owned(self._chain.page(position).asarray())

    def _inline_frame(self, position: int) -> NDArray[Any]:
        page = self._chain.page(0)
        self._file.seek(page.dataoffsets[0] + position * page.nbytes)
        dtype = np.dtype(page.dtype).newbyteorder(self._tif.byteorder)
        data = self._file.read(page.nbytes)
        return owned(np.frombuffer(data or b"", dtype).reshape(page.shape))

    def close(self) -> None:
        """Release the file."""
        self._tif.close()
        self._file.close()


class _Description:
    """What the first page says about the whole file."""

    def __init__(self, tif: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
        self.frames = 0
        self.interval_s: float | None = None
        self.calibration = Calibration()
        text = page.description or ""
        if tif.is_imagej:
            self._read_imagej(tif.imagej_metadata or {}, page)
        elif "<OME" in text:
            self._read_ome(text)
        elif tif.is_shaped:
            self._read_shaped(text)
        if self.calibration.pixel_size_nm is None:
            self.calibration = _resolution_in_cm(page)

    def _read_imagej(self, meta: dict[str, Any], page: tifffile.TiffPage) -> None:
        _one_channel(int(meta.get("channels", 1)), int(meta.get("images", 1)))
        self.frames = int(meta.get("images", 1))
        self.interval_s = cal.positive(meta.get("finterval"))
        x, y = (_pixels_per_unit(page, tag) for tag in ("XResolution", "YResolution"))
        if x and y:
            self.calibration = cal.spatial((1 / x, meta.get("unit")), (1 / y, meta.get("unit")))
        self._read_swift(meta.get("nion.1"))

    def _read_swift(self, text: Any) -> None:
        # Nion Swift leaves its own description among ImageJ's
        try:
            properties = json.loads(str(text))
        except ValueError:
            return
        if isinstance(properties, dict):
            exact = swift.calibration_of(properties)
            self.calibration = cal.merged(exact, self.calibration)
            self.interval_s = self.interval_s or swift.interval_s(properties)

    def _read_ome(self, text: str) -> None:
        pixels = re.search(r"<Pixels\b[^>]*>", text)
        keys = dict(re.findall(r'(\w+)="([^"]*)"', pixels[0])) if pixels else {}
        channels = int(keys.get("SizeC", 1))
        planes = channels * int(keys.get("SizeT", 1)) * int(keys.get("SizeZ", 1))
        _one_channel(channels, planes)
        # one data set over several files: this one alone cannot keep what they promise
        if len(set(re.findall(r'FileName="([^"]*)"', text))) <= 1:
            self.frames = planes
        seconds = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}.get(keys.get("TimeIncrementUnit", "s"), 0.0)
        self.interval_s = cal.positive(float(keys.get("TimeIncrement", 0.0)) * seconds)
        x, y = (
            (keys.get(f"PhysicalSize{axis}"), keys.get(f"PhysicalSize{axis}Unit", "µm"))
            for axis in "XY"
        )
        self.calibration = cal.spatial(x, y)

    def _read_shaped(self, text: str) -> None:
        # tifffile's own mark; its parsed form would need all pages
        shape = re.match(r'{"shape": \[(\d+), \d+, \d+]', text)
        self.frames = int(shape[1]) if shape else 0


def _one_channel(channels: int, planes: int) -> None:
    # a stack whose only axis is called "channel" is a series: writers do so by default
    if 1 < channels < planes:
        raise SourceError(
            f"the file holds {channels} channels; save one of them as a stack of its own"
        )


def _inline_frames(tif: tifffile.TiffFile, page: tifffile.TiffPage) -> int:
    """Frames of an ImageJ stack that has one page and all its pixels behind each other, else 0."""
    if not tif.is_imagej or not page.is_contiguous:
        return 0
    declared = int((tif.imagej_metadata or {}).get("images", 1))
    # one page only: the pointer to a second one is empty
    chain = PageChain(tif)
    chain.extend()
    if declared <= 1 or len(chain.offsets) > 1 or chain.torn:
        return 0
    return min(declared, int((size_now(tif) - page.dataoffsets[0]) // page.nbytes))


def _pixels_per_unit(page: tifffile.TiffPage, tag: str) -> float | None:
    value = page.tags.valueof(tag)
    try:
        return cal.positive(value[0] / value[1])
    except (TypeError, IndexError, ZeroDivisionError):
        return None


def _resolution_in_cm(page: tifffile.TiffPage) -> Calibration:
    """Resolution in pixels per cm, where it is that of a microscope and not of a printer."""
    x, y = (_pixels_per_unit(page, tag) for tag in ("XResolution", "YResolution"))
    if not x or not y or page.tags.valueof("ResolutionUnit") != _CENTIMETRE or 1e7 / x > 100:
        return Calibration()
    return cal.spatial((1 / x, "cm"), (1 / y, "cm"))


def _check_codec(page: tifffile.TiffPage, name: str) -> None:
    try:
        page.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise SourceError(
                f"{name} is compressed ({error}): {pip_install('imagecodecs')}, "
                "or save it uncompressed"
            ) from error
    except (*READ_ERRORS, TypeError, AttributeError):
        return  # this page alone may be broken; reading it says so


def _no_tiff(path: Path, error: Exception) -> FrameReadError | SourceError:
    with path.open("rb") as file:
        start = file.read(4)
    if not start.strip(b"\0"):
        return FrameReadError(f"{path.name} is empty or still being written")
    if start[:2] in (b"II", b"MM"):
        return FrameReadError(f"{path.name} is incomplete: {error}")
    return SourceError(f"{path.name} is no TIFF file, whatever its name says")


READER = TiffReader()
