"""How a frame was scanned: units of the file formats, and what the operator adds to them."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livedetect.settings import Settings
from livedetect.types import Calibration

_NM_PER_UNIT = {
    "pm": 1e-3,
    "å": 0.1,
    "a": 0.1,
    "ang": 0.1,
    "angstrom": 0.1,
    "angstroms": 0.1,
    "ångström": 0.1,
    "nm": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "nanometers": 1.0,
    "um": 1e3,
    "µm": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "mm": 1e6,
    "cm": 1e7,
    "m": 1e9,
    "meter": 1e9,
    "metre": 1e9,
}


def length_nm(value: Any, units: Any) -> float | None:
    """`value` in nm, or None if it is no positive number or `units` is no known length.

    Understood are pm, Å, nm, µm, mm, cm, m and their usual spellings.
    """
    # the micro sign, the Greek letter and ImageJ's escape all mean the same
    name = str(units).strip().replace("\\u00B5", "µ").replace("\u03bc", "µ")
    name = name.replace("A\u030a", "Å").replace("\u212b", "Å").lower()
    number = positive(value)
    if number is None or name not in _NM_PER_UNIT:
        return None
    return positive(number * _NM_PER_UNIT[name])


def positive(value: Any) -> float | None:
    """`value` as a positive finite number, else None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def spatial(x: tuple[Any, Any], y: tuple[Any, Any]) -> Calibration:
    """Calibration from (scale, units) of both axes; unknown units leave it empty."""
    width, height = length_nm(*x), length_nm(*y)
    if width is None:
        return Calibration(pixel_size_nm=height)
    return Calibration(pixel_size_nm=width, pixel_aspect=positive((height or width) / width) or 1.0)


def scanned(calibration: Calibration, found: Mapping[str, Any]) -> Calibration:
    """`calibration` with dwell_us, current_pA and high_tension_kv taken from `found`.

    A current found in a file is the instrument's.
    """
    current = positive(found.get("current_pA"))
    return dataclasses.replace(
        calibration,
        dwell_us=positive(found.get("dwell_us")),
        high_tension_kv=positive(found.get("high_tension_kv")),
        current_pA=current,
        current_source="instrument" if current else "unknown",
    )


def completed(calibration: Calibration, settings: Settings) -> Calibration:
    """`calibration` with the operator's values where it has none of its own."""
    changes: dict[str, Any] = {
        name: getattr(settings, name)
        for name in ("pixel_size_nm", "dwell_us", "high_tension_kv", "current_pA")
        if getattr(calibration, name) is None
    }
    if changes.get("current_pA") is not None:
        changes["current_source"] = "operator"
    return dataclasses.replace(calibration, **changes)


def merged(first: Calibration, second: Calibration) -> Calibration:
    """What `first` says, and `second` where `first` is silent."""
    missing = {
        entry.name: getattr(second, entry.name)
        for entry in dataclasses.fields(Calibration)
        if getattr(first, entry.name) in (None, "unknown")
    }
    if first.pixel_size_nm is None:
        missing["pixel_aspect"] = second.pixel_aspect
    return dataclasses.replace(first, **missing)


def beside(path: Path) -> Calibration:
    """What ``meta.json`` in the directory of `path` says; empty if there is none of ours.

    Ours is the one that ``livedetect simulate`` writes: it has ``pixel_size_nm``.
    """
    try:
        meta = json.loads((path.parent / "meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Calibration()
    if not isinstance(meta, dict) or "pixel_size_nm" not in meta:
        return Calibration()
    return scanned(Calibration(pixel_size_nm=positive(meta["pixel_size_nm"])), meta)
