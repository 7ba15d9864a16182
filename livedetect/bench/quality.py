"""Runs the engine over streams whose truth is known, several at a time, and scores it."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import livedetect
from livedetect.bench.score import Score, score_against
from livedetect.bench.truth import read_truth, truth_from
from livedetect.errors import SourceError
from livedetect.protocols import Engine
from livedetect.settings import METHODS, Settings
from livedetect.types import Frame, TrueDefect

CRYSTALS = ("graphene", "mos2", "ws2", "mowte2", "square", "zro2")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPlan:
    """Which streams to run, and how."""

    data: Path | None = None
    """Folder of case folders (``frames.npy``, ``truth.csv``, ``meta.json``); None: none."""
    crystals: tuple[str, ...] = CRYSTALS
    """Simulated crystals."""
    seeds: tuple[int, ...] = (0,)
    """One simulated stream per crystal and seed."""
    damage: tuple[float, ...] = (1.0, 0.0)
    """Rates of damage to simulate; 0 asks for false markers only."""
    methods: tuple[str, ...] = METHODS
    """The first is the one that the others are compared with."""
    frames: int = 120
    """Length of the simulated streams."""
    size: int = 512
    """Edge of the simulated frames, px."""
    detected_e_per_px: float = 5.0
    """Signal of the simulated frames, electrons per pixel in the detector."""
    settings: Settings = field(default_factory=Settings)
    """For all runs; the method is replaced."""
    workers: int | None = None
    """Processes; None: one per core."""

    def quick(self) -> QualityPlan:
        """A smaller plan that is done within a minute or two."""
        return dataclasses.replace(
            self,
            seeds=self.seeds[:1],
            damage=self.damage[:1],
            methods=self.methods[:1],
            size=min(self.size, 256),
            frames=min(self.frames, 80),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRun:
    """One stream with one method: what a worker process is handed."""

    stream: str | Path
    """Case folder, or spec of the simulator."""
    settings: Settings
    """With the method to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRun:
    """What an engine said about a stream, and how fast."""

    events: tuple[dict[str, Any], ...]
    """In their JSON form."""
    frames_per_s: float | None
    """From the median time per frame after the warm-up; None if it never went live."""


def iter_quality(plan: QualityPlan) -> Iterator[Score]:
    """Run the whole plan; each score, in the plan's order, as soon as it is there.

    Raises
    ------
    SourceError : the data folder holds no case, or the simulator does not know a spec.
    """
    runs = planned_runs(plan)
    # "spawn" exists everywhere and starts workers without the threads of this process
    context = multiprocessing.get_context("spawn")
    workers = min(plan.workers or os.cpu_count() or 1, max(1, len(runs)))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        yield from pool.map(measure, runs)


def planned_runs(plan: QualityPlan) -> list[QualityRun]:
    """Every stream of the plan with every method."""
    streams: list[str | Path] = [*_cases(plan.data)] if plan.data is not None else []
    streams += [
        f"{crystal}?seed={seed}&damage={damage:g}&size={plan.size}&frames={plan.frames}"
        f"&detected_e_per_px={plan.detected_e_per_px:g}"
        for crystal in plan.crystals
        for seed in plan.seeds
        for damage in plan.damage
    ]
    return [
        QualityRun(stream=stream, settings=plan.settings.with_values({"method": method}))
        for stream in streams
        for method in plan.methods
    ]


def measure(run: QualityRun) -> Score:
    """Run one stream through a fresh detector and score it."""
    engine = livedetect.Detector(run.settings)
    if isinstance(run.stream, Path):
        truth = read_truth(run.stream)
        done = run_engine(engine, _stored_frames(run.stream))
    else:
        simulator = _simulator(run.stream)
        defects: list[TrueDefect] = []
        done = run_engine(engine, _simulated_frames(simulator, defects))
        truth = truth_from({**simulator.meta, "case": run.stream}, defects)
    result = score_against(truth, done.events, run.settings.warm_up_frames)
    return dataclasses.replace(
        result,
        case=_label(run.stream),
        method=run.settings.method,
        frames_per_s=done.frames_per_s,
    )


def run_engine(engine: Engine, frames: Iterable[Frame]) -> EngineRun:
    """Take every frame through `engine`; only the time inside `step` counts."""
    events: list[dict[str, Any]] = []
    seconds: list[float] = []
    for frame in frames:
        begun = time.perf_counter()
        result = engine.step(frame)
        if result.disposition == "scored":
            seconds.append(time.perf_counter() - begun)
        events += [event.as_dict() for event in result.events]
    speed = 1 / float(np.median(seconds)) if seconds else None
    return EngineRun(events=tuple(events), frames_per_s=speed)


def _cases(data: Path) -> list[Path]:
    found = sorted(path.parent for path in Path(data).glob("*/truth.csv"))
    cases = [path for path in found if (path / "frames.npy").exists()]
    if not cases:
        raise SourceError(f"{data} holds no case folder with frames.npy, truth.csv and meta.json")
    return cases


def _stored_frames(case: Path) -> Iterator[Frame]:
    stack = np.load(case / "frames.npy", mmap_mode="r")
    pixel_size_nm = json.loads((case / "meta.json").read_text(encoding="utf-8"))["pixel_size_nm"]
    for index, data in enumerate(stack):
        yield Frame.from_array(data, index=index, pixel_size_nm=pixel_size_nm)


def _simulator(spec: str) -> Any:
    from livedetect.stream.registry import open_simulator  # noqa: PLC0415 - workers only

    return open_simulator(spec)


def _simulated_frames(simulator: Any, defects: list[TrueDefect]) -> Iterator[Frame]:
    """Frames of `simulator`; their truth is added to `defects` on the way."""
    for simulated in simulator:
        defects.extend(simulated.truth)
        yield simulated.frame


def _label(stream: str | Path) -> str:
    if isinstance(stream, Path):
        return stream.name
    crystal, _, options = stream.partition("?")
    values = dict(pair.split("=", 1) for pair in options.split("&"))
    null = " (no damage)" if values["damage"] == "0" else ""
    return f"{crystal}, seed {values['seed']}, {values['detected_e_per_px']} e/px{null}"


def _one_thread() -> None:
    """Keep the numerics of a worker on one thread: the workers already fill the cores."""
    threadpool_limits(1)
