"""``livedetect bench nion``: the bridge in Nion Swift, measured."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from livedetect.commands.telling import tell


def nion(
    size: Annotated[
        list[int] | None, typer.Option(metavar="PX", help="Edge of a frame; may be repeated.")
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=2, help="Pairs of blocks of 4 s with and without the bridge.")
    ] = 6,
    results: Annotated[
        int, typer.Option(min=5, help="Results whose latency is taken, per size.")
    ] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure what livedetect costs Nion Swift, and how soon the beam is off.

    Swift runs without a window, the simulated crystal under its simulated beam; the engine is a
    process of its own. Scan periods are compared in alternating blocks, with a 95 % interval of
    the paired difference.
    """
    from livedetect.bench.nion import CRYSTAL, NionPlan, measure, table
    from livedetect.commands.demo_nion import free_endpoint
    from livedetect.commands.nion_environment import nion_environment_variables, nion_python

    endpoint = free_endpoint()
    bridge = json.dumps({"frames": "tcp://127.0.0.1:0", "results": endpoint})
    plan = NionPlan(
        python=nion_python(tell),
        environment=nion_environment_variables(
            LIVEDETECT_LATTICE=CRYSTAL, LIVEDETECT_BRIDGE=bridge
        ),
        results=endpoint,
        pairs=pairs,
        count=results,
    )
    measured = []
    for edge in size or (512, 1024):
        tell(f"Measuring {edge} × {edge} px ...")
        measured.append(measure(plan, edge))
    text = json.dumps(measured, indent=1) if as_json else table(measured)
    sys.stdout.write(text + "\n")
