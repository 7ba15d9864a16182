"""The settings of a scan: as long as they stay, one model of the crystal serves."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from livedetect.types import Frame

SAME_RATIO = 1e-3
"""Numbers closer than this, relative, are the same setting written twice."""
GAIN_KEYS = ("detector_gain", "gain")
"""Where the metadata of a frame may hold the detector's gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSetting:
    """What must not change within a segment; None where the source does not say."""

    shape: tuple[int, int]
    """Rows and columns."""
    dtype: str
    """Of the pixels."""
    stream: str
    """The channel."""
    pixel_size_nm: float | None
    """Width of a pixel, nm."""
    pixel_aspect: float
    """Height of a pixel over its width."""
    rotation_deg: float | None
    """Scan rotation, degrees."""
    dwell_us: float | None
    """Dwell time per pixel, µs."""
    gain: float | None
    """The detector's gain, any unit."""

    @classmethod
    def of(cls, frame: Frame) -> ScanSetting:
        """How `frame` was scanned."""
        scan = frame.calibration
        told = [frame.meta[key] for key in GAIN_KEYS if key in frame.meta]
        numbers = [float(value) for value in told if isinstance(value, (int, float))]
        return cls(
            shape=(frame.data.shape[0], frame.data.shape[1]),
            dtype=str(frame.data.dtype),
            stream=frame.stream,
            pixel_size_nm=scan.pixel_size_nm,
            pixel_aspect=scan.pixel_aspect,
            rotation_deg=scan.rotation_deg,
            dwell_us=scan.dwell_us,
            gain=numbers[0] if numbers else None,
        )

    def differences(self, now: ScanSetting) -> dict[str, Any]:
        """What has changed: name -> [old, new]; empty for the same setting."""
        pairs = {f.name: (getattr(self, f.name), getattr(now, f.name)) for f in fields(self)}
        return {
            name: [_plain(old), _plain(new)]
            for name, (old, new) in pairs.items()
            if not _same(old, new)
        }


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=SAME_RATIO, abs_tol=1e-9)
    return bool(old == new)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
