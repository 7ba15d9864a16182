"""``livedetect bench stream``: how fast frames are recorded and sent."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def stream(
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.2, help="Time for each line of the table.")
    ] = 3.0,
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Record there, for its disk.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure recording and sending, each beside the plainest way to do it."""
    from livedetect.bench.streaming import rates, table

    measured = []
    try:
        for rate in rates(seconds, directory):
            measured.append(rate)
            sys.stderr.write(f"{rate.what}, {rate.edge_px} px: {rate.frames_per_s:.0f} frames/s\n")
    finally:  # what was measured before something failed is told as well
        if as_json:
            values = [dataclasses.asdict(rate) | {"ratio": rate.ratio} for rate in measured]
            sys.stdout.write(json.dumps(values, indent=1) + "\n")
        else:
            sys.stdout.write(table(measured) + "\n")
