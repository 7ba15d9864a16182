"""A zarr array (T, H, W) in a directory ``.zarr``; one that grows is followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from livedetect.errors import FrameReadError, SourceError
from livedetect.types import Calibration, Frame
from livedetect_adapters import calibration as cal
from livedetect_adapters.choice import Item, chosen
from livedetect_adapters.frames import READ_ERRORS, ArrayStack


class ZarrReader:
    """Opens ``.zarr`` directories: an array, or a group with one image in it (OME-Zarr: ``0``)."""

    suffixes: Sequence[str] = (".zarr",)

    def open(self, path: Path) -> ZarrStack:
        """Open `path`; see `livedetect.protocols.Reader`."""
        return self.open_item(path, "")

    def open_item(self, path: Path, item: str) -> ZarrStack:
        """Open the array called `item`; see `livedetect.protocols.ItemReader`."""
        if not path.is_dir():
            raise SourceError(f"{path.name} is no zarr directory")
        return ZarrStack(path, item)


class ZarrStack:
    """Frames of a zarr array; `len` looks at the array's description anew.

    A frame whose chunk is not on disk reads as zeros without any error, so a frame of nothing
    but the fill value counts as not (yet) written.
    """

    interval_s: float | None = None

    def __init__(self, path: Path, item: str = "") -> None:
        self._path = path
        node = _opened(path)
        attributes = dict(node.attrs)
        if item and isinstance(node, zarr.Array):
            raise SourceError(f"{path.name} holds a single array: leave out ?item=")
        self._inner = "" if isinstance(node, zarr.Array) else _image_of(node, item, path.name)
        self._calibration = _calibration(attributes)
        self._stack = self._refreshed()

    def _refreshed(self) -> ArrayStack:
        self._array = _opened(self._path, self._inner)
        return ArrayStack(self._array, self._path.name, calibration=self._calibration)

    def __len__(self) -> int:
        self._stack = self._refreshed()
        return len(self._stack)

    def frame(self, position: int) -> Frame:
        """Frame at `position`; raises `FrameReadError` if its chunk is missing or damaged."""
        frame = self._stack.frame(position)
        if np.all(frame.data == self._array.fill_value):
            raise FrameReadError(f"{self._path.name}, frame {position} has not been written")
        return frame

    def close(self) -> None:
        """Nothing stays open between two reads."""


def _opened(path: Path, inner: str = "") -> Any:
    try:
        return zarr.open(str(path), path=inner, mode="r")
    except (*READ_ERRORS, TypeError) as error:
        raise FrameReadError(f"{path.name} cannot be opened as zarr: {error}") from error


def _image_of(group: Any, wanted: str, name: str) -> str:
    """Path of the group's array `wanted`, or of its only one; of OME-Zarr's the finest."""
    images = {key: array for key, array in group.arrays() if array.ndim >= 2}
    if "0" in images and not wanted:
        return "0"
    items = [
        Item(
            key=key,
            title="",
            detail=f"{' × '.join(map(str, images[key].shape))}, {images[key].dtype}",
            open=lambda: None,
        )
        for key in sorted(images)
    ]
    return chosen(items, wanted, name).key


def _calibration(attributes: Mapping[str, Any]) -> Calibration:
    """``pixel_size_nm`` of the attributes, or the scale of OME-Zarr's finest resolution."""
    if "pixel_size_nm" in attributes:
        size = cal.positive(attributes["pixel_size_nm"])
        return cal.scanned(Calibration(pixel_size_nm=size), attributes)
    ome = attributes.get("ome", attributes)
    try:
        image = ome["multiscales"][0]
        scale = image["datasets"][0]["coordinateTransformations"][0]["scale"]
        units = [axis.get("unit") for axis in image["axes"]]
    except (KeyError, IndexError, TypeError, AttributeError):
        return Calibration()
    return cal.spatial((scale[-1], units[-1]), (scale[-2], units[-2]))


READER = ZarrReader()
