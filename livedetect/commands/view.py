"""``livedetect view``: the viewer as a program."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from livedetect.commands.viewer_program import viewer_command


def view(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[ENDPOINT|SESSION]",
            help="Where a run publishes, default tcp://127.0.0.1:5591; or a recorded session.",
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER",
            help="With a SESSION: another session, or events as JSON Lines, to lay over it.",
        ),
    ] = None,
) -> None:
    """Open the viewer on a run that is going on, or on a recorded session.

    A run can be on this computer, or on another one through an SSH tunnel. A session may
    still be in the making, or have been cut off.
    """
    from livedetect.errors import SettingsError

    if compare is not None and (target is None or "://" in target):
        raise SettingsError("--compare needs a recorded session: livedetect view SESSION --compare")
    if target is not None and "://" not in target and not Path(target).is_dir():
        raise SettingsError(
            f"{target!r} is neither an endpoint such as tcp://127.0.0.1:5591 nor the directory "
            "of a recorded session"
        )
    asked = [*filter(None, [target]), *(["--compare", str(compare)] if compare else [])]
    # in a process of its own: windows and their libraries stay out of this one
    done = subprocess.run(viewer_command(*asked), check=False)  # noqa: S603
    raise typer.Exit(done.returncode if done.returncode >= 0 else 1)
