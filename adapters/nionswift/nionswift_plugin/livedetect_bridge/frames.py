"""What Swift and the column know of a frame, in the words of LDF/1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nionswift_plugin.livedetect_bridge.column import Reading
from nionswift_plugin.livedetect_bridge.tap import TappedFrame
from nionswift_plugin.livedetect_bridge.wire import FrameHeader

_LENGTHS_NM = {"nm": 1.0, "m": 1e9, "um": 1e3, "µm": 1e3, "μm": 1e3, "pm": 1e-3, "A": 0.1, "Å": 0.1}
_SCAN = ("fov_nm", "rotation", "rotation_deg", "center_x_nm", "center_y_nm", "subscan_rotation")
_PLAIN = (bool, int, float, str)
_MAX_TEXT = 200


def header(frame: TappedFrame, seq: int, reading: Reading) -> FrameHeader:
    """The header of `frame` as number `seq` of its stream."""
    told = frame.source.metadata
    device = told.get("hardware_source", {})
    rows = device.get("valid_rows")
    return FrameHeader(
        seq=seq,
        t_ns=frame.t_ns,
        mono_ns=frame.mono_ns,
        cal=calibrations(frame.source),
        details={
            "dwell_us": number(device.get("pixel_time_us")),
            # with the beam off the scan goes on, but nothing reaches the specimen
            "current_pA": 0.0 if reading.blanked else reading.current_pA,
            "high_tension_kv": reading.high_tension_kv or _high_tension_kv(told),
            "scan_id": frame.scan_id or None,
            "src": f"nionswift/{frame.device}",
            "valid_rows": rows if isinstance(rows, int) and rows >= 0 else None,
            "meta": meta(frame, reading),
        },
    )


def calibrations(source: Any) -> tuple[tuple[float, float, str], ...]:
    """Scale, offset and units of (y, x); lengths in nm.

    Those of the data: under a subscan the field of view in the metadata stays the whole scan's.
    """
    return tuple(_axis(axis) for axis in source.dimensional_calibrations[-2:])


def _axis(axis: Any) -> tuple[float, float, str]:
    scale, offset = number(axis.scale), number(axis.offset)
    if scale is None or scale <= 0:
        return 1.0, 0.0, ""
    units = str(axis.units or "")
    factor = _LENGTHS_NM.get(units)
    if factor is None:
        return scale, offset or 0.0, units[:_MAX_TEXT]
    return scale * factor, (offset or 0.0) * factor, "nm"


def meta(frame: TappedFrame, reading: Reading) -> dict[str, Any]:
    """Further facts: the scan's, the device's, and the column's values by their own names."""
    told = frame.source.metadata
    scan, device = told.get("scan", {}), told.get("hardware_source", {})
    known: dict[str, Any] = {name: scan.get(name) for name in _SCAN}
    known |= {
        "device": frame.device,
        "channel": frame.channel,
        "channel_id": device.get("channel_id"),
        "frame_index": device.get("frame_index"),
        "line_time_us": device.get("line_time_us"),
        "subscan": frame.data_channel != device.get("channel_id"),
        "blanked": reading.blanked,
        **reading.values,
    }
    return {name: value for name, value in known.items() if _is_plain(value)}


def number(value: Any) -> float | None:
    """A finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, _PLAIN) and not (isinstance(value, str) and len(value) > _MAX_TEXT)


def _high_tension_kv(told: Mapping[str, Any]) -> float | None:
    volts = number(told.get("instrument", {}).get("high_tension"))
    return volts / 1e3 if volts else None
