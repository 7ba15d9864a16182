"""The viewer as a program of its own: a napari window with the live view."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from livedetect.errors import SettingsError
from livedetect.loading import without_collecting
from livedetect.stream.endpoints import DEFAULT_ENDPOINT, parse_endpoint
from livedetect.viewer.display import display_problem

_SIZE = (1280, 800)
_NAPARI_DOCKS = ("layer list", "layer controls")


def run_program(arguments: Sequence[str]) -> int:
    """``python -m livedetect.viewer [ENDPOINT | SESSION]``; returns the exit code."""
    if arguments and Path(arguments[0]).is_dir():
        from livedetect.viewer.recorded_program import run_session_program  # noqa: PLC0415

        return run_session_program(arguments)
    if len(arguments) > 1 or any(word.startswith("-") for word in arguments):
        sys.stderr.write("usage: python -m livedetect.viewer [ENDPOINT | SESSION]\n")
        return 2
    return main(*arguments)


def main(endpoint: str = DEFAULT_ENDPOINT) -> int:
    """Show the engine at `endpoint` until the window is closed; returns the exit code.

    1 without a display or without napari, 2 for a malformed endpoint; both with a message.
    """
    try:
        parse_endpoint(endpoint)
    except SettingsError as error:
        return _refuse(str(error), 2)
    problem = display_problem()
    if problem is not None:
        return _refuse(problem, 1)
    with without_collecting():
        import napari  # noqa: PLC0415 - needs a display, which has just been looked for

        close_on_signals(open_window(endpoint))
    napari.run()
    return 0


def close_on_signals(viewer: Any) -> None:
    """Ctrl-C and SIGTERM close the window as its own button does."""
    from qtpy.QtCore import QTimer  # noqa: PLC0415

    def close_soon(_number: int, _frame: FrameType | None) -> None:
        # Python runs this between two steps of some slot, which must not lose its widget
        QTimer.singleShot(0, viewer.close)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, close_soon)


def new_window(title: str) -> Any:
    """A napari viewer that fits on a small screen."""
    import napari  # noqa: PLC0415

    viewer = napari.Viewer(title=title)
    viewer.window.resize(*_SIZE)
    return viewer


def close_at_once(viewer: Any, widget: Any) -> None:
    """Let the window's own button close it: nothing is lost, so napari need not ask.

    `widget` is a dock of the window.
    """
    from qtpy.QtCore import QEvent, QObject, QTimer  # noqa: PLC0415

    class Closing(QObject):  # type: ignore[misc]  # Qt comes without types
        def eventFilter(self, _watched: Any, event: Any) -> bool:  # noqa: N802 - Qt's name
            if event.type() != QEvent.Type.Close or not event.spontaneous():
                return False
            event.ignore()
            QTimer.singleShot(0, viewer.close)  # which napari does not ask about
            return True

    window = widget.window()
    window.installEventFilter(Closing(window))


def open_window(endpoint: str) -> Any:
    """A napari viewer with the live view docked at its right."""
    from livedetect.viewer.live_widget import LiveWidget  # noqa: PLC0415

    viewer = new_window("livedetect")
    widget = LiveWidget(viewer, endpoint)
    viewer.window.add_dock_widget(widget, name="Live defects", area="right", tabify=False)
    make_room(widget)
    close_at_once(viewer, widget)
    return viewer


def make_room(widget: Any) -> None:
    """Hide napari's own docks: the operator needs the image; the menu Window has them."""
    from qtpy.QtWidgets import QDockWidget  # noqa: PLC0415

    for dock in widget.window().findChildren(QDockWidget):
        if dock.windowTitle() in _NAPARI_DOCKS or dock.objectName() in _NAPARI_DOCKS:
            dock.hide()


def _refuse(message: str, code: int) -> int:
    sys.stderr.write(f"livedetect: {message}\n")
    return code
