"""Tables from records: one function per form of question."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.bench.pool import Pool, delays_of
from livedetect.bench.record import Found, StreamRecord
from livedetect.bench.table import markdown, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The records that belong to one row of a question."""

    label: Mapping[str, str]
    """What the row stands for: column head and cell."""
    records: Sequence[StreamRecord]
    """One per stream."""

    @property
    def sound(self) -> list[StreamRecord]:
        """Those that did not fail."""
        return [record for record in self.records if not record.fault]


Answer = Callable[[Sequence[Answered]], str]


@dataclass(frozen=True, slots=True)
class InformationClass:
    """Defects of like d'², and what is asked of them."""

    name: str
    low: float
    high: float
    delay: int | None
    """Frames within which the recall is asked for; None: in proportion to 30/d'²."""
    floor: float | None
    """Recall that is asked for; None: only the median counts."""


CLASSES = (
    InformationClass("≥ 60", 60, math.inf, 1, 0.98),
    InformationClass("25 to 60", 25, 60, 2, 0.95),
    InformationClass("8 to 25", 8, 25, None, None),
    InformationClass("< 8", 0, 8, None, None),
)
SLACK = 1.5
"""Times 30/d'², the frames allowed for the median of weak defects."""


def by_row(rows: Sequence[Answered]) -> str:
    """Recall, delay, localisation and false markers of every row."""
    cells = [[*row.label.values(), *_point_figures(Pool(row.sound))] for row in rows]
    return markdown([*heads_of(rows), *POINT_FIGURES], cells)


def by_kind(rows: Sequence[Answered]) -> str:
    """Every row once per kind of defect."""
    cells = []
    for row in rows:
        for kind in sorted({found.kind for record in row.sound for found in record.defects}):
            pool = Pool(row.sound, lambda found, kind=kind: found.kind == kind)  # type: ignore[misc]
            cells.append([*row.label.values(), kind, *_kind_figures(pool)])
    return markdown([*heads_of(rows), "kind", *KIND_FIGURES], cells)


def by_class(rows: Sequence[Answered]) -> str:
    """Recall and delay of all streams of a method together, by information per frame."""
    methods = dict.fromkeys(row.label["method"] for row in rows)
    cells = []
    for method in methods:
        own = [record for row in rows if row.label["method"] == method for record in row.sound]
        cells += [[method, *_class_figures(own, entry)] for entry in CLASSES]
    return markdown(["method", *CLASS_FIGURES], cells)


POINT_FIGURES = (
    "streams",
    "defects",
    "F1",
    "recall ≤ 1",
    "≤ 2",
    "≤ 3",
    "≤ 6",
    "delay (bound) / frames",
    "false",
    "per 1000 frames",
    "loc. / px",
    "loc. / nn",
    "frames/s",
)


def _point_figures(pool: Pool) -> list[str]:
    return [
        str(len(pool.records)),
        str(len(pool.births)),
        number(pool.f1, 3),
        *(number(pool.recall(delay), 3) for delay in (1, 2, 3, 6)),
        _delay_cell(pool),
        str(pool.false),
        number(pool.false_per_1000, 1),
        number(pool.localisation_px, 2),
        number(pool.localisation_nn, 3),
        number(pool.frames_per_s, 1),
    ]


KIND_FIGURES = (
    "d'²",
    "30/d'²",
    "defects",
    "recall ≤ 1",
    "≤ 2",
    "≤ 3",
    "≤ 6",
    "ever",
    "delay (bound) / frames",
    "loc. / nn",
)


def _kind_figures(pool: Pool) -> list[str]:
    return [
        number(pool.snr2, 1),
        number(30 / pool.snr2 if pool.snr2 else None, 1),
        str(len(pool.births)),
        *(number(pool.recall(delay), 2) for delay in (1, 2, 3, 6)),
        f"{len(pool.hits)}/{len(pool.births)}",
        _delay_cell(pool),
        number(pool.localisation_nn, 3),
    ]


CLASS_FIGURES = (
    "d'² per frame",
    "defects",
    "recall ≤ 1",
    "≤ 2",
    "≤ 3",
    "≤ 6",
    "ever",
    "median delay + 1",
    "share within ceil(45/d'²)",
    "asked for",
    "holds",
)


def _class_figures(records: Sequence[StreamRecord], entry: InformationClass) -> list[str]:
    pool = Pool(records, lambda found: _belongs(found, entry))
    if not pool.births:
        return [entry.name, "0", *[""] * 9]
    delays = [delay for delay, _ in delays_of(pool, 6)]
    return [
        entry.name,
        str(len(pool.births)),
        *(number(pool.recall(delay), 3) for delay in (1, 2, 3, 6)),
        f"{len(pool.hits)}/{len(pool.births)}",
        median_cell(delays),
        number(within_slack(pool), 2),
        *_verdict(pool, entry),
    ]


def _belongs(found: Found, entry: InformationClass) -> bool:
    return found.snr2 is not None and entry.low <= found.snr2 < entry.high


def within_slack(pool: Pool) -> float | None:
    """Share of defects announced within ceil(1.5 x 30/d'²) frames, the frame of birth included."""
    good = [
        delay + 1 <= math.ceil(SLACK * found.needed)
        for record, found in pool.births
        for delay in [math.inf if found.delay is None else found.delay]
        if found.demanded(max(0, math.ceil(SLACK * found.needed) - 1), record.frames)
    ]
    return float(np.mean(good)) if good else None


def _verdict(pool: Pool, entry: InformationClass) -> tuple[str, str]:
    if entry.delay is not None and entry.floor is not None:
        recall = pool.recall(entry.delay)
        asked = f"recall ≤ {entry.delay} of {entry.floor}"
        return asked, "" if recall is None else yes(recall >= entry.floor)
    if entry.low == 0:
        return "nothing", ""
    share = within_slack(pool)
    return "share 0.5", "" if share is None else yes(share >= 0.5)


def yes(holds: bool) -> str:
    """The word for the column "holds"."""
    return "yes" if holds else "NO"


def median_cell(delays: Sequence[float]) -> str:
    """Frames within which half of the defects were found, the frame of birth included."""
    middle = float(np.median(delays)) + 1 if delays else None
    return "never" if middle == math.inf else number(middle, 1)


def _delay_cell(pool: Pool) -> str:
    if pool.mean_delay is None or pool.bound is None:
        return number(pool.mean_delay, 2)
    return f"{pool.mean_delay:.2f} ({pool.bound:.2f})"


def heads_of(rows: Sequence[Answered]) -> list[str]:
    """Column heads of the rows' labels."""
    return list(dict.fromkeys(head for row in rows for head in row.label))
