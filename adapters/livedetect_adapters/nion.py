"""Files of Nion Swift, read without any package of Nion's.

``.ndata`` and ``.ndata1`` are zips of ``data.npy`` and ``metadata.json``; ``.h5`` and ``.nhdf``
hold a dataset with JSON in its attribute ``properties``. A stack keeps one set of metadata, so
per-frame times are not known.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from livedetect.errors import FrameReadError
from livedetect.types import Calibration
from livedetect_adapters import calibration as cal
from livedetect_adapters.frames import ArrayStack
from livedetect_adapters.hdf5 import H5Array
from livedetect_adapters.metadata import find, scaled, unix_s
from livedetect_adapters.npy import open_archive, read_archived


class NionReader:
    """Opens ``.ndata``, ``.ndata1``, ``.h5``, ``.hdf5`` and ``.nhdf``."""

    suffixes: Sequence[str] = (".ndata1", ".ndata", ".nhdf", ".hdf5", ".h5")

    def open(self, path: Path) -> ArrayStack:
        """Open `path`; see `livedetect.protocols.Reader`."""
        return _open_zip(path) if "ndata" in path.suffix.lower() else _open_hdf5(path)


def _open_zip(path: Path) -> ArrayStack:
    try:
        with open_archive(path) as archive:
            data = read_archived(archive, "data.npy", path.name)
            properties = json.loads(archive.read("metadata.json"))
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
        raise FrameReadError(f"{path.name} is incomplete: {error}") from error
    return _stack(data, path.name, properties)


def _open_hdf5(path: Path) -> ArrayStack:
    array = H5Array(path)
    try:
        return _stack(array, path.name, array.properties, array)
    except BaseException:
        array.close()
        raise


def _stack(
    array: Any, name: str, properties: Mapping[str, Any], opened: H5Array | None = None
) -> ArrayStack:
    stack = ArrayStack(
        array,
        name,
        calibration=calibration_of(properties),
        meta=_meta(properties),
        release=opened.close if opened else lambda: None,
    )
    stack.acquired_s = unix_s(find(properties, "timestamp"))
    exposure_s = cal.positive(find(properties, "exposure"))
    stack.interval_s = exposure_s if len(stack) > 1 else None
    return stack


def calibration_of(properties: Mapping[str, Any]) -> Calibration:
    """Pixel size, dwell time (``pixel_time_us``), high tension (V), rotation: Swift's JSON."""
    axes = find(properties, "dimensional_calibrations") or find(properties, "spatial_calibrations")
    calibration = Calibration()
    if isinstance(axes, list) and len(axes) >= 2 and all(isinstance(a, dict) for a in axes):
        y, x = ((axis.get("scale"), axis.get("units")) for axis in axes[-2:])
        calibration = cal.spatial(x, y)
    found = {
        "dwell_us": find(properties, "pixel_time_us"),
        "high_tension_kv": scaled(find(properties, "high_tension"), 1e-3),
    }
    turned = scaled(find(properties, "rotation_deg"), 1.0)
    return dataclasses.replace(cal.scanned(calibration, found), rotation_deg=turned)


def _meta(properties: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("channel_name", "channel_id", "scan_id", "fov_nm", "defocus")
    values = {key: find(properties, key) for key in keys}
    return {key: value for key, value in values.items() if isinstance(value, (str, int, float))}


READER = NionReader()
