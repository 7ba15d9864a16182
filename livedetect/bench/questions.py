"""The questions of the benchmark: which streams each needs, and which table answers it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livedetect.bench.answers import Answer, by_class, by_kind, by_row
from livedetect.bench.streams import stored_cases
from livedetect.bench.trial import MATCHED, Trial
from livedetect.settings import METHODS

CRYSTALS = ("graphene", "mos2", "ws2", "mowte2", "square", "zro2")
METHODS_COMPARED = (*METHODS, MATCHED)
DEFAULT_QUESTIONS = ("class", "kind", "material")
FIRST_BIRTH = 20
SETTLED_FRAMES = 14
"""No birth in so many last frames: every defect has its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all questions share."""

    crystals: tuple[str, ...] = CRYSTALS
    """Materials, where a question asks for several."""
    signals: tuple[float, ...] = (2.0, 5.0)
    """Detected electrons per pixel and frame, where a question does not vary them."""
    seeds: tuple[int, ...] = (101, 102, 103)
    """One stream per row and seed; below 100 they are for tuning."""
    methods: tuple[str, ...] = ("lattice",)
    """Each gives a row of its own."""
    frames: int = 70
    """Length of streams with births."""
    size: int = 512
    """Edge of the frames, px."""
    data: Path | None = None
    """Folder of case folders."""

    def quick(self) -> Plan:
        """Fewer streams with smaller frames."""
        return dataclasses.replace(
            self,
            seeds=self.seeds[:1],
            signals=self.signals[-1:],
            size=min(self.size, 256),
            frames=min(self.frames, 60),
        )

    @property
    def births(self) -> int:
        """Defects per stream: as dense as they can be judged one by one."""
        return max(6, round(36 * (self.size / 512) ** 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table."""

    label: Mapping[str, str]
    """What it stands for: column head and cell."""
    trials: tuple[Trial, ...]
    """Its streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something to be measured."""

    title: str
    """As a heading."""
    rows: Callable[[Plan], list[Row]]
    """The streams, row by row."""
    answer: Answer
    """Makes the table."""
    note: str = ""
    """What a reader has to know."""


@dataclass(frozen=True, slots=True)
class Variation:
    """A row to be measured with every crystal, signal and method it applies to."""

    label: Mapping[str, str]
    keys: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[tuple[str, Any], ...] = ()


def spec(crystal: str, keys: Mapping[str, Any]) -> str:
    """``CRYSTAL?key=value&...``."""
    return f"{crystal}?" + "&".join(f"{key}={_text(value)}" for key, value in keys.items())


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def births(plan: Plan, signal: float) -> dict[str, Any]:
    """Keys of a stream in which every kind of defect is born equally often."""
    return {
        "size": plan.size,
        "frames": plan.frames,
        "detected_e_per_px": signal,
        "prescribed": plan.births,
        "births_until": max(FIRST_BIRTH + 1, plan.frames - SETTLED_FRAMES),
    }


def row(plan: Plan, crystal: str, signal: float, method: str, varied: Variation) -> Row:
    """One row: the same stream with every seed."""
    keys = {**births(plan, signal), **varied.keys}
    specs = [spec(crystal, {**keys, "seed": seed}) for seed in plan.seeds]
    return Row(
        label={"crystal": crystal, "e/px": f"{signal:g}", **varied.label, "method": method},
        trials=tuple(Trial(stream=s, method=method, settings=varied.settings) for s in specs),
    )


def varying(variations: Sequence[Variation]) -> Callable[[Plan], list[Row]]:
    """Rows of a question that goes through `variations` with all that the plan names."""

    def rows(plan: Plan) -> list[Row]:
        return [
            row(plan, crystal, signal, method, varied)
            for crystal in plan.crystals
            for signal in plan.signals
            for varied in variations
            for method in plan.methods
        ]

    return rows


def stored(plan: Plan) -> list[Row]:
    """One row per case folder of the plan."""
    cases = stored_cases(plan.data) if plan.data is not None else []
    return [
        Row(
            label={"case": case.name, "method": method},
            trials=(Trial(stream=str(case), method=method),),
        )
        for case in cases
        for method in plan.methods
        if method != MATCHED
    ]


PLAIN = varying([Variation({})])

QUESTIONS: dict[str, Question] = {
    "class": Question(title="By information per frame", rows=PLAIN, answer=by_class),
    "kind": Question(title="By kind of defect", rows=PLAIN, answer=by_kind),
    "material": Question(title="By material", rows=PLAIN, answer=by_row),
    "real": Question(title="Streams made of real frames", rows=stored, answer=by_row),
}
