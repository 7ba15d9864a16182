"""What defects are called, and how well their places are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from livedetect.bench.answers import Answered, heads_of, yes
from livedetect.bench.pool import Pool
from livedetect.bench.table import markdown, number

TOLD = ("vacancy", "half_vacancy", "displaced", "adatom", "antisite", "bright", "dark", "unknown")
"""What an event may claim."""
WHOLE = ("metal_vacancy", "column_vacancy")
LOCALISATION_FLOOR = 0.12
"""Rms error that is allowed, in distances of nearest columns."""


def by_called(rows: Sequence[Answered]) -> str:
    """Confusion table: true kinds of every crystal down, claimed kinds across."""
    cells = []
    for crystal in dict.fromkeys(row.label["crystal"] for row in rows):
        records = [r for row in rows if row.label["crystal"] == crystal for r in row.sound]
        counts: dict[str, Counter[str]] = {}
        for _, found in Pool(records).hits:
            true = "vacancy" if found.kind in WHOLE else found.kind
            counts.setdefault(true, Counter())[found.called or "unknown"] += 1
        for true, called in sorted(counts.items()):
            shares = [f"{called[kind]}" if called[kind] else "" for kind in TOLD]
            right = called[true] / called.total()
            cells.append([crystal, true, str(called.total()), *shares, number(right, 2)])
    return markdown(["crystal", "kind", "found", *TOLD, "right"], cells)


PLACE_FIGURES = (
    "found",
    "rms / px",
    "rms / nn",
    "not displaced / nn",
    "displaced / nn",
    "holds",
)


def by_place(rows: Sequence[Answered]) -> str:
    """Distance of markers from the true places."""
    cells = []
    for row in rows:
        pool = Pool(row.sound)
        moved = Pool(row.sound, lambda found: found.kind == "displaced").localisation_nn
        others = Pool(row.sound, lambda found: found.kind != "displaced").localisation_nn
        total = pool.localisation_nn
        figures = [
            str(len(pool.hits)),
            number(pool.localisation_px, 2),
            *(number(value, 3) for value in (total, others, moved)),
            "" if total is None else yes(total <= LOCALISATION_FLOOR),
        ]
        cells.append([*row.label.values(), *figures])
    return markdown([*heads_of(rows), *PLACE_FIGURES], cells)
