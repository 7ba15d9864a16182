"""How long a step of the detector takes, in passes over the data: full-frame float32 FFTs.

Every step is timed beside an FFT of a frame of the same size, in turns, so that other work
on the machine slows both. Processor time is given as well as time on the clock: it is what
remains comparable on a machine that is shared.
"""

from __future__ import annotations

import dataclasses
import functools
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import fft
from threadpoolctl import threadpool_limits

import livedetect
from livedetect.bench.memory import peak_mb
from livedetect.bench.speed_others import OTHERS
from livedetect.bench.speed_stages import StageClock
from livedetect.bench.table import markdown
from livedetect.settings import Settings
from livedetect.stream.registry import open_simulator
from livedetect.types import Frame

Result = TypeVar("Result")

SIZES = (512, 1024, 2048)
FINE = 2048
COLUMN_PX = 16
"""Lattice constant, px."""
DEFECTIVE_SHARE = 0.01
"""Of the sites of the lattice, all born before the first step that is timed."""
SITES_PER_CELL = 3
"""Of MoS2: two columns and a hollow."""
BIRTHS_FRAMES = 20
STEADY_AFTER = BIRTHS_FRAMES + 16
"""Frames after which every defect is known and all time windows are full of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedPlan:
    """What to measure."""

    sizes: tuple[int, ...] = SIZES
    """Edges of the square frames, px."""
    threads: tuple[int, ...] = (1, 2)
    """Threads of BLAS and of the FFT; the detector's own path is one thread."""
    frames: int = 60
    """Steps timed at 512 px; fewer at larger sizes, at least 12."""
    crystal: str = "mos2?seed=3"
    """What the simulator makes, without what depends on the size."""
    others: bool = True
    """Whether other methods are timed, too."""
    oversampled: bool = True
    """Whether frames four times as fine are timed, of the lattice that 512 px hold."""

    def frames_at(self, size: int) -> int:
        """Steps timed at a size."""
        return max(12, round(self.frames * 512 / max(size, 512)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """A size and a number of threads."""

    size: int
    """Edge of the frames, px."""
    note: str = ""
    """What is unusual about them."""
    threads: int
    """Of BLAS and FFT."""
    fit_s: float
    """Warm-up to ready, s."""
    step_ms: tuple[float, ...]
    """Every step on the clock."""
    step_cpu_ms: tuple[float, ...]
    """Every step, processor time of its thread."""
    fft_ms: tuple[float, ...]
    """FFTs between the steps, on the clock."""
    fft_cpu_ms: tuple[float, ...]
    """FFTs, processor time of the process."""
    defects: int
    """Tracks at the end."""
    memory_mb: float
    """Largest resident memory so far, MB; 0 where it cannot be told."""
    stages_ms: dict[str, tuple[float, ...]]
    """Processor time of each stage, from a second pass over the frames."""
    others_ms: dict[str, float | str]
    """Other methods on one frame, ms, or why there is no figure."""

    @property
    def ratio(self) -> float:
        """Median step in median FFTs, on the clock."""
        return statistics.median(self.step_ms) / statistics.median(self.fft_ms)

    @property
    def cpu_ratio(self) -> float:
        """Median step in median FFTs, processor time."""
        return statistics.median(self.step_cpu_ms) / statistics.median(self.fft_cpu_ms)


def measure(plan: SpeedPlan) -> Iterator[Speed]:
    """One size and number of threads after the other."""
    for size in plan.sizes:
        frames = simulated(plan, size, plan.frames_at(size))
        for threads in plan.threads:
            yield speed_of(frames, threads, others=plan.others and threads == 1)
    if plan.oversampled:
        frames = simulated(plan, FINE, 24, COLUMN_PX * FINE // 512)
        yield dataclasses.replace(speed_of(frames, 1, others=False), note="columns 64 px apart")


def simulated(plan: SpeedPlan, size: int, steps: int, a_px: int = COLUMN_PX) -> list[Frame]:
    """Warm-up, the frames in which the defects form, and `steps` more."""
    warm_up = Settings().warm_up_frames
    cells = size**2 / (a_px**2 * np.sqrt(0.75))
    keys = {
        "size": size,
        "a_px": a_px,
        "frames": warm_up + STEADY_AFTER + steps,
        "prescribed": round(DEFECTIVE_SHARE * SITES_PER_CELL * cells),
        "damage_from": warm_up + 1,
        "births_until": warm_up + 1 + BIRTHS_FRAMES,
    }
    told = "&".join(f"{key}={value}" for key, value in keys.items())
    return [entry.frame for entry in open_simulator(f"{plan.crystal}&{told}")]


def speed_of(frames: Sequence[Frame], threads: int, *, others: bool) -> Speed:
    """Time one stream with a fresh detector."""
    with threadpool_limits(threads):
        timed = _Timed(frames, threads)
        stages = stages_of(frames)
        data = [frame.data.astype(np.float32) for frame in frames[: Settings().warm_up_frames + 1]]
        beside = {name: _one(run, data) for name, run in OTHERS.items()} if others else {}
    return Speed(
        size=frames[0].data.shape[0],
        threads=threads,
        fit_s=timed.fit_s,
        step_ms=tuple(timed.step[0]),
        step_cpu_ms=tuple(timed.step[1]),
        fft_ms=tuple(timed.fft[0]),
        fft_cpu_ms=tuple(timed.fft[1]),
        defects=timed.defects,
        memory_mb=peak_mb(),
        stages_ms=stages,
        others_ms=beside,
    )


class _Timed:
    """Steps and FFTs in turns."""

    def __init__(self, frames: Sequence[Frame], threads: int) -> None:
        detector = livedetect.Detector()
        warm_up = Settings().warm_up_frames
        for frame in frames[: warm_up - 1]:
            detector.step(frame)
        begun = time.perf_counter()
        detector.step(frames[warm_up - 1])
        self.fit_s = time.perf_counter() - begun
        self.step: tuple[list[float], list[float]] = ([], [])
        self.fft: tuple[list[float], list[float]] = ([], [])
        for frame in frames[warm_up:]:
            image = frame.data.astype(np.float32)
            _clock(functools.partial(fft.rfft2, image, workers=threads), self.fft)
            result = _clock(functools.partial(detector.step, frame), self.step)
        self.defects = len(result.active_tracks)
        for series in (*self.step, *self.fft):
            del series[:STEADY_AFTER]


def _clock(work: Callable[[], Result], series: tuple[list[float], list[float]]) -> Result:
    """Do some work; add ms on the clock and ms of the processor to two lists."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    series[1].append(1e3 * (time.process_time() - cpu))
    series[0].append(1e3 * (time.perf_counter() - wall))
    return result


def stages_of(frames: Sequence[Frame]) -> dict[str, tuple[float, ...]]:
    """Processor ms of every stage and frame; the steps of `measure` run without this clock."""
    warm_up = Settings().warm_up_frames
    detector = livedetect.Detector()
    for frame in frames[:warm_up]:
        detector.step(frame)
    with StageClock() as clock:
        for frame in frames[warm_up:]:
            detector.step(frame)
            clock.end_frame()
    return {name: tuple(times[STEADY_AFTER:]) for name, times in clock.times_ms.items()}


def _one(run: Callable[[Sequence[np.ndarray]], float], data: Sequence[np.ndarray]) -> float | str:
    try:
        return run(data)
    except ImportError as error:
        return f"{error.name} is not installed"


def exponent(measured: Sequence[Speed]) -> float | None:
    """Of the cost of a step against the number of pixels, one thread; None for one size."""
    own = [entry for entry in measured if entry.threads == 1 and not entry.note]
    if len({entry.size for entry in own}) < 2:
        return None
    pixels = np.log([entry.size**2 for entry in own])
    cost = np.log([statistics.median(entry.step_cpu_ms) for entry in own])
    return float(np.polyfit(pixels, cost, 1)[0])


def table(measured: Sequence[Speed]) -> str:
    """Everything as Markdown."""
    growth = exponent(measured)
    parts = [
        f"{platform.machine()}, Python {platform.python_version()}, "
        f"livedetect {livedetect.__version__}",
        _steps(measured),
        _stages(measured),
        _others(measured),
    ]
    if growth is not None:
        parts.append(f"Cost grows as pixels to the power of {growth:.2f}.")
    return "\n\n".join(part for part in parts if part)


def _steps(measured: Sequence[Speed]) -> str:
    heads = ["size", "threads", "defects", "fit / s", "median / ms", "p95", "p99", "frames/s"]
    heads += ["CPU / ms", "rfft2 / ms", "in rfft2", "in rfft2 (CPU)", "peak / MB"]
    return markdown(heads, [_row(entry) for entry in measured])


def _row(entry: Speed) -> list[str]:
    median = statistics.median(entry.step_ms)
    high = [float(np.percentile(entry.step_ms, q)) for q in (95, 99)]
    figures = [entry.fit_s, median, *high, 1e3 / median, statistics.median(entry.step_cpu_ms)]
    figures += [statistics.median(entry.fft_ms), entry.ratio, entry.cpu_ratio, entry.memory_mb]
    head = [f"{entry.size} {entry.note}".strip(), str(entry.threads), str(entry.defects)]
    return head + [f"{figure:.2f}" if figure < 100 else f"{figure:.0f}" for figure in figures]


def _stages(measured: Sequence[Speed]) -> str:
    rows = [
        [
            name,
            f"{entry.size} {entry.note}".strip(),
            *(f"{np.percentile(times, q):.2f}" for q in (50, 95, 99)),
            share,
        ]
        for entry in measured
        if entry.threads == 1
        for name, times in entry.stages_ms.items()
        if (share := _in_ffts(statistics.median(times), entry))
    ]
    return markdown(["stage", "size", "CPU / ms", "p95", "p99", "in rfft2 (CPU)"], rows)


def _in_ffts(milliseconds: float, entry: Speed) -> str:
    return f"{milliseconds / statistics.median(entry.fft_cpu_ms):.2f}"


def _others(measured: Sequence[Speed]) -> str:
    rows = []
    for entry in measured:
        step = statistics.median(entry.step_cpu_ms)
        for name, figure in entry.others_ms.items():
            told = [f"{figure:.0f}", f"{figure / step:.0f}"] if isinstance(figure, float) else []
            rows.append([name, str(entry.size), *(told or [str(figure), ""])])
    heads = ["other method, one frame", "size", "CPU / ms", "in steps of livedetect"]
    return markdown(heads, rows) if rows else ""


def as_values(measured: Sequence[Speed]) -> list[dict[str, object]]:
    """For JSON."""
    return [
        dataclasses.asdict(entry) | {"ratio": entry.ratio, "cpu_ratio": entry.cpu_ratio}
        for entry in measured
    ]
