"""Asks the questions of the benchmark: runs what they need, makes their tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import livedetect
from livedetect.bench.answers import Answered
from livedetect.bench.campaign import RecordFile, iter_records
from livedetect.bench.catalogue import QUESTIONS
from livedetect.bench.questions import Plan, Row
from livedetect.bench.record import StreamRecord
from livedetect.bench.trial import Trial

TUNING_SEEDS = range(100)
"""Seeds that may be used while something is developed; all others are for reporting."""

Progress = Callable[[int, int, StreamRecord], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody wants to know."""

    questions: tuple[str, ...]
    """Keys of `QUESTIONS`."""
    plan: Plan
    """Which streams."""
    records: Path | None = None
    """Where trials are kept and found again; None: nowhere."""
    workers: int | None = None
    """Processes; None: one per core."""
    run: bool = True
    """False: only what is in `records` already, of whatever code."""
    command: str = ""
    """How to ask for the same again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Answer to one question."""

    question: str
    """Key of the question."""
    heading: str
    """Title, and under what conditions the figures were measured."""
    table: str
    """As Markdown."""
    rows: Sequence[Answered]
    """What the table was made of."""

    def as_markdown(self) -> str:
        """Heading, table, and what went wrong."""
        faults = [f"- `{r.stream}` ({r.method}): {r.fault}" for r in self._failed()]
        broken = ["Streams that failed:", "\n".join(faults)] if faults else []
        return "\n\n".join([self.heading, self.table, *broken])

    def as_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        rows = [
            {"label": dict(row.label), "records": [r.as_dict() for r in row.records]}
            for row in self.rows
        ]
        return {"question": self.question, "heading": self.heading, "rows": rows}

    def _failed(self) -> list[StreamRecord]:
        return [record for row in self.rows for record in row.records if record.fault]


def ask(request: Request, progress: Progress | None = None) -> list[Report]:
    """Answer every question of `request`; `progress` hears of each trial as it ends.

    Raises
    ------
    SourceError : the plan's data folder holds no case.
    SettingsError : the simulator does not know a spec.
    """
    rows = {name: QUESTIONS[name].rows(request.plan) for name in request.questions}
    trials = [trial for group in rows.values() for row in group for trial in row.trials]
    kept = RecordFile(request.records)
    if request.run:
        _fill(kept, kept.missing(trials), request.workers, progress)
    return [_report(name, group, kept, request) for name, group in rows.items()]


def _fill(
    kept: RecordFile, missing: Sequence[Trial], workers: int | None, progress: Progress | None
) -> None:
    for done, (trial, record) in enumerate(iter_records(missing, workers), start=1):
        kept.add(trial, record)
        if progress is not None:
            progress(done, len(missing), record)


def _report(name: str, rows: Sequence[Row], kept: RecordFile, request: Request) -> Report:
    answered = [Answered(label=row.label, records=kept.of(row.trials)) for row in rows]
    there = [row for row in answered if row.records]
    return Report(
        question=name,
        heading=_heading(name, there, request),
        table=QUESTIONS[name].answer(there) if there else "Nothing was measured.",
        rows=there,
    )


def _heading(name: str, rows: Sequence[Answered], request: Request) -> str:
    codes = sorted({record.code for row in rows for record in row.records})
    simulated = any("crystal" in row.label for row in rows)
    seeds = f"{seeds_in_words(request.plan.seeds)}; " if simulated else ""
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    facts = [
        f"{seeds}{today}, livedetect {livedetect.__version__} (code {', '.join(codes) or 'none'})"
    ]
    if request.command:
        facts.append(f"`{request.command}`")
    note = QUESTIONS[name].note
    return "\n\n".join([f"### {QUESTIONS[name].title}", *facts, *[note] * bool(note)])


def seeds_in_words(seeds: Sequence[int]) -> str:
    """Whether these are seeds for tuning or for reporting."""
    tuning = [seed for seed in seeds if seed in TUNING_SEEDS]
    kinds = []
    if tuning:
        kinds.append(f"TUNING seeds {_listed(tuning)}")
    if len(tuning) < len(seeds):
        kinds.append(f"Reporting seeds {_listed([s for s in seeds if s not in TUNING_SEEDS])}")
    return ", ".join(kinds)


def _listed(seeds: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(f"{r[0]}" if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)
