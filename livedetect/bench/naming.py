"""What is said of defects and held against the truth: kind, place, frames needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from livedetect.bench.answers import Answered, heads_of, median_cell, yes
from livedetect.bench.pool import Pool, delays_of
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


STATED_FIGURES = ("stated", "median delay + 1", "30/d'²", "defects")


def by_stated(rows: Sequence[Answered]) -> str:
    """Frames that the engine says a kind of defect needs, and frames that it did need."""
    cells = []
    for row in rows:
        stated = _stated(row)
        for kind in sorted({found.kind for record in row.sound for found in record.defects}):
            pool = Pool(row.sound, lambda found, kind=kind: found.kind == kind)  # type: ignore[misc]
            told = stated.get(kind, stated.get("vacancy") if kind in WHOLE else None)
            figures = [
                number(told, 1),
                median_cell([delay for delay, _ in delays_of(pool, 6)]),
                number(30 / pool.snr2 if pool.snr2 else None, 1),
                str(len(pool.births)),
            ]
            cells.append([*row.label.values(), kind, *figures])
    return markdown([*heads_of(rows), "kind", *STATED_FIGURES], cells)


KEPT_FLOOR = 0.85
"""Of the information, the part that the front-end has to keep."""


def by_kept(rows: Sequence[Answered]) -> str:
    """Information that the residuals still hold, against that of the frames."""
    cells = []
    for row in rows:
        entries = [record.details.get("kept", {}) for record in row.sound]
        kinds = sorted({kind for entry in entries for kind in entry})
        shares = []
        for kind in kinds:
            found = [entry[kind] for entry in entries if kind in entry]
            defects = sum(entry["defects"] for entry in found)
            frame, residual = (
                sum(entry["defects"] * entry[name] for entry in found) / defects
                for name in ("frame", "residual")
            )
            shares.append(residual / frame)
            figures = [str(defects), number(frame, 1), number(residual, 1), number(shares[-1], 2)]
            cells.append([*row.label.values(), kind, *figures, ""])
        if shares:
            mean = sum(shares) / len(shares)
            figures = ["", "", "", number(mean, 2), yes(mean >= KEPT_FLOOR)]
            cells.append([*row.label.values(), "mean", *figures])
    heads = ["kind", "defects", "d'² of the frame", "of the residual", "kept", "holds"]
    return markdown([*heads_of(rows), *heads], cells)


def _stated(row: Answered) -> dict[str, float]:
    """Frames needed by kind, mean over the streams that say so; of some kinds none is enough."""
    said: dict[str, list[float]] = {}
    for record in row.sound:
        for kind, frames in record.details.get("sensitivity", {}).items():
            if frames is not None:
                said.setdefault(kind, []).append(float(frames))
    return {kind: sum(frames) / len(frames) for kind, frames in said.items()}
