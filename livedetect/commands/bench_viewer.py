"""``livedetect bench viewer``: how smooth the live view is, in a real window."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from livedetect.commands.viewer_program import has_display, has_napari
from livedetect.errors import MissingExtraError, SourceError
from livedetect.installing import pip_install

_MARKERS = (50, 500, 2000)
_COMPARED_MARKERS = 500
_PATIENCE_S = 240.0
_HEADS = {
    "pattern": "pattern",
    "markers": "markers",
    "latency_p50_ms": "latency p50 / ms",
    "latency_p95_ms": "p95 / ms",
    "latency_slope_ms_per_min": "slope / (ms/min)",
    "stall_p99_ms": "stall p99 / ms",
    "stall_max_ms": "max / ms",
    "images_per_s": "images/s",
    "gui_cpu_ms_per_image": "GUI processor / (ms/image)",
    "memory_slope_mb_per_min": "memory / (MB/min)",
}

Figures = Mapping[str, Any]


def viewer(
    seconds: Annotated[
        float, typer.Option(metavar="S", min=3.0, help="How long each case is measured.")
    ] = 20.0,
    markers: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Markers in a frame; may be repeated.")
    ] = None,
    compare: Annotated[
        bool, typer.Option(help="Also measure a queued Qt signal for every result.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Feed the live view from another process at full rate and print how it keeps up.

    60 results and 20 images of 1024 x 1024 px per second. Without a display it runs under
    xvfb-run, if that is installed.
    """
    start = [*_display(), sys.executable, "-m", "livedetect.viewer.smoothness"]
    cases = list(_cases(seconds, markers or _MARKERS, compare=compare))
    found = []
    for number, case in enumerate(cases, start=1):
        sys.stderr.write(f"{number}/{len(cases)}: {case['pattern']}, {case['markers']} markers\n")
        found.append(_measured(start, case, seconds))
        sys.stderr.write(_in_short(found[-1]) + "\n")
    sys.stdout.write((json.dumps(found, indent=1) if as_json else table(found)) + "\n")


def _display() -> list[str]:
    """What has to stand before the command; raises `MissingExtraError` without any display."""
    if not has_napari():
        raise MissingExtraError(f"the viewer is not installed: {pip_install('livedetect[viewer]')}")
    if has_display():
        return []
    program = shutil.which("xvfb-run")
    if program is None:
        raise MissingExtraError(
            "there is no display, and xvfb-run is not installed: apt-get install xvfb xauth"
        )
    return [program, "-a", "-s", "-screen 0 1920x1200x24"]


def _cases(seconds: float, markers: Sequence[int], *, compare: bool) -> Iterator[dict[str, Any]]:
    for count in markers:
        yield {"markers": count, "seconds": seconds, "pattern": "mailbox"}
    if compare:
        count = _COMPARED_MARKERS if _COMPARED_MARKERS in markers else markers[0]
        yield {"markers": count, "seconds": seconds, "pattern": "queued"}


def _measured(start: Sequence[str], case: Mapping[str, Any], seconds: float) -> Figures:
    command = [*start, json.dumps(case)]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, stdout=subprocess.PIPE, text=True, timeout=seconds + _PATIENCE_S, check=True
        )
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired as error:
        raise SourceError(
            f"the viewer showed nothing for {_PATIENCE_S:.0f} s: is this computer very busy?"
        ) from error
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        raise SourceError(f"the measurement failed: {error}") from error


def _in_short(figures: Figures) -> str:
    return (
        f"  latency p95 {figures['latency_p95_ms']:.0f} ms, stall p99 "
        f"{figures['stall_p99_ms']:.0f} ms, {figures['images_per_s']:.1f} images/s, "
        f"{figures['gui_cpu_ms_per_image']:.0f} ms of processor time for each"
    )


def table(found: Sequence[Figures]) -> str:
    """The figures as a Markdown table, and what the comparison says."""
    rows = [[_cell(figures, name) for name in _HEADS] for figures in found]
    heads = list(_HEADS.values())
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
    return "\n".join([*lines, *_ratios(found)])


def _cell(figures: Figures, name: str) -> str:
    value = figures["case"].get(name, figures.get(name))
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _ratios(found: Sequence[Figures]) -> list[str]:
    """How many times longer a queued signal takes, at the same number of markers."""
    queued = next((f for f in found if f["case"]["pattern"] == "queued"), None)
    if queued is None:
        return []
    count = queued["case"]["markers"]
    own = next(f for f in found if f["case"]["markers"] == count)
    # stalls are not compared: where signals starve the event loop, nobody is there to see them
    ratio = queued["latency_p95_ms"] / own["latency_p95_ms"]
    return ["", f"Queued signals against the live view, {count} markers: latency p95 x{ratio:.1f}."]
