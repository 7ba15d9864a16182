"""Scores as a Markdown table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from livedetect.bench.score import Score

Column = Callable[[Score], str]


def number(value: float | None, digits: int) -> str:
    """`value` with so many digits; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def _delay(score: Score) -> str:
    if score.mean_delay_frames is None or score.delay_bound_frames is None:
        return number(score.mean_delay_frames, 2)
    return f"{score.mean_delay_frames:.2f} ({score.delay_bound_frames:.2f})"


COLUMNS: dict[str, Column] = {
    "stream": lambda s: s.case,
    "method": lambda s: s.method,
    "frames": lambda s: str(s.frames),
    "defects": lambda s: str(s.defects),
    "F1": lambda s: number(s.f1, 3),
    "recall ≤ 1": lambda s: number(s.recall_1, 2),
    "≤ 3": lambda s: number(s.recall_3, 2),
    "≤ 6": lambda s: number(s.recall_6, 2),
    "precision": lambda s: number(s.precision, 3),
    "delay (bound) / frames": _delay,
    "false markers": lambda s: str(s.false_events),
    "per 1000 frames": lambda s: number(s.false_per_1000_frames, 1),
    "loc. / px": lambda s: number(s.localisation_rms_px, 2),
    "loc. / nn": lambda s: number(s.localisation_rms_neighbours, 2),
    "frames/s": lambda s: number(s.frames_per_s, 1),
}
TEXT_COLUMNS = ("stream", "method", "crystal", "kind", "case", "d'² per frame", "holds")


def format_table(scores: Sequence[Score]) -> str:
    """One row per score; where several methods were run, their means and ratios below.

    Columns without any content are left out. ``nn`` is the nearest-column distance, the bound
    on the delay is what the information in the frames allows.
    """
    rows = [[column(score) for column in COLUMNS.values()] for score in scores]
    table = markdown(list(COLUMNS), rows)
    methods = list(dict.fromkeys(score.method for score in scores))
    return f"{table}\n\n{_comparison(scores, methods)}" if len(methods) > 1 else table


def _comparison(scores: Sequence[Score], methods: Sequence[str]) -> str:
    """Means per method, and the speed beside that of the first method."""
    reference = _mean([s.frames_per_s for s in scores if s.method == methods[0]])
    rows = []
    for method in methods:
        own = [score for score in scores if score.method == method]
        speed = _mean([score.frames_per_s for score in own])
        ratio = speed / reference if speed is not None and reference else None
        rows.append(
            [
                method,
                number(_mean([score.f1 for score in own]), 3),
                number(_mean([score.recall_6 for score in own]), 2),
                number(_mean([score.false_per_1000_frames for score in own]), 1),
                number(speed, 1),
                number(ratio, 2),
            ]
        )
    heads = ["method", "mean F1", "recall ≤ 6", "false per 1000 frames", "frames/s"]
    return markdown([*heads, f"speed / {methods[0]}"], rows)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns: text to the left, numbers to the right, empty columns left out."""
    kept = [i for i in range(len(heads)) if any(row[i] not in ("", "–") for row in rows)]
    widths = {i: max(3, len(heads[i]), *(len(row[i]) for row in rows)) for i in kept}
    left = {i for i in kept if heads[i] in TEXT_COLUMNS}

    def line(cells: Sequence[str]) -> str:
        padded = [
            cells[i].ljust(widths[i]) if i in left else cells[i].rjust(widths[i]) for i in kept
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * widths[i] if i in left else "-" * (widths[i] - 1) + ":" for i in kept]
    return "\n".join([line(heads), "| " + " | ".join(rule) + " |", *map(line, rows)])
