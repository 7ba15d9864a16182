"""What of the scan's settings changed between two frames."""

from __future__ import annotations

import dataclasses
from typing import Any

from livedetect.types import Frame

_NOT_OF_THE_MODEL = ("current_pA", "current_source", "high_tension_kv")


def differences(before: Frame, now: Frame) -> dict[str, Any]:
    """Settings that differ and make another model necessary: key -> [old, new]."""
    pairs = {
        "shape": (list(before.data.shape), list(now.data.shape)),
        "dtype": (str(before.data.dtype), str(now.data.dtype)),
        "stream": (before.stream, now.stream),
    }
    for field in dataclasses.fields(before.calibration):
        if field.name not in _NOT_OF_THE_MODEL:
            pairs[field.name] = (
                getattr(before.calibration, field.name),
                getattr(now.calibration, field.name),
            )
    return {name: [old, new] for name, (old, new) in pairs.items() if old != new}
