"""``livedetect bench rows``: how soon a defect of a slow scan is told."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer


def rows(
    size: Annotated[int, typer.Option(metavar="PX", min=256, help="Edge of a frame.")] = 1024,
    frame_s: Annotated[
        float, typer.Option("--frame-s", metavar="S", min=0.05, help="Time of one frame.")
    ] = 2.0,
    blocks: Annotated[int, typer.Option(metavar="N", min=2, help="Blocks of rows.")] = 16,
    frames: Annotated[int, typer.Option(metavar="N", min=20, help="Length of the stream.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure the time from beam to event, whole frames beside rows, in the same stream."""
    from livedetect.bench.rows import Scan, delays, table

    scan = Scan(edge_px=size, frame_s=frame_s, blocks=blocks, frames=frames)
    measured = delays(scan)
    told = json.dumps(measured) if as_json else table(scan, measured)
    sys.stdout.write(told + "\n")
