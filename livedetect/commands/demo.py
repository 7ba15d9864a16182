"""``livedetect demo``: the whole way from a simulated microscope to markers and a report."""

from __future__ import annotations

import dataclasses
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livedetect.commands.interruption import interruptible
from livedetect.commands.options import RunOptions, with_run_options
from livedetect.commands.viewer_program import has_display, wants_view

if TYPE_CHECKING:
    from livedetect.protocols import Source
    from livedetect.settings import Settings

DEMO_FRAMES = 200
DEMO_FPS = 10.0
DEMO_DIRECTORY = Path("livedetect-demo")


ThroughNion = Annotated[
    bool,
    typer.Option("--nion", help="Through Nion Swift: markers in Swift, and a beam that blanks."),
]


@with_run_options
def demo(options: RunOptions, nion: ThroughNion = False) -> None:
    """Show a simulated crystal being damaged, and the defects being marked.

    200 frames (--frames N) of simulated MoS2: in the viewer where there is a display, at ten
    frames a second, else on the terminal. Leaves a report in ./livedetect-demo. With --nion the
    crystal lies under Nion Swift's simulated beam: the real Swift where there is a display.
    """
    if nion:
        from livedetect.commands.demo_nion import demo_nion

        raise typer.Exit(demo_nion(options, window=has_display()))
    from livedetect.commands.play import play
    from livedetect.stream.registry import open_source
    from livedetect.stream.replay import Paced

    view = wants_view(options.view)
    options = dataclasses.replace(
        options,
        view=view,
        frames=options.frames or DEMO_FRAMES,
        report=options.report or DEMO_DIRECTORY,
    )

    def open_simulation(settings: Settings, stop: threading.Event) -> Source:
        spec = f"sim:mos2?seed=1&frames={options.frames}"
        source = open_source(spec, settings, stop=stop, live=False)
        return Paced(source, stop, fps=DEMO_FPS) if view else source

    stop = threading.Event()
    with interruptible(stop):
        # where nobody sits at the terminal nobody would close the window
        code = play(open_simulation, options, stop, keep_viewer=sys.stdin.isatty())
    raise typer.Exit(code)
