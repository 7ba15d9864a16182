"""False markers against the budget, and whether real ones last."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import chi2

from livedetect.bench.answers import Answered, heads_of, yes
from livedetect.bench.pool import Pool
from livedetect.bench.table import markdown, number

LASTING_SHARE = 0.85
"""Of the defects found that should still be marked 60 frames later."""
DEAF_SHARE = 0.2
"""Of a generous budget that should be used at least."""
GENEROUS = 10.0
EDGE_PX = 40.0
LATE = 0.5

NULL_FIGURES = (
    "streams",
    "judged frames",
    "false",
    "per 1000 frames",
    "95 % interval",
    "/ budget",
    "in the second half",
    "holds",
)


def by_null(rows: Sequence[Answered]) -> str:
    """Realised false markers of streams without births."""
    cells = [[*row.label.values(), *_null_figures(row)] for row in [*rows, *_together(rows)]]
    return markdown([*heads_of(rows), *NULL_FIGURES], cells)


def _together(rows: Sequence[Answered]) -> list[Answered]:
    """All crystals of a case in one row."""
    if len({row.label["crystal"] for row in rows}) == 1:
        return []
    groups: dict[tuple[str, ...], list[Answered]] = {}
    for row in rows:
        label = {**row.label, "crystal": "all"}
        groups.setdefault(tuple(label.values()), []).append(row)
    return [
        Answered(
            label={**group[0].label, "crystal": "all"},
            records=[record for row in group for record in row.records],
        )
        for group in groups.values()
    ]


def _null_figures(row: Answered) -> list[str]:
    pool = Pool(row.sound)
    if pool.false_per_1000 is None:
        return [str(len(pool.records)), "0", *[""] * 6]
    budget, allowed = float(row.label["budget"]), float(row.label["allowed"])
    low, high = poisson_interval(pool.false)
    ratio = pool.false_per_1000 / budget
    late = sum(false.frame > LATE * r.frames for r in pool.records for false in r.false)
    return [
        str(len(pool.records)),
        str(pool.judged),
        str(pool.false),
        number(pool.false_per_1000, 2),
        f"{1000 * low / pool.judged:.2f} to {1000 * high / pool.judged:.2f}",
        number(ratio, 2),
        str(late),
        _verdict(1000 * low / pool.judged, 1000 * high / pool.judged, budget, allowed),
    ]


def _verdict(low: float, high: float, budget: float, allowed: float) -> str:
    """Whether the interval of a rate per 1000 frames lies on one side of what is allowed."""
    if budget >= GENEROUS and high < DEAF_SHARE * budget:
        return "NO, deaf"
    deaf_possible = budget >= GENEROUS and low < DEAF_SHARE * budget
    if low > allowed * budget:
        return yes(holds=False)
    return "open" if deaf_possible or high > allowed * budget else yes(holds=True)


def poisson_interval(count: int) -> tuple[float, float]:
    """Expectations that a count agrees with, 95 % central."""
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(0.975, 2 * count + 2)) / 2


LASTING_FIGURES = ("streams", "found", "looked at again", "still marked", "false", "holds")


def by_lasting(rows: Sequence[Answered]) -> str:
    """Share of the defects found that are marked 60 frames later."""
    cells = []
    for row in rows:
        pool = Pool(row.sound)
        again = [found for _, found in pool.hits if found.kept is not None]
        holds = "" if pool.kept is None else yes(pool.kept >= LASTING_SHARE)
        figures = [len(pool.records), len(pool.hits), len(again)]
        shown = [*map(str, figures), number(pool.kept, 3), str(pool.false), holds]
        cells.append([*row.label.values(), *shown])
    return markdown([*heads_of(rows), *LASTING_FIGURES], cells)
