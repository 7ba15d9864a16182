"""The viewer in a process of its own: whether there can be one, starting it, ending it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

from livedetect.errors import MissingExtraError
from livedetect.stream.programs import end_program
from livedetect.viewer.display import display_problem as display_problem  # noqa: PLC0414 - for commands
from livedetect.viewer.display import has_display as has_display  # noqa: PLC0414 - for commands
from livedetect.viewer.display import has_napari as has_napari  # noqa: PLC0414 - for commands

_READY_S = 45.0


def wants_view(view: bool | None) -> bool:
    """Decide on ``--view/--no-view``; raises `MissingExtraError` for a wish that cannot be met."""
    if view is False:
        return False
    problem = display_problem()
    if view and problem is not None:
        raise MissingExtraError(problem)
    return problem is None


def viewer_command(*arguments: str) -> list[str]:
    """The command line that starts the viewer."""
    return [sys.executable, "-m", "livedetect.viewer", *arguments]


class ViewerProgram:
    """A viewer that attaches to `endpoint`; it does not see the Ctrl-C of this terminal."""

    def __init__(self, endpoint: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            viewer_command(endpoint),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows
        )

    @property
    def running(self) -> bool:
        """Its window is open, or about to be."""
        return self._process.poll() is None

    def wait_until_attached(
        self, listening: Callable[[float], bool], stop: threading.Event
    ) -> bool:
        """Wait, up to 45 s, until `listening` (given seconds to wait) sees the viewer."""
        rounds = int(_READY_S / 0.2)
        for _ in range(rounds):
            if listening(0.2):
                return True
            if stop.is_set() or not self.running:
                return False
        return False

    def close(self) -> None:
        """End the viewer."""
        end_program(self._process)
