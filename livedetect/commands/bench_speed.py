"""``livedetect bench speed``: time per frame, in full-frame FFTs and beside other methods."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from livedetect.commands.telling import tell
from livedetect.commands.viewer_program import ViewerProgram, display_problem
from livedetect.errors import SourceError

if TYPE_CHECKING:
    from livedetect.bench.speed_paced import Paced
    from livedetect.types import Frame, FrameResult

SETTLING_S = 10.0
"""The first drawings of a viewer are slow."""
EVEN_PX = 512
"""Frames of the paced runs."""
EVEN_STEPS = 40
"""Different ones, after their defects have formed."""
ARRIVAL_SPEC = "mos2?damage=6&damage_from=16&seed=3&frames=80&size={size}"


def speed(
    size: Annotated[
        list[int] | None, typer.Option(metavar="PX", help="Edge of the frames; repeatable.")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Threads of BLAS and FFT; repeatable.")
    ] = None,
    frames: Annotated[int, typer.Option(metavar="N", min=5, help="Steps timed at 512 px.")] = 60,
    others: Annotated[bool, typer.Option(help="Time other methods as well.")] = True,
    paced: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Frames at 30 per second, and the way over tcp; 0: none."
        ),
    ] = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure the time of a step and its stages beside a full-frame FFT and other methods."""
    from livedetect.bench.speed import SpeedPlan, as_values, measure, table
    from livedetect.bench.speed_arrival import arrival_line, arrival_ms
    from livedetect.bench.speed_paced import paced_table
    from livedetect.commands.preparation import prepare_numerics

    prepare_numerics(tell)
    plan = SpeedPlan(
        sizes=tuple(size or SpeedPlan().sizes),
        threads=tuple(threads or SpeedPlan().threads),
        frames=frames,
        others=others,
        oversampled=others,
    )
    measured = []
    for entry in measure(plan):
        measured.append(entry)
        tell(f"{entry.size} px, {entry.threads} thread(s): {entry.cpu_ratio:.1f} rfft2 (CPU)")
    if as_json:
        sys.stdout.write(json.dumps(as_values(measured), indent=1) + "\n")
        return
    sys.stdout.write(table(measured) + "\n")
    edge = min(plan.sizes[0], EVEN_PX)
    if paced:
        sys.stdout.write("\n" + paced_table(_even(edge, paced)) + "\n")
        took = arrival_ms(ARRIVAL_SPEC.format(size=edge))
        sys.stdout.write(f"\n{arrival_line(edge, took)}\n")


def _even(size: int, count: int) -> list[Paced]:
    """Runs at a fixed rate: alone, beside a refit, and beside a viewer where there can be one."""
    from livedetect.bench.speed import SpeedPlan, simulated
    from livedetect.bench.speed_paced import paced, refit_svm

    frames = simulated(SpeedPlan(), size, EVEN_STEPS)
    runs = [
        paced(frames, count),
        paced(frames, count, beside="an SVM being fitted", work=refit_svm),
    ]
    problem = display_problem()
    if problem is None:
        return [*runs, _beside_viewer(frames, count)]
    tell(f"not measured beside a viewer: {problem}")
    return runs


def _beside_viewer(frames: Sequence[Frame], count: int) -> Paced:
    """Frames and results are shown by a viewer on the same computer as they come."""
    from livedetect.bench.speed_paced import PACED_FPS, paced
    from livedetect.stream.publish import ResultsPublisher

    publisher = ResultsPublisher("tcp://127.0.0.1:0")
    viewer = ViewerProgram(publisher.endpoint)

    def show(frame: Frame, result: FrameResult) -> None:
        publisher.on_frame(frame)
        publisher.on_result(result)

    try:
        if not viewer.wait_until_attached(publisher.wait_for_listener, threading.Event()):
            raise SourceError("the viewer did not come up: try livedetect doctor")
        settling = round(SETTLING_S * PACED_FPS)
        run = paced(frames, count, beside="a viewer that draws", show=show, settling=settling)
        if not viewer.running:
            raise SourceError("the viewer ended during the measurement")
        return run
    finally:
        viewer.close()
        publisher.close()
