"""``livedetect compare``: the defects of two runs beside each other."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livedetect.errors import SourceError

if TYPE_CHECKING:
    from livedetect.bench.comparison import Comparison, Event


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A session, or events as JSON Lines.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    radius: Annotated[
        float, typer.Option(metavar="PX", min=0.0, help="Nearer than this is the same defect.")
    ] = 8.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Show which defects two runs have in common and which only one of them marked."""
    from livedetect.bench.comparison import compare as compared
    from livedetect.bench.comparison import unrelated

    first, second = events_of(a), events_of(b)
    found = compared(first, second, radius)
    if warning := unrelated(first, second):
        sys.stderr.write(f"livedetect: {warning}\n")
    if as_json:
        values = {
            "common": [{"a": left, "b": right} for left, right in found.common],
            "only_a": found.only_a,
            "only_b": found.only_b,
        }
        sys.stdout.write(json.dumps(values, indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(lines(found)) + "\n")


def events_of(path: Path) -> Sequence[Event]:
    """Events of a session or of a file; raises `SourceError`."""
    if path.is_dir():
        from livedetect.stream.recording import Recording

        return list(Recording(path).events())
    from livedetect.bench.score import read_events

    try:
        events = read_events(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read as JSON Lines: {error}") from error
    if not all(isinstance(event, dict) for event in events):
        raise SourceError(f"{path} holds no events: each line must be a JSON object")
    return events


def lines(found: Comparison) -> list[str]:
    """The comparison in lines, counts first."""
    told = [
        f"In both: {len(found.common)}. Only in A: {len(found.only_a)}. "
        f"Only in B: {len(found.only_b)}."
    ]
    told += [_pair(left, right) for left, right in found.common]
    told += [f"only A  {_place(event)}" for event in found.only_a]
    told += [f"only B  {_place(event)}" for event in found.only_b]
    return told


def _pair(left: Event, right: Event) -> str:
    later = right["frame"] - left["frame"]
    return f"both    {_place(left)}; B {later:+d} frames, {_change(left, right)}"


def _change(left: Event, right: Event) -> str:
    kinds = left.get("kind"), right.get("kind")
    return f"{kinds[0]}" if kinds[0] == kinds[1] else f"{kinds[0]} became {kinds[1]}"


def _place(event: Event) -> str:
    early = " (from the start)" if event["event"] == "defect_at_start" else ""
    return f"frame {event['frame']:>5}, x {event['x_px']:7.1f}, y {event['y_px']:7.1f} px{early}"
