"""A detector at the pace of a microscope: how even its steps are, and whether memory grows."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

import livedetect
from livedetect.bench.memory import resident_mb
from livedetect.bench.table import markdown
from livedetect.types import Frame, FrameResult

PACED_FPS = 30.0
LOOPED_FRAMES = 24
"""Latest frames of a stream, shown forwards and backwards, so that the drift stays smooth."""
SETTLED_SHARE = 0.25
"""Of the run, after which memory is expected to stand still."""
REFIT_SAMPLES = 3000
REFIT_LENGTH = 24
"""Patches of the one-class SVM that is fitted beside the run, and samples of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """Steps at a fixed rate."""

    size: int
    """Edge of the frames, px."""
    beside: str
    """What another thread did meanwhile; empty for nothing."""
    step_ms: tuple[float, ...]
    """Every step on the clock."""
    late: int
    """Frames whose step began later than one interval after they were due."""
    memory_mb: tuple[float, ...]
    """Resident memory at every frame of the settled part; 0 where it cannot be told."""

    @property
    def slope_mb_per_1000(self) -> float:
        """Growth of resident memory per 1000 frames."""
        frames = np.arange(len(self.memory_mb))
        return float(1e3 * np.polyfit(frames, self.memory_mb, 1)[0]) if len(frames) > 1 else 0.0


def refit_svm() -> None:
    """What a background refit costs: a one-class SVM on as many patches as the model has."""
    from livedetect.detect.novelty import fit_novelty  # noqa: PLC0415 - scikit-learn is slow

    rng = np.random.default_rng(0)
    fit_novelty(rng.normal(size=(REFIT_SAMPLES, REFIT_LENGTH)).astype(np.float32))


def paced(
    frames: Sequence[Frame],
    count: int,
    *,
    beside: str = "",
    work: Callable[[], None] | None = None,
    show: Callable[[Frame, FrameResult], None] | None = None,
    settling: int = 0,
) -> Paced:
    """Step through `count` frames at 30 per second, after the stream `frames` at full speed.

    Parameters
    ----------
    beside : names what happens beside it.
    work : done by another thread, over and over.
    show : given every frame and its result, outside the time that is measured.
    settling : as many frames at that rate come first and are not counted.
    """
    detector, step_ms, memory, late = livedetect.Detector(), [], [], 0
    with threadpool_limits(1):
        for frame in frames:
            detector.step(frame)
        with _in_background(work):
            begun = time.perf_counter()
            for number, frame in enumerate(_endless(frames, settling + count)):
                due = begun + number / PACED_FPS
                _wait_until(due)
                now = time.perf_counter()
                result = detector.step(frame)
                took = time.perf_counter() - now
                if number >= settling:
                    late += now - due > 1 / PACED_FPS
                    step_ms.append(1e3 * took)
                    memory.append(resident_mb())
                if show is not None:
                    show(frame, result)
    settled = memory[int(SETTLED_SHARE * len(memory)) :]
    return Paced(
        size=frames[0].data.shape[0],
        beside=beside,
        step_ms=tuple(step_ms),
        late=late,
        memory_mb=tuple(settled),
    )


def paced_table(runs: Sequence[Paced]) -> str:
    """As Markdown."""
    rows = []
    for run in runs:
        median, p95, p99 = np.percentile(run.step_ms, [50, 95, 99])
        figures = [median, p95, p99, p99 / median, run.slope_mb_per_1000]
        head = [str(run.size), run.beside or "nothing", str(len(run.step_ms)), str(run.late)]
        rows.append(head + [f"{figure:.2f}" for figure in figures])
    heads = ["size", "beside", "frames", "late", "median / ms", "p95", "p99", "p99 / median"]
    return markdown([*heads, "memory, MB per 1000 frames"], rows)


def _endless(frames: Sequence[Frame], count: int) -> Iterator[Frame]:
    """The latest frames forwards and backwards, numbered and timed as they go on."""
    latest = list(frames[-LOOPED_FRAMES:])
    there_and_back = itertools.cycle([*latest[-2::-1], *latest[1:]])
    last = frames[-1]
    for number, frame in enumerate(itertools.islice(there_and_back, count), 1):
        time_s = last.time_s + number / PACED_FPS
        yield dataclasses.replace(frame, index=last.index + number, time_s=time_s)


def _wait_until(due: float) -> None:
    left = due - time.perf_counter()
    if left > 0:
        threading.Event().wait(left)


@contextmanager
def _in_background(work: Callable[[], None] | None) -> Iterator[None]:
    stop = threading.Event()

    def repeat() -> None:
        while work is not None and not stop.is_set():
            work()

    thread = threading.Thread(target=repeat, name="beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
