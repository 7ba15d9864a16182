"""What napari's menus and its command palette call; each works on the current viewer."""

from __future__ import annotations

from typing import Any

LIVE_DOCK = "Live defects"


def watch() -> Any:
    """Open the dock of the live view; returns it."""
    viewer = _current_viewer()
    return viewer.window.add_plugin_dock_widget("livedetect", LIVE_DOCK)[1]


def open_session() -> None:
    """Ask for a session directory and show it."""
    _dock().choose_session()


def compare_session() -> None:
    """Ask for another analysis and lay it over the session."""
    _dock().choose_other()


def next_event() -> None:
    """Go to the next frame in which something was announced."""
    _dock().view.go_to_event(1)


def previous_event() -> None:
    """Go to the last frame before in which something was announced."""
    _dock().view.go_to_event(-1)


def _dock() -> Any:
    from livedetect.viewer.recorded_program import show_session  # noqa: PLC0415

    return show_session(_current_viewer())


def _current_viewer() -> Any:
    import napari  # noqa: PLC0415

    viewer = napari.current_viewer()
    if viewer is None:
        raise RuntimeError("there is no napari window: open one first")
    return viewer
