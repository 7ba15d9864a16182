"""How a question is put: what all share, its rows, the streams of a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livedetect.bench.answers import Answer
from livedetect.bench.streams import stored_cases
from livedetect.bench.trial import MATCHED, Trial
from livedetect.settings import METHODS

CRYSTALS = ("graphene", "mos2", "ws2", "mowte2", "square", "zro2")
METHODS_COMPARED = (*METHODS, MATCHED)
FIRST_BIRTH = 20
SETTLED_FRAMES = 14
"""No birth in so many last frames: every defect has its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all questions share."""

    crystals: tuple[str, ...] = ()
    """Materials; empty: those that a question usually looks at."""
    signals: tuple[float, ...] = ()
    """Detected electrons per pixel and frame; empty: those that a question usually takes."""
    seeds: tuple[int, ...] = (101, 102, 103)
    """One stream per row and seed; below 100 they are for tuning."""
    methods: tuple[str, ...] = ("lattice",)
    """Each gives a row of its own."""
    frames: int = 70
    """Length of streams with births."""
    size: int = 512
    """Edge of the frames, px."""
    null_frames: int = 2000
    """Frames without births per row and seed, in streams of 200 to 1000."""
    data: Path | None = None
    """Folder of case folders."""

    def usual(self, crystals: Sequence[str], signals: Sequence[float]) -> Plan:
        """A plan that names crystals and signals: its own, or else these."""
        return dataclasses.replace(
            self,
            crystals=self.crystals or tuple(crystals),
            signals=self.signals or tuple(signals),
        )

    def quick(self) -> Plan:
        """Fewer streams with smaller frames."""
        return dataclasses.replace(
            self,
            seeds=self.seeds[:1],
            signals=self.signals[-1:] or (5.0,),
            size=min(self.size, 256),
            frames=min(self.frames, 60),
            null_frames=min(self.null_frames, 200),
        )


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
    """Something that differs from the usual stream, measured with every crystal and signal."""

    label: Mapping[str, str]
    """Column heads and cells."""
    keys: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the simulator."""
    settings: tuple[tuple[str, Any], ...] = ()
    """Settings of the detector."""


Builder = Callable[[Plan, float, Variation], Mapping[str, Any]]
"""Keys of a stream, from the plan, the signal and what is varied."""


def spec(crystal: str, keys: Mapping[str, Any]) -> str:
    """``CRYSTAL?key=value&...``."""
    return f"{crystal}?" + "&".join(f"{key}={_text(value)}" for key, value in keys.items())


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def with_births(plan: Plan, signal: float, varied: Variation) -> dict[str, Any]:
    """Keys of a stream in which every kind of defect is born equally often."""
    keys = {"size": plan.size, "frames": plan.frames, "detected_e_per_px": signal, **varied.keys}
    last = max(FIRST_BIRTH + 1, int(keys["frames"]) - SETTLED_FRAMES)
    return {"prescribed": birth_count(keys), "births_until": last, **keys}


def birth_count(keys: Mapping[str, Any]) -> int:
    """Defects per stream, as dense as they can be judged one by one."""
    height, width = keys.get("height", keys["size"]), keys.get("width", keys["size"])
    cells = height * width / float(keys.get("a_px", 16)) ** 2
    return max(6, min(60, round(36 * float(cells) / 1024)))


def varying(
    variations: Sequence[Variation],
    crystals: Sequence[str] = ("mos2",),
    signals: Sequence[float] = (2.0,),
    build: Builder = with_births,
) -> Callable[[Plan], list[Row]]:
    """Rows that go through crystals, signals, `variations` and methods.

    Parameters
    ----------
    variations : what differs.
    crystals, signals : the usual ones, if the plan names none.
    build : makes the keys of a stream.
    """

    def rows(plan: Plan) -> list[Row]:
        full = plan.usual(crystals, signals)
        return [
            _row(full, crystal, method, varied, build(full, signal, varied))
            for crystal in full.crystals
            for signal in full.signals
            for varied in variations
            for method in full.methods
        ]

    return rows


def _row(plan: Plan, crystal: str, method: str, varied: Variation, keys: Mapping[str, Any]) -> Row:
    """The same stream with every seed."""
    specs = [spec(crystal, {**keys, "seed": seed}) for seed in plan.seeds]
    signal = f"{keys['detected_e_per_px']:g}"
    return Row(
        label={"crystal": crystal, "e/px": signal, **varied.label, "method": method},
        trials=tuple(Trial(stream=s, method=method, settings=varied.settings) for s in specs),
    )


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
