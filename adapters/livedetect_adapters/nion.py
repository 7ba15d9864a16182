"""Files of Nion Swift, read without any package of Nion's.

``.ndata`` and ``.ndata1`` are zips of ``data.npy`` and ``metadata.json``; ``.h5`` holds a
dataset ``data`` and ``.nhdf`` datasets ``data/0``, ``data/1`` ... with JSON in their attribute
``properties``. Exported ``.npy`` files have the JSON beside them: see `livedetect_adapters.npy`.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livedetect.errors import FrameReadError, SourceError
from livedetect_adapters import nexus
from livedetect_adapters.frames import ArrayStack
from livedetect_adapters.hdf5 import H5Array
from livedetect_adapters.nion_stack import stack_of
from livedetect_adapters.npy import NpyFile, open_archive, read_archived, read_header

LARGE_BYTES = 256 * 2**20
"""Above this size a zip's frames are read one by one, without looking at its checksum."""
_LOCAL_HEADER_BYTES = 30
_PIXELS = "data.npy"


class NionReader:
    """Opens ``.ndata``, ``.ndata1``, ``.h5``, ``.hdf5`` and ``.nhdf``."""

    suffixes: Sequence[str] = (".ndata1", ".ndata", ".nhdf", ".hdf5", ".h5")

    def open(self, path: Path) -> ArrayStack:
        """Open `path`; see `livedetect.protocols.Reader`."""
        return self.open_item(path, "")

    def open_item(self, path: Path, item: str) -> ArrayStack:
        """Open the image or stack called `item`; see `livedetect.protocols.ItemReader`."""
        if not is_zip(path):
            return _open_hdf5(path, item)
        if item:
            raise SourceError(f"{path.name} holds a single item: leave out ?item=")
        return _open_zip(path)


def is_zip(path: Path) -> bool:
    """Whether `path` is named as one of Swift's zip archives."""
    return "ndata" in path.suffix.lower()


def _open_zip(path: Path) -> ArrayStack:
    try:
        with open_archive(path) as archive:
            properties = archived_properties(archive)
            large = archive.getinfo(_PIXELS).file_size > LARGE_BYTES
            data = None if large else read_archived(archive, _PIXELS, path.name)
            start = _start_of(archive, path) if data is None else 0
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
        raise FrameReadError(f"{path.name} is incomplete: {error}") from error
    if data is not None:
        return stack_of(data, path.name, properties)
    file = NpyFile(path, start)
    return stack_of(file, path.name, properties, release=file.close)


def archived_properties(archive: zipfile.ZipFile) -> Mapping[str, Any]:
    """What ``metadata.json`` says."""
    properties = json.loads(archive.read("metadata.json"))
    return properties if isinstance(properties, dict) else {}


def archived_layout(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of the pixels; raises `KeyError` if the item has none."""
    with archive.open(_PIXELS) as file:
        shape, _, dtype = read_header(file, name)  # type: ignore[arg-type]
    return shape, dtype


def _start_of(archive: zipfile.ZipFile, path: Path) -> int:
    """Where the pixels' ``.npy`` begins in the file; Swift does not compress it."""
    info = archive.getinfo(_PIXELS)
    if info.compress_type != zipfile.ZIP_STORED:
        raise SourceError(
            f"{path.name} is compressed and larger than {LARGE_BYTES >> 20} MiB: export it anew"
        )
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER_BYTES)
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return info.header_offset + _LOCAL_HEADER_BYTES + lengths


def _open_hdf5(path: Path, item: str) -> ArrayStack:
    array = H5Array(path, item)
    try:
        if not array.properties:
            return nexus.stack_of(array, path.name)
        return stack_of(array, path.name, array.properties, release=array.close)
    except BaseException:
        array.close()
        raise


READER = NionReader()
