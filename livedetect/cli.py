"""The command line: puts the commands together and turns errors into exit codes.

0 finished; 1 source or session failed; 2 usage or settings; 130 interrupted.
"""

from __future__ import annotations

import atexit
import gc
import io
import sys
from typing import Annotated

import typer

import livedetect
from livedetect.commands.bench import bench, score
from livedetect.commands.bench_nion import nion
from livedetect.commands.bench_rows import rows as bench_rows
from livedetect.commands.bench_speed import speed as bench_speed
from livedetect.commands.bench_stream import stream as bench_stream
from livedetect.commands.compare import compare
from livedetect.commands.demo import demo
from livedetect.commands.doctor import doctor
from livedetect.commands.keys import keys
from livedetect.commands.run import replay, run
from livedetect.commands.session import info, pack, recover, report
from livedetect.commands.simulate import simulate
from livedetect.commands.sources import sources
from livedetect.commands.view import view
from livedetect.errors import LivedetectError, SettingsError

app = typer.Typer(
    name="livedetect",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AFTER_A_RUN = (info, report, compare, pack, recover)

for command in (demo, run, replay, *AFTER_A_RUN, simulate, view, score, sources, keys, doctor):
    app.command()(command)
bench.command("stream")(bench_stream)
bench.command("rows")(bench_rows)
bench.command("nion")(nion)
bench.command("speed")(bench_speed)
app.add_typer(bench, name="bench")


def show_version(wanted: bool) -> None:
    """Show the version and end."""
    if wanted:
        sys.stdout.write(f"livedetect {livedetect.__version__}\n")
        raise typer.Exit


@app.callback()
def shared(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=show_version, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Marks beam-induced defects in atomic-resolution STEM frames as they form."""


def main() -> None:
    """Run the command line and exit with its code."""
    _write_any_sign()
    # whatever must be written is closed by name; looking for garbage takes a second at the end
    atexit.register(gc.freeze)
    try:
        app()
    except SettingsError as error:
        _leave(str(error), 2)
    except LivedetectError as error:
        _leave(str(error), 1)
    except KeyboardInterrupt:
        _leave("interrupted", 130)


def _write_any_sign() -> None:
    """Pipes and files get UTF-8: Windows would choose a code page that lacks ≤ and Å."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")


def _leave(message: str, code: int) -> None:
    sys.stderr.write(f"livedetect: {message}\n")
    sys.exit(code)
