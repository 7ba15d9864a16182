"""Libraries of Nion Swift: a ``.nsproj`` file (JSON) and the folder with its data beside it.

A library holds many items, so ``?item=`` chooses: by title, or by the first letters of the
uuid. Single images of one title, shape and dtype (what the button Record leaves) are one item,
played in the order in which they were made.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from livedetect.errors import FrameReadError, SourceError
from livedetect.protocols import Stack
from livedetect.types import Frame
from livedetect_adapters import nion_properties as swift
from livedetect_adapters.choice import Item, chosen
from livedetect_adapters.frames import READ_ERRORS, frame_layout
from livedetect_adapters.hdf5 import open_hdf5, properties_of
from livedetect_adapters.nion import READER as ITEM_READER
from livedetect_adapters.nion import archived_layout, archived_properties, is_zip
from livedetect_adapters.npy import open_archive

_SUFFIXES = (".ndata", ".h5")


class LibraryReader:
    """Opens an item of a ``.nsproj`` library."""

    suffixes: Sequence[str] = (".nsproj",)

    def open(self, path: Path) -> Stack:
        """Open the only item of `path`; see `livedetect.protocols.Reader`."""
        return self.open_item(path, "")

    def open_item(self, path: Path, item: str) -> Stack:
        """Open the item called `item`; see `livedetect.protocols.ItemReader`."""
        folder = data_folder(path)
        found = sorted(_data_items(folder), key=lambda data: (data.created_s, str(data.path)))
        if not found:
            raise SourceError(f"{path.name} holds no images: none was found in {folder}")
        stack: Stack = chosen([_item(group) for group in _grouped(found)], item, path.name).open()
        return stack


def data_folder(path: Path) -> Path:
    """Where the library `path` keeps its data.

    As Swift does: the first folder it names that exists, relative to the library, else the one
    that is called like the library. Raises `SourceError` if there is none.
    """
    try:
        library = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"{path.name} is no library of Nion Swift: {error}") from error
    except OSError as error:
        raise FrameReadError(f"{path.name} cannot be read: {error}") from error
    named = library.get("project_data_folders") if isinstance(library, dict) else None
    if named is None:
        raise SourceError(f"{path.name} is no library of Nion Swift: it names no data folder")
    # a library that came from another computer may name a path of that one
    own = [path.parent / str(name).replace("\\", "/").rpartition("/")[2] for name in named]
    folders = [*(path.parent / str(name) for name in named), path.with_name(f"{path.stem} Data")]
    for folder in [*folders, *own]:
        if folder.is_dir():
            return folder
    raise SourceError(
        f"{path.name}: its data folder is not there; put {folders[0].name!r} beside it"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataItem:
    """One file of a library, of which nothing but the description has been read."""

    path: Path
    """The file."""
    properties: Mapping[str, Any]
    """Swift's JSON."""
    shape: tuple[int, ...]
    """Of all its pixels."""
    dtype: str
    """Of its pixels."""

    @property
    def created_s(self) -> float:
        """When it was made, s since the epoch; 0 if it does not say."""
        return swift.acquired_s(self.properties) or 0.0

    @property
    def title(self) -> str:
        """As Swift shows it."""
        return str(self.properties.get("title") or "Untitled")

    @property
    def uuid(self) -> str:
        """Unique in the library."""
        return str(self.properties.get("uuid") or self.path.stem)


def _data_items(folder: Path) -> Iterator[DataItem]:
    """Those that hold frames; the others, and what cannot be read, are left out."""
    for path in sorted(folder.rglob("*")):
        hidden = path.name.startswith(".") or "trash" in path.relative_to(folder).parts[:-1]
        if hidden or path.suffix.lower() not in _SUFFIXES:
            continue
        try:
            item = _described(path)
            swift.check_images(item.properties, item.shape, path.name)
            unfolds = item.properties.get("datum_dimension_count") == 2
            shape = (1, *item.shape[-2:]) if unfolds else item.shape
            frame_layout(shape, np.dtype(item.dtype), path.name)
        except (*READ_ERRORS, zipfile.BadZipFile):
            continue
        yield item


def _described(path: Path) -> DataItem:
    if is_zip(path):
        with open_archive(path) as archive:
            properties = archived_properties(archive)
            shape, dtype = archived_layout(archive, path.name)
        return DataItem(path=path, properties=properties, shape=shape, dtype=str(dtype))
    with open_hdf5(path) as file:
        data = file["data"]
        return DataItem(
            path=path, properties=properties_of(data), shape=data.shape, dtype=str(data.dtype)
        )


def _grouped(items: Sequence[DataItem]) -> list[list[DataItem]]:
    """Single images of the same kind together; everything else by itself."""
    groups: dict[Any, list[DataItem]] = {}
    for item in items:
        alike = (item.title, item.shape, item.dtype)
        groups.setdefault(alike if len(item.shape) == 2 else item.path, []).append(item)
    return list(groups.values())


def _item(group: list[DataItem]) -> Item:
    first = group[0]
    frames = len(group) if len(first.shape) == 2 else int(np.prod(first.shape[:-2]))
    height, width = first.shape[-2:]
    made = datetime.fromtimestamp(first.created_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    opens = partial(Series, group) if len(group) > 1 else partial(ITEM_READER.open, first.path)
    return Item(
        key=first.uuid,
        title=first.title,
        detail=f"{made}  {frames:4} × {width} × {height} px",
        open=opens,
    )


class Series:
    """Single images, each in a file of its own, as one stack with the times of its images."""

    timed = True
    interval_s: float | None = None

    def __init__(self, items: Sequence[DataItem]) -> None:
        self._items = items
        self.acquired_s = items[0].created_s

    def __len__(self) -> int:
        return len(self._items)

    def frame(self, position: int) -> Frame:
        """Frame at `position`; raises `FrameReadError` naming the file."""
        if not 0 <= position < len(self):
            raise FrameReadError(f"{self._items[0].title} has no image {position}")
        item = self._items[position]
        try:
            stack = ITEM_READER.open(item.path)
        except OSError as error:
            raise FrameReadError(f"{item.path.name} cannot be read: {error}") from error
        try:
            frame = stack.frame(0)
        finally:
            stack.close()
        time_s = item.created_s - self.acquired_s
        return dataclasses.replace(frame, index=position, time_s=time_s)

    def close(self) -> None:
        """Nothing stays open between two reads."""


READER = LibraryReader()
