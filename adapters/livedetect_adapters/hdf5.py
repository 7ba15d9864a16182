"""HDF5 files of Nion Swift (``.h5``, ``.nhdf``), and others that hold one image or stack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from livedetect.errors import FrameReadError, SourceError
from livedetect_adapters.frames import READ_ERRORS

SIGNATURE = b"\x89HDF\r\n\x1a\n"


class H5Array:
    """The one image or stack of an HDF5 file; `shape` follows a growing (SWMR) file."""

    def __init__(self, path: Path) -> None:
        self.file = _open(path)
        try:
            self._dataset = _only_image(self.file, path.name)
            self.properties = _properties(self._dataset)
        except BaseException:
            self.file.close()
            raise
        self.dtype = self._dataset.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape now."""
        if self.file.swmr_mode:
            self._dataset.refresh()
        shape: tuple[int, ...] = self._dataset.shape
        return shape

    def __getitem__(self, key: Any) -> Any:
        return self._dataset[key]

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _open(path: Path) -> h5py.File:
    with path.open("rb") as file:
        start = file.read(8)
    if start != SIGNATURE and start.strip(b"\0"):
        raise SourceError(f"{path.name} is no HDF5 file, whatever its name says")
    problem: Exception | None = None
    for swmr in (True, False):
        try:
            # without a lock: reading must never stop the program that writes
            return h5py.File(path, "r", swmr=swmr, locking=False, libver="latest" if swmr else None)
        except READ_ERRORS as error:
            problem = problem or error
    raise FrameReadError(f"{path.name} is incomplete or being written: {problem}") from problem


def _only_image(file: h5py.File, name: str) -> h5py.Dataset:
    if isinstance(file.get("data"), h5py.Dataset):
        return file["data"]
    images: list[h5py.Dataset] = []

    def note(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim in (2, 3) and item.dtype.kind in "uif":
            images.append(item)

    file.visititems(note)
    if len(images) != 1:
        names = ", ".join(str(image.name) for image in images) or "none"
        raise SourceError(
            f"{name} needs exactly one image or stack, or one called data; is: {names}"
        )
    return images[0]


def _properties(dataset: h5py.Dataset) -> Mapping[str, Any]:
    text = dataset.attrs.get("properties", "{}")
    try:
        properties = json.loads(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, TypeError):
        return {}
    return properties if isinstance(properties, dict) else {}
