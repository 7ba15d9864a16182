"""Axes of HDF5 files after NeXus, as ``livedetect pack`` and others write them.

Format: manual.nexusformat.org, NXdata: the attribute ``axes`` of the group that holds the images
names one dataset for each dimension, with its ``units``. NXinstrument may tell how it was scanned.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import h5py
import numpy as np

from livedetect.types import Calibration
from livedetect_adapters import calibration as cal
from livedetect_adapters.frames import READ_ERRORS, ArrayStack
from livedetect_adapters.hdf5 import H5Array

_UNITS = {"dwell_us": "us", "current_pA": "pA", "high_tension_kv": "kV"}


def stack_of(array: H5Array, name: str) -> ArrayStack:
    """The frames with pixel size, times and scan as far as the file tells them."""
    steps = _steps(array.dataset)
    seconds, units = steps.get(array.dataset.ndim - 3, (None, None))
    return ArrayStack(
        array,
        name,
        calibration=_calibration(array.dataset, steps),
        interval_s=cal.positive(seconds) if units == "s" else None,
        release=array.close,
    )


def _calibration(dataset: h5py.Dataset, steps: dict[int, tuple[Any, Any]]) -> Calibration:
    unknown = (None, None)
    y, x = (steps.get(dataset.ndim - back, unknown) for back in (2, 1))
    found = cal.scanned(cal.spatial(x, y), _instrument(dataset))
    # a current that was typed in is not the instrument's
    return dataclasses.replace(
        found, current_source="operator" if found.current_pA else found.current_source
    )


def _steps(dataset: h5py.Dataset) -> dict[int, tuple[Any, Any]]:
    """Step and units of each dimension whose axis is told."""
    names = dataset.parent.attrs.get("axes", ())
    names = [names] if isinstance(names, (str, bytes)) else list(names)
    steps: dict[int, tuple[Any, Any]] = {}
    for dimension, name in enumerate(names):
        axis = dataset.parent.get(_text(name))
        if isinstance(axis, h5py.Dataset) and axis.shape == (dataset.shape[dimension],):
            steps[dimension] = _step(axis), _text(axis.attrs.get("units", ""))
    return steps


def _step(axis: h5py.Dataset) -> float | None:
    """Mean step of an axis; None where it is no row of numbers."""
    try:
        values = np.asarray(axis[...], dtype=float)
    except READ_ERRORS:
        return None
    return float((values[-1] - values[0]) / (len(values) - 1)) if len(values) > 1 else None


def _instrument(dataset: h5py.Dataset) -> dict[str, Any]:
    """What the entry's NXinstrument says of the scan, in our units."""
    entry = dataset.parent.parent
    group = entry.get("instrument") if isinstance(entry, h5py.Group) else None
    if not isinstance(group, h5py.Group):
        return {}
    told = {name: group.get(name) for name in _UNITS}
    return {
        name: value[()]
        for name, value in told.items()
        if isinstance(value, h5py.Dataset)
        and value.shape == ()
        and _text(value.attrs.get("units", "")) == _UNITS[name]
    }


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
