"""Cumulative incident dose of an area, counted once per scan and not per channel."""

from __future__ import annotations

import copy

from livedetect.types import Frame, Gap, Rejection

SCANS_KEY = "scans"
"""In the metadata of a sum of frames: how many scans it stands for."""
COUNTED_BEFORE = ("duplicate", "late")
"""Rejections whose scan has been counted: as a frame, or as part of a gap."""


class DoseMeter:
    """Adds up fluence in e/Å²; unknown as soon as one frame's current is unknown."""

    def __init__(self) -> None:
        self._total: float | None = 0.0
        self._latest: float | None = None
        self._latest_scans = 1
        self._before_first = 0
        self._started = False
        self._scan_id = ""
        self._before_latest: float | None = 0.0
        self._at_mark: float | None = 0.0
        self._since_mark: float | None = 0.0

    @property
    def total(self) -> float | None:
        """Dose so far, e/Å²; None where it cannot be known."""
        return self._total

    def add(self, item: Frame | Gap | Rejection) -> None:
        """Count a frame; missing and unreadable ones hit the specimen all the same."""
        if isinstance(item, Rejection):
            self._add_unseen(0 if item.reason in COUNTED_BEFORE else 1)
            return
        if isinstance(item, Gap):
            self._add_unseen(item.missing_frames)
            return
        if item.scan_id and item.scan_id == self._scan_id:
            return
        self._scan_id = item.scan_id
        self._latest = item.calibration.dose_per_frame_e_per_A2
        self._before_latest = self._total
        self._latest_scans = int(item.meta.get(SCANS_KEY, 1))
        scans = self._latest_scans + (0 if self._started else self._before_first)
        self._started = True
        self._add(self._latest, scans)

    def mark(self) -> None:
        """From the latest frame on it is not certain that the dose falls on this area."""
        self._at_mark = self._before_latest
        self._since_mark = _sum(0.0, self._latest, self._latest_scans)

    def split(self) -> DoseMeter:
        """A meter for the area that has got all dose since the mark; this one goes back to it."""
        other = copy.copy(self)
        other._total = self._since_mark
        self._total = self._before_latest = self._at_mark
        return other

    def merge(self, other: DoseMeter) -> None:
        """Take over what `other` has counted last on the same area."""
        mine = self._total
        vars(self).update(vars(other))
        self._total = None if mine is None or other.total is None else mine + other.total

    def _add_unseen(self, scans: int) -> None:
        """Scans whose frame we do not have; before the first frame their dose is not known."""
        if self._started:
            self._add(self._latest, scans)
        else:
            self._before_first += scans

    def _add(self, dose: float | None, scans: int) -> None:
        self._total = _sum(self._total, dose, scans)
        self._since_mark = _sum(self._since_mark, dose, scans)


def _sum(total: float | None, dose: float | None, scans: int) -> float | None:
    return None if total is None or dose is None else total + scans * dose
