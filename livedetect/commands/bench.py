"""``livedetect score`` and ``livedetect bench``: how good, against known truth."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livedetect.commands.bench_viewer import viewer
from livedetect.commands.options import with_options_of
from livedetect.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from livedetect.bench.questions import Plan
    from livedetect.bench.record import StreamRecord
    from livedetect.bench.score import Score

bench = typer.Typer(no_args_is_help=True, help="Measure livedetect against known truth.")

bench.command("viewer")(viewer)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@bench.callback()
def benchmarks() -> None:
    """Measure livedetect against known truth."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityOptions:
    """What is to be measured; every field is an option."""

    question: Annotated[
        list[str] | None,
        typer.Option(
            "--question",
            "--questions",
            help="What to measure, comma-separated, or all; a wrong name is told the list.",
        ),
    ] = None
    crystals: Annotated[
        list[str] | None,
        typer.Option("--crystals", "--crystal", help="Only these simulated crystals."),
    ] = None
    methods: Annotated[
        list[str] | None, typer.Option("--methods", "--method", help="To be compared.")
    ] = None
    signal: Annotated[
        list[str] | None, typer.Option(help="Detected electrons per pixel, as in 2,5.")
    ] = None
    seeds: Annotated[
        list[str] | None, typer.Option(help="As in 101,102 or 100-109; below 100 for tuning.")
    ] = None
    frames: Annotated[int, typer.Option(min=40, help="Length of streams with births.")] = 70
    null_frames: Annotated[
        int, typer.Option(metavar="N", min=40, help="Frames without births per row and seed.")
    ] = 2000
    size: Annotated[int, typer.Option(min=96, help="Edge of the frames, px.")] = 512
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of stored streams to run as well.")
    ] = None
    quick: Annotated[bool, typer.Option("--quick", help="Few streams, small frames.")] = False

    def plan(self) -> Plan:
        """The streams; raises `SettingsError` for what there is not."""
        from livedetect.bench.questions import CRYSTALS, METHODS_COMPARED, Plan

        usual = Plan()
        plan = Plan(
            crystals=chosen("--crystals", self.crystals, CRYSTALS) if self.crystals else (),
            signals=numbers("--signal", self.signal),
            seeds=seed_list(self.seeds) or usual.seeds,
            methods=chosen("--methods", self.methods or usual.methods, METHODS_COMPARED),
            frames=self.frames,
            null_frames=self.null_frames,
            size=self.size,
            data=self.data,
        )
        return plan.quick() if self.quick else plan

    def asked(self) -> tuple[str, ...]:
        """The questions; raises `SettingsError` for one that nobody asks."""
        from livedetect.bench.catalogue import DEFAULT_QUESTIONS, QUESTIONS, QUICK_QUESTIONS

        if self.question == ["all"]:
            return tuple(name for name in QUESTIONS if name != "real" or self.data)
        usual: tuple[str, ...] = QUICK_QUESTIONS if self.quick else DEFAULT_QUESTIONS
        usual = ("real",) if self.data else usual
        return chosen("--question", self.question or usual, tuple(QUESTIONS))


@bench.command("quality")
@with_options_of(QualityOptions)
def quality(
    options: QualityOptions,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; default: one per core.")
    ] = None,
    records: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep trials here; do none of them twice.")
    ] = None,
    only_tables: Annotated[
        bool, typer.Option("--only-tables", help="Run nothing; make tables from --records.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run streams of known truth and print one table per question."""
    from livedetect.bench.quality import Request, ask

    request = Request(
        questions=options.asked(),
        plan=options.plan(),
        records=records,
        workers=workers,
        run=not only_tables,
        command=shlex.join(["livedetect", *sys.argv[1:]]),
    )
    reports = ask(request, progress=_tell)
    if as_json:
        text = json.dumps([report.as_dict() for report in reports], indent=1)
    else:
        text = "\n\n".join(report.as_markdown() for report in reports)
    sys.stdout.write(text + "\n")


def _tell(done: int, count: int, record: StreamRecord) -> None:
    sys.stderr.write(f"{done}/{count}: {record.stream}, {record.method}\n")


def chosen(option: str, wanted: Sequence[str] | None, allowed: Sequence[str]) -> tuple[str, ...]:
    """What was asked for, or everything; raises `SettingsError` for what there is not."""
    words = _words(wanted)
    strange = sorted(set(words) - set(allowed))
    if strange:
        raise SettingsError(f"{option} {strange[0]!r}: one of {', '.join(allowed)}")
    return words or tuple(allowed)


def numbers(option: str, wanted: Sequence[str] | None) -> tuple[float, ...]:
    """Numbers from comma-separated texts; raises `SettingsError`."""
    try:
        return tuple(float(word) for word in _words(wanted))
    except ValueError:
        raise SettingsError(f"{option} {wanted}: numbers, separated by commas") from None


def seed_list(wanted: Sequence[str] | None) -> tuple[int, ...]:
    """Seeds from texts such as ``101,105-108``; raises `SettingsError`."""
    seeds: list[int] = []
    for word in _words(wanted):
        if not re.fullmatch(r"\d+(-\d+)?", word):
            raise SettingsError(f"--seeds {word!r}: numbers or ranges, as in 101,105-108")
        first, _, last = word.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(seeds))


def _words(texts: Sequence[str] | None) -> tuple[str, ...]:
    """The words of texts in which commas separate them."""
    split = (word.strip() for text in texts or () for word in text.split(","))
    return tuple(dict.fromkeys(word for word in split if word))


def show(scores: Sequence[Score], *, as_json: bool) -> None:
    """Print scores on standard output."""
    from livedetect.bench.table import format_table

    if as_json:
        text = json.dumps([dataclasses.asdict(entry) for entry in scores], indent=1)
    else:
        text = format_table(scores)
    sys.stdout.write(text + "\n")
