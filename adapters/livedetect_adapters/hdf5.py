"""HDF5 files of Nion Swift (``.h5``, ``.nhdf``), and others that hold images or stacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from livedetect.errors import FrameReadError, SourceError
from livedetect_adapters.choice import Item, chosen
from livedetect_adapters.frames import READ_ERRORS

SIGNATURE = b"\x89HDF\r\n\x1a\n"


class H5Array:
    """An image or stack of an HDF5 file; `shape` follows a growing (SWMR) file.

    `item` names it (its path in the file, Swift's title or uuid) where the file holds several;
    one called ``data`` needs no naming.
    """

    def __init__(self, path: Path, item: str = "") -> None:
        self.file = open_hdf5(path)
        try:
            self._dataset = _image(self.file, item, path.name)
            self.properties = properties_of(self._dataset)
        except BaseException:
            self.file.close()
            raise
        self.dtype = self._dataset.dtype

    @property
    def dataset(self) -> h5py.Dataset:
        """Where the pixels are."""
        return self._dataset

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


def open_hdf5(path: Path) -> h5py.File:
    """The file, without a lock: reading must never stop the program that writes.

    Raises `SourceError` if it is no HDF5 file and `FrameReadError` if it is incomplete or cannot
    be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise FrameReadError(f"{path.name} cannot be read: {error}") from error
    if start != SIGNATURE and start.strip(b"\0"):
        raise SourceError(f"{path.name} is no HDF5 file, whatever its name says")
    problem: Exception | None = None
    for swmr in (True, False):
        try:
            return h5py.File(path, "r", swmr=swmr, locking=False, libver="latest" if swmr else None)
        except READ_ERRORS as error:
            problem = problem or error
    raise FrameReadError(f"{path.name} is incomplete or being written: {problem}") from problem


def _image(file: h5py.File, item: str, name: str) -> h5py.Dataset:
    if not item and isinstance(file.get("data"), h5py.Dataset):
        return file["data"]
    datasets: list[h5py.Dataset] = []

    def note(_: str, found: Any) -> None:
        # numbers in rows and columns; whether they are frames, the stack decides and says
        if isinstance(found, h5py.Dataset) and found.ndim >= 1 and found.dtype.kind in "uifc":
            datasets.append(found)

    file.visititems(note)
    images = [dataset for dataset in datasets if _holds_image(dataset)]
    if not images and len(datasets) == 1:
        return datasets[0]
    return chosen([_item(dataset) for dataset in images], item, name).open()


def _holds_image(dataset: h5py.Dataset) -> bool:
    unfolds = properties_of(dataset).get("datum_dimension_count") == 2
    return dataset.ndim in (2, 3) or (dataset.ndim > 3 and unfolds)


def _item(dataset: h5py.Dataset) -> Item:
    title = str(properties_of(dataset).get("title", ""))
    shape = " × ".join(map(str, dataset.shape))
    return Item(
        key=str(dataset.name),
        title=title,
        detail=f"{shape}, {dataset.dtype}",
        open=partial(lambda same: same, dataset),
    )


def properties_of(dataset: h5py.Dataset) -> Mapping[str, Any]:
    """Swift's JSON; empty if there is none."""
    text = dataset.attrs.get("properties", "{}")
    try:
        properties = json.loads(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, TypeError):
        return {}
    return properties if isinstance(properties, dict) else {}
