"""``livedetect view``: the viewer as a program."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from livedetect.commands.viewer_program import check_viewer, viewer_command


def view(
    endpoint: Annotated[
        str | None,
        typer.Argument(
            metavar="[ENDPOINT]", help="Where a run publishes; default tcp://127.0.0.1:5591."
        ),
    ] = None,
) -> None:
    """Open the viewer on a run that is going on, here or behind an SSH tunnel."""
    from livedetect.stream.endpoints import DEFAULT_ENDPOINT, parse_endpoint

    address = str(parse_endpoint(endpoint or DEFAULT_ENDPOINT))
    check_viewer()
    done = subprocess.run(viewer_command(address), check=False)  # noqa: S603
    raise typer.Exit(1 if done.returncode else 0)
