"""Identity, order and gaps: where every frame of a session went.

Holds in every run::

    received = warm_up + scored + invalid + suspect + duplicate + late + skipped + pending
               + integrated (frames within a sum, see `Settings.integrate`)
    sent     = received - duplicate + missing
"""

from __future__ import annotations

import bisect
import dataclasses
from collections import Counter
from collections.abc import Mapping

from livedetect.types import Disposition, Frame, Gap, Rejection, SourceItem

FATES = (
    "warm_up",
    "scored",
    "invalid",
    "suspect",
    "duplicate",
    "late",
    "skipped",
)
_NO_FATE = ("pending", "none")


class Ledger:
    """Watches the order of the frames and counts what became of each."""

    def __init__(self) -> None:
        self._received = 0
        self._fates: Counter[str] = Counter()
        self._next_index = 0
        self._missing = _Ranges()

    @property
    def received(self) -> int:
        """Frames taken in, rejected and repeated ones included."""
        return self._received

    @property
    def next_index(self) -> int:
        """Index the next frame should have."""
        return self._next_index

    def fate(self, disposition: Disposition) -> int:
        """Number of frames with this disposition."""
        return self._fates[disposition]

    def admit(self, item: SourceItem) -> list[SourceItem]:
        """Count `item` in and put it in order.

        Returns what goes on to the engine: unannounced holes in the numbering appear as a
        `Gap` before the frame, a repeated frame as a duplicate, one from an earlier gap as late.
        """
        if isinstance(item, Gap):
            return self._admit_gap(item)
        if isinstance(item, (Frame, Rejection)):
            return self._admit_numbered(item)
        return [item]

    def settle(self, item: SourceItem, disposition: Disposition) -> None:
        """Note what became of an admitted frame; anything but frames is ignored."""
        if isinstance(item, Rejection):
            self._fates[item.reason] += 1
        elif isinstance(item, Frame) and disposition not in _NO_FATE:
            self._fates[disposition] += 1

    def counts(self) -> dict[str, int]:
        """The ledger by name: sent, received, missing, pending and every fate."""
        settled = sum(self._fates.values())
        return balance({**self._fates, "pending": self._received - settled}, len(self._missing))

    def _admit_gap(self, gap: Gap) -> list[SourceItem]:
        before = self._hole_before(gap.first_missing, gap.time_s)
        end = gap.first_missing + gap.missing_frames
        start = max(gap.first_missing, self._next_index)
        if end <= start:
            return before
        self._missing.add(start, end)
        self._next_index = end
        known = dataclasses.replace(gap, first_missing=start, missing_frames=end - start)
        return [*before, known]

    def _admit_numbered(self, item: Frame | Rejection) -> list[SourceItem]:
        self._received += 1
        if isinstance(item, Rejection) and item.reason == "duplicate":
            return [item]
        if item.index < self._next_index:
            return [self._out_of_order(item)]
        before = self._hole_before(item.index, item.time_s)
        self._next_index = item.index + 1
        return [*before, item]

    def _out_of_order(self, item: Frame | Rejection) -> SourceItem:
        if self._missing.remove(item.index):
            reason, message = "late", "arrived after its successors"
        else:
            reason, message = "duplicate", "this frame number had arrived before"
        return Rejection(
            index=item.index,
            reason="late" if reason == "late" else "duplicate",
            message=message,
            time_s=item.time_s,
            epoch=epoch_of(item),
        )

    def _hole_before(self, index: int, time_s: float) -> list[SourceItem]:
        first, count = self._next_index, index - self._next_index
        if count <= 0:
            return []
        self._missing.add(first, index)
        self._next_index = index
        reason = "missing" if first > 0 else "before joining"
        return [Gap(first_missing=first, missing_frames=count, reason=reason, time_s=time_s)]


def balance(fates: Mapping[str, int], missing: int) -> dict[str, int]:
    """The ledger by name from what became of the frames that came, and how many did not."""
    told = {fate: fates.get(fate, 0) for fate in FATES}
    if fates.get("integrated"):  # frames within a sum, where frames are summed
        told["integrated"] = fates["integrated"]
    told["pending"] = fates.get("pending", 0)
    received = sum(told.values())
    sent = received - told["duplicate"] + missing
    return {"sent": sent, "received": received, "missing": missing, **told}


def epoch_of(item: SourceItem) -> str:
    """Start of the producer that an item belongs to, hexadecimal; empty where there is none."""
    if isinstance(item, Frame):
        return str(item.meta.get("epoch", ""))
    return item.epoch if isinstance(item, (Gap, Rejection)) else ""


class _Ranges:
    """Ascending half-open ranges of frame numbers; one entry a gap, however long."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return sum(end - start for start, end in self._ranges)

    def add(self, start: int, end: int) -> None:
        self._ranges.append((start, end))

    def remove(self, index: int) -> bool:
        position = bisect.bisect_right(self._ranges, index, key=lambda pair: pair[0]) - 1
        if position < 0 or index >= self._ranges[position][1]:
            return False
        start, end = self._ranges[position]
        parts = [(start, index), (index + 1, end)]
        self._ranges[position : position + 1] = [part for part in parts if part[0] < part[1]]
        return True
