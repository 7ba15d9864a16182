"""Files as Nion Swift lays them out, made by hand after those of version 16.16."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SCAN = {
    "instrument": {"high_tension": 100000.0, "defocus": 5e-07},
    "scan": {
        "hardware_source_name": "Scan",
        "scan_id": "b8bdb2d2-6346-4de5-8a4b-c354d886fe9b",
        "fov_nm": 4.0,
        "rotation": 0.3,
        "rotation_deg": 17.188733853924695,
    },
    "hardware_source": {
        "hardware_source_name": "Scan",
        "exposure": 0.006144,
        "channel_id": "a",
        "channel_name": "HAADF",
        "pixel_time_us": 2.0,
    },
}


def properties_of(
    array: np.ndarray, title: str, *, sequence: bool = False, second: int = 0, **changes: Any
) -> dict[str, Any]:
    """What a library says of `array`, an image or a stack of images."""
    collection = array.ndim - 2 - sequence
    scale = {"offset": -2.0, "scale": 0.0625, "units": "nm"}
    plain = {"offset": 0.0, "scale": 1.0, "units": ""}
    return {
        "type": "data-item",
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{title} {second} {array.shape}")),
        "created": f"2026-11-22T19:35:{second:02}.500000",
        "data_shape": list(array.shape),
        "data_dtype": str(array.dtype),
        "is_sequence": sequence,
        "collection_dimension_count": collection,
        "datum_dimension_count": 2,
        "dimensional_calibrations": [plain] * (array.ndim - 2) + [scale] * 2,
        "timezone": "Europe/Berlin",
        "metadata": SCAN,
        "title": title,
        "session_id": "20261122-193519",
        "category": "persistent",
        "version": 13,
        **changes,
    }


def write_ndata(path: Path, array: np.ndarray | None, properties: dict[str, Any]) -> None:
    """A ``.ndata`` or ``.ndata1``; without an array an item that was never filled."""
    with zipfile.ZipFile(path, "w") as archive:
        if array is not None:
            pixels = io.BytesIO()
            np.save(pixels, array)
            archive.writestr("data.npy", pixels.getvalue())
        archive.writestr("metadata.json", json.dumps(properties))


def write_h5(path: Path, array: np.ndarray, properties: dict[str, Any]) -> None:
    """A ``.h5`` as Swift writes for its large items."""
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=array).attrs["properties"] = json.dumps(properties)


def write_nhdf(path: Path, *items: tuple[np.ndarray, dict[str, Any]]) -> None:
    """An exported display item: its data, and an index that names them."""
    with h5py.File(path, "w") as file:
        file.create_group("index").attrs["1"] = json.dumps({"type": "display_item"})
        group = file.create_group("data")
        for position, (array, properties) in enumerate(items):
            dataset = group.create_dataset(str(position), data=array)
            dataset.attrs["properties"] = json.dumps(properties)


def exported(properties: dict[str, Any]) -> dict[str, Any]:
    """The same in the words of ``.ndata1`` and of the ``.json`` beside a ``.npy``."""
    kept = {
        key: value
        for key, value in properties.items()
        if key not in ("dimensional_calibrations", "created", "type", "timezone")
    }
    return {
        **kept,
        "spatial_calibrations": properties["dimensional_calibrations"],
        "datetime_original": {"local_datetime": "2026-11-22T20:35:00.500000", "tz": "+0100"},
    }


class Library:
    """A ``.nsproj`` with the folder of its data."""

    def __init__(self, folder: Path, name: str = "My Project.2") -> None:
        self.path = folder / f"{name}.nsproj"
        self.data = folder / f"{name} Data"
        self._session = self.data / "2026" / "11" / "22" / "20261122-193519"
        self._session.mkdir(parents=True)
        self.name([self.data.name])

    def name(self, folders: list[str]) -> None:
        """Write the ``.nsproj``, which names `folders`."""
        contents = {"version": 3, "uuid": str(uuid.uuid4()), "project_data_folders": folders}
        self.path.write_text(json.dumps(contents), encoding="utf-8")

    def add(self, array: np.ndarray | None, properties: dict[str, Any]) -> Path:
        """Add an item; its file is called after its uuid, so the order of names says nothing."""
        letters = properties["uuid"].replace("-", "").upper()[:25]
        path = self._session / f"data_{letters}.ndata"
        write_ndata(path, array, properties)
        return path

    def add_large(self, array: np.ndarray, properties: dict[str, Any]) -> Path:
        """Add an item of Swift's large format."""
        letters = properties["uuid"].replace("-", "").upper()[:25]
        path = self._session / f"data_{letters}.h5"
        write_h5(path, array, properties)
        return path
