"""What a run lacked for a dose, and which settings would bring it."""

from __future__ import annotations

from livedetect.types import Calibration, Frame, SourceItem

DOSE_KEYS = ("pixel_size_nm", "dwell_us", "current_pA")
"""Calibration and settings alike: all three give e/Å²."""


class DoseHint:
    """A tap that remembers how the latest frame was scanned."""

    def __init__(self) -> None:
        self._calibration: Calibration | None = None

    def on_frame(self, item: SourceItem) -> None:
        """Take note of a frame's calibration."""
        if isinstance(item, Frame):
            self._calibration = item.calibration

    @property
    def line(self) -> str:
        """A sentence on what is missing; empty if there is a dose, or was no frame."""
        if self._calibration is None:
            return ""
        missing = [key for key in DOSE_KEYS if getattr(self._calibration, key) is None]
        if not missing:
            return ""
        options = " ".join(f"--set {key}=..." for key in missing)
        return f"No dose, as the source does not say {_listed(missing)}: {options}"


def _listed(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])} and {keys[-1]}"
