"""``livedetect view``: the viewer as a program."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from livedetect.commands.viewer_program import viewer_command


def view(
    endpoint: Annotated[
        str | None,
        typer.Argument(
            metavar="[ENDPOINT]", help="Where a run publishes; default tcp://127.0.0.1:5591."
        ),
    ] = None,
) -> None:
    """Open the viewer on a run that is going on, here or behind an SSH tunnel."""
    # in a process of its own: windows and their libraries stay out of this one
    done = subprocess.run(viewer_command(*filter(None, [endpoint])), check=False)  # noqa: S603
    raise typer.Exit(done.returncode if done.returncode >= 0 else 1)
