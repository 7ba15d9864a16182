"""``livedetect bench speed``: time per frame, in full-frame FFTs and beside other methods."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer


def speed(
    size: Annotated[
        list[int] | None, typer.Option(metavar="PX", help="Edge of the frames; may be repeated.")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Threads of BLAS and FFT; repeatable.")
    ] = None,
    frames: Annotated[int, typer.Option(metavar="N", min=5, help="Steps timed at 512 px.")] = 60,
    large: Annotated[bool, typer.Option("--large", help="Also 4096 x 4096 px.")] = False,
    others: Annotated[bool, typer.Option(help="Time other methods as well.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure the time of a step and its stages beside a full-frame FFT and other methods."""
    from livedetect.bench.speed import LARGE, SpeedPlan, as_values, measure, table
    from livedetect.commands.play import tell
    from livedetect.commands.preparation import prepare_numerics

    prepare_numerics(tell)
    plan = SpeedPlan(
        sizes=tuple(size or SpeedPlan().sizes) + ((LARGE,) if large else ()),
        threads=tuple(threads or SpeedPlan().threads),
        frames=frames,
        others=others,
    )
    measured = []
    for entry in measure(plan):
        measured.append(entry)
        tell(f"{entry.size} px, {entry.threads} thread(s): {entry.cpu_ratio:.1f} rfft2 (CPU)")
    text = json.dumps(as_values(measured), indent=1) if as_json else table(measured)
    sys.stdout.write(text + "\n")
