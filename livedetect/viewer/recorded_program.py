"""Recorded sessions in a window: as a program, and for the plugin's commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from livedetect.errors import LivedetectError
from livedetect.loading import without_collecting
from livedetect.viewer.display import display_problem

DOCK_NAME = "Recorded session"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"livedetect: {message}\n")
        raise SystemExit(2)


def run_session_program(arguments: Sequence[str]) -> int:
    """``python -m livedetect.viewer SESSION [--compare OTHER]``; returns the exit code.

    1 without a display, or if the session cannot be read; both with a message.
    """
    parser = _Parser(prog="livedetect view")
    parser.add_argument("session")
    parser.add_argument("--compare", metavar="OTHER")
    asked = parser.parse_args(arguments)
    problem = display_problem() or session_problem(asked.session, asked.compare)
    if problem is not None:
        sys.stderr.write(f"livedetect: {problem}\n")
        return 1
    with without_collecting():
        import napari  # noqa: PLC0415 - needs a display, which has just been looked for

        from livedetect.viewer.app import (  # noqa: PLC0415
            close_at_once,
            close_on_signals,
            make_room,
            new_window,
        )

        viewer = new_window(f"livedetect · {Path(asked.session).resolve().name}")
        dock = show_session(viewer, asked.session, asked.compare)
        make_room(dock)
        close_at_once(viewer, dock)
        close_on_signals(viewer)
    napari.run()
    return 0


def session_problem(session: str, other: str | None = None) -> str | None:
    """What keeps a session from being shown, as a sentence with what to do, or None."""
    from livedetect.viewer.recorded_overlay import OtherAnalysis  # noqa: PLC0415
    from livedetect.viewer.recorded_session import RecordedSession  # noqa: PLC0415

    try:
        found = RecordedSession(Path(session))
        if not found.stacks:
            return f"{session} holds no frames yet: try again when the first has come"
        if other is not None:
            OtherAnalysis(Path(other))
    except LivedetectError as error:
        return str(error)
    return None


def show_session(viewer: Any, session: str | None = None, other: str | None = None) -> Any:
    """Show a session in the dock of `viewer`, which is opened if need be; returns the dock."""
    from livedetect.viewer.recorded_widget import RecordedWidget  # noqa: PLC0415

    dock = docked(viewer)
    if dock is None:
        dock = RecordedWidget(viewer, session)
        viewer.window.add_dock_widget(dock, name=DOCK_NAME, area="right", tabify=False)
        dock.fit_soon()
    elif session is not None:
        dock.open(session)
    if other is not None:
        dock.compare(other)
    return dock


def docked(viewer: Any) -> Any:
    """The dock of recorded sessions that is open in `viewer`, or None."""
    from livedetect.viewer.recorded_widget import RecordedWidget  # noqa: PLC0415

    open_docks = viewer.window.dock_widgets.values()
    return next((dock for dock in open_docks if isinstance(dock, RecordedWidget)), None)
