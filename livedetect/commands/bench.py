"""``livedetect score`` and ``livedetect bench``: how good, against known truth."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livedetect.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from livedetect.bench.score import Score

bench = typer.Typer(no_args_is_help=True, help="Measure livedetect against known truth.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def score(
    case: Annotated[
        Path, typer.Argument(metavar="CASE", help="Folder with truth.csv and meta.json.")
    ],
    events: Annotated[Path, typer.Argument(metavar="EVENTS", help="JSON Lines of a run.")],
    fit_frames: Annotated[
        int, typer.Option(metavar="N", min=0, help="Warm-up frames, which hold no false markers.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare the events of a run with the truth of its stream."""
    from livedetect.bench.score import read_events
    from livedetect.bench.score import score as score_of

    try:
        happened = read_events(events)
    except (OSError, ValueError) as error:
        raise SourceError(f"{events} cannot be read as JSON Lines: {error}") from error
    show([score_of(case, happened, fit_frames)], as_json=as_json)


@bench.command("quality")
def quality(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of cases to run as well.")
    ] = None,
    crystal: Annotated[
        list[str] | None, typer.Option(help="Only this simulated crystal; may be repeated.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Only this method; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="Streams per crystal.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="A minute or two, not more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run streams of known truth through the methods and print the table."""
    from livedetect.bench.quality import CRYSTALS, QualityPlan, iter_quality, planned_runs
    from livedetect.settings import METHODS

    plan = QualityPlan(
        data=data,
        crystals=chosen("--crystal", crystal, CRYSTALS),
        seeds=tuple(range(seeds)),
        methods=chosen("--method", method, METHODS),
    )
    plan = plan.quick() if quick else plan
    count, scores = len(planned_runs(plan)), []
    for number, entry in enumerate(iter_quality(plan), start=1):
        scores.append(entry)
        sys.stderr.write(f"{number}/{count}: {entry.case}, {entry.method}\n")
    show(scores, as_json=as_json)


def chosen(option: str, wanted: Sequence[str] | None, allowed: Sequence[str]) -> tuple[str, ...]:
    """What was asked for, or everything; raises `SettingsError` for what there is not."""
    strange = sorted(set(wanted or ()) - set(allowed))
    if strange:
        raise SettingsError(f"{option} {strange[0]!r}: one of {', '.join(allowed)}")
    return tuple(wanted or allowed)


def show(scores: Sequence[Score], *, as_json: bool) -> None:
    """Print scores on standard output."""
    from livedetect.bench.table import format_table

    if as_json:
        text = json.dumps([dataclasses.asdict(entry) for entry in scores], indent=1)
    else:
        text = format_table(scores)
    sys.stdout.write(text + "\n")
