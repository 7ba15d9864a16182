"""What Nion Swift writes beside the pixels: one JSON object, the same in all of its formats.

Axes are called ``dimensional_calibrations`` in a library and in ``.nhdf``, and
``spatial_calibrations`` in exported files. A stack keeps one object for all its frames, so
what belongs to a single scan (its id, its valid rows) is known of single images only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from livedetect.errors import SourceError
from livedetect.types import Calibration
from livedetect_adapters import calibration as cal
from livedetect_adapters.metadata import find, scaled

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_META = ("title", "channel_name", "channel_id", "scan_id", "fov_nm", "defocus", "session_id")


def calibration_of(properties: Mapping[str, Any]) -> Calibration:
    """Pixel size, dwell time (``pixel_time_us``), high tension (V) and rotation."""
    axes = axes_of(properties)
    calibration = Calibration()
    if len(axes) >= 2:
        y, x = ((axis.get("scale"), axis.get("units")) for axis in axes[-2:])
        calibration = cal.spatial(x, y)
    found = {
        "dwell_us": find(properties, "pixel_time_us"),
        "high_tension_kv": scaled(find(properties, "high_tension"), 1e-3),
    }
    turned = scaled(find(properties, "rotation_deg"), 1.0)
    return dataclasses.replace(cal.scanned(calibration, found), rotation_deg=turned)


def axes_of(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calibration of each axis, slowest first; empty if there is none."""
    axes = find(properties, "dimensional_calibrations") or find(properties, "spatial_calibrations")
    whole = isinstance(axes, list) and all(isinstance(axis, dict) for axis in axes)
    return axes if whole else []


def interval_s(properties: Mapping[str, Any]) -> float | None:
    """Time between two frames of a sequence, s: its axis where that is in time, else a scan's."""
    axes = axes_of(properties)
    seconds = _SECONDS.get(str(axes[0].get("units"))) if len(axes) == 3 else None
    along_axis = cal.positive(axes[0].get("scale")) if seconds else None
    return along_axis * seconds if along_axis and seconds else exposure_s(properties)


def exposure_s(properties: Mapping[str, Any]) -> float | None:
    """Duration of one scan, s."""
    return cal.positive(find(properties, "exposure"))


def acquired_s(properties: Mapping[str, Any]) -> float | None:
    """When the item was made, s since the epoch.

    ``created`` of a library is UTC without saying so; an exported file gives local time and,
    in ``tz``, its distance from UTC with daylight saving included.
    """
    stamp = properties.get("datetime_original")
    try:
        if isinstance(stamp, Mapping):
            local = datetime.fromisoformat(str(stamp["local_datetime"])).replace(tzinfo=UTC)
            return (local - _offset(str(stamp.get("tz", "+0000")))).timestamp()
        return datetime.fromisoformat(str(properties["created"])).replace(tzinfo=UTC).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None


def _offset(text: str) -> timedelta:
    """``+0530`` as a duration."""
    minutes = int(text[-4:-2]) * 60 + int(text[-2:])
    return timedelta(minutes=-minutes if text.startswith("-") else minutes)


def meta_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What else is worth keeping with a frame; scalars and strings only."""
    values = {key: find(properties, key) for key in _META}
    return {key: value for key, value in values.items() if isinstance(value, (str, int, float))}


def stream_of(properties: Mapping[str, Any]) -> str:
    """Name of the channel as the bridge calls it, ``swift/HAADF``; empty if it is not known."""
    channel = find(properties, "channel_name")
    return f"swift/{channel}" if channel else ""


def valid_rows_of(properties: Mapping[str, Any]) -> int | None:
    """Rows really scanned of a single image; None if it does not say."""
    rows = find(properties, "valid_rows")
    return rows if isinstance(rows, int) and rows > 0 else None


def check_images(properties: Mapping[str, Any], shape: tuple[int, ...], name: str) -> None:
    """Raise `SourceError` if the last two of the axes in `shape` are not those of an image."""
    datum, collection = (properties.get(f"{a}_dimension_count") for a in ("datum", "collection"))
    axes = int(bool(properties.get("is_sequence"))) + (datum or 0) + (collection or 0)
    if datum and len(shape) > axes:
        raise SourceError(f"{name} is a colour image {shape}; export one grey channel")
    if datum == 1 and len(shape) > 1:
        raise SourceError(
            f"{name} holds spectra {shape}; sum them to one image, or export the image itself"
        )
    units = [axis.get("units") for axis in axes_of(properties)[-2:]]
    if len(units) == 2 and all(unit in ("rad", "mrad") for unit in units):
        raise SourceError(
            f"{name} holds diffraction patterns {shape}, calibrated in "
            f"{units[-1]}; choose the channel with the images"
        )
