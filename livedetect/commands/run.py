"""``livedetect run`` and ``livedetect replay``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from livedetect.commands.interruption import interruptible
from livedetect.commands.options import RunOptions, with_run_options
from livedetect.commands.recorded import recorded

if TYPE_CHECKING:
    from livedetect.protocols import Source
    from livedetect.settings import Settings


@with_run_options
def run(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Directory, file, or scheme:target?key=value.")
    ],
    options: RunOptions,
) -> None:
    """Watch a source live and mark defects as they form.

    Ends with the source, after --frames or --idle-timeout, or on Ctrl-C, which closes the
    session properly. See `livedetect sources` for what SOURCE can be.
    """
    from livedetect.commands.play import play
    from livedetect.stream.registry import open_source

    stop = threading.Event()
    with interruptible(stop):
        code = play(
            lambda settings, stop: open_source(source, settings, stop=stop, live=True),
            options,
            stop,
            offer=True,
            recorded=recorded(source),
        )
    raise typer.Exit(code)


@with_run_options
def replay(
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A session, a stack, a folder of frames, a source."),
    ],
    options: RunOptions,
    speed: Annotated[
        str, typer.Option(metavar="SPEED", help="max, 1x (as acquired), or a multiple as 5x.")
    ] = "max",
    every_frame: Annotated[
        bool,
        typer.Option("--all", help="Of a session, also analyse frames that were skipped live."),
    ] = False,
) -> None:
    """Analyse what has been recorded, from its first frame to its last; never drops a frame.

    A session is played with its own settings and commands and gives the events it gave; --set
    and --all try something else on the same frames.
    """
    from livedetect.commands.play import play
    from livedetect.stream.registry import open_source
    from livedetect.stream.replay import Paced, parse_speed

    factor = parse_speed(speed)
    session = recorded(path, every_frame=every_frame)

    def open_paced(settings: Settings, stop: threading.Event) -> Source:
        if session is not None:
            source = session.open(settings, stop)
        else:
            source = open_source(path, settings, stop=stop, live=False)
        return source if factor is None else Paced(source, stop, speed=factor)

    stop = threading.Event()
    with interruptible(stop):
        code = play(open_paced, options, stop, recorded=session)
    raise typer.Exit(code)
