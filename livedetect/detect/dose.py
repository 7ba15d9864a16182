"""Cumulative incident dose of an area, counted once per scan and not per channel."""

from __future__ import annotations

from livedetect.types import Frame, Gap


class DoseMeter:
    """Adds up fluence in e/Å²; unknown as soon as one frame's current is unknown."""

    def __init__(self) -> None:
        self._total: float | None = 0.0
        self._latest: float | None = None
        self._scan_id = ""

    @property
    def total(self) -> float | None:
        """Dose so far, e/Å²; None where it cannot be known."""
        return self._total

    def add(self, item: Frame | Gap) -> None:
        """Count a frame, or the frames of a gap, which hit the specimen all the same."""
        if isinstance(item, Gap):
            self._add(self._latest, item.missing_frames)
            return
        if item.scan_id and item.scan_id == self._scan_id:
            return
        self._scan_id = item.scan_id
        self._latest = item.calibration.dose_per_frame_e_per_A2
        self._add(self._latest, 1)

    def _add(self, dose: float | None, scans: int) -> None:
        known = self._total is not None and dose is not None
        self._total = self._total + scans * dose if known else None  # type: ignore[operator]
