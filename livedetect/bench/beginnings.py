"""Early frames that are not perfect: defects in them, and births while the crystal is learnt."""

from __future__ import annotations

from collections.abc import Sequence

from livedetect.bench.answers import Answered, heads_of, yes
from livedetect.bench.pool import Pool, mean
from livedetect.bench.score import STRONG_SNR2
from livedetect.bench.table import markdown, number

WARM_UP_RECALL = 0.8

START_FIGURES = (
    "streams",
    "at start",
    "told",
    "told, none there",
    "told as new",
    "births",
    "F1",
    "recall ≤ 1",
    "≤ 6",
    "false",
    "regions",
)


def by_start(rows: Sequence[Answered]) -> str:
    """Defects of the first frame told as such, and births found all the same."""
    cells = []
    for row in rows:
        pool, records = Pool(row.sound), row.sound
        there = sum(r.at_start for r in records)
        told = sum(r.at_start_found for r in records)
        figures = [
            str(len(records)),
            str(there),
            number(told / there if there else None, 3),
            str(sum(r.at_start_false for r in records)),
            str(sum(r.at_start_as_new for r in records)),
            str(len(pool.births)),
            number(pool.f1, 3),
            number(pool.recall(1), 3),
            number(pool.recall(6), 3),
            str(pool.false),
            str(sum(r.notices.get("region_confirmed", 0) for r in records)),
        ]
        cells.append([*row.label.values(), *figures])
    return markdown([*heads_of(rows), *START_FIGURES], cells)


EARLY_FIGURES = (
    "streams",
    "births",
    "of d'² ≥ 25",
    "found",
    "said during_warm_up",
    "told as at start",
    "false",
    "holds",
)


def by_early_birth(rows: Sequence[Answered]) -> str:
    """Births during the warm-up: strong ones found, and said to be such."""
    cells = []
    for row in rows:
        pool = Pool(row.sound)
        strong = [found for _, found in pool.births if (found.snr2 or 0) >= STRONG_SNR2]
        found = [entry for entry in strong if entry.delay is not None]
        recall = mean([entry.delay is not None for entry in strong])
        said = mean([entry.during_warm_up for entry in found])
        figures = [
            str(len(row.sound)),
            str(len(pool.births)),
            str(len(strong)),
            number(recall, 3),
            number(said, 2),
            str(sum(r.notices.get("defect_at_start", 0) for r in row.sound)),
            str(pool.false),
            "" if recall is None else yes(recall >= WARM_UP_RECALL),
        ]
        cells.append([*row.label.values(), *figures])
    return markdown([*heads_of(rows), *EARLY_FIGURES], cells)
