"""napari's reader for session directories: dropped on the window, or through ``viewer.open``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from livedetect.errors import LivedetectError
from livedetect.stream.session_files import SESSION_FILE
from livedetect.viewer.napari_seam import found_layer
from livedetect.viewer.recorded_layers import image_options, image_role
from livedetect.viewer.recorded_session import RecordedSession
from livedetect.viewer.recorded_stack import FrameStack

LayerData = tuple[Any, dict[str, Any], str]
MAX_POINTS = 200_000
"""More markers than this in all frames together are shown where they were announced only."""

_TRIES, _TRY_MS = 100, 100


def session_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """A reader if `path` is a session directory, else None, as npe2 wants it."""
    if not isinstance(path, str) or not (Path(path) / SESSION_FILE).is_file():
        return None
    return read_session


def read_session(path: str | Sequence[str]) -> list[LayerData]:
    """Lazy frames and the markers of each frame; in a window the dock opens beside them.

    Raises `OSError` (a `SourceError`) for a session that cannot be read, saying what to do.
    """
    directory = Path(path if isinstance(path, str) else path[0])
    session = RecordedSession(directory)
    images: list[LayerData] = [
        (stack, image_options(stack), "image") for stack in session.stacks.values()
    ]
    if not images:
        raise LivedetectError(f"{directory} holds no frames yet")
    if _open_dock_soon(directory, list(session.stacks.values())):
        return images
    return [*images, _points(session)]


def _points(session: RecordedSession) -> LayerData:
    """Markers (t, y, x) of all frames, for viewers without a window of ours."""
    places: list[tuple[int, float, float]] = []
    for step in range(len(session.timeline.steps)):
        held = session.timeline.held_at(step)
        places += [(step, y, x) for x, y in held.values()]
        if len(places) > MAX_POINTS:
            places = _announced(session)
            break
    options = {
        "name": "defects",
        "face_color": "transparent",
        "border_color": "#E69F00",
        "border_width": 0.12,
        "size": 16,
        "ndim": 3,
    }
    return np.array(places, dtype=np.float64).reshape(-1, 3), options, "points"


def _announced(session: RecordedSession) -> list[tuple[int, float, float]]:
    told = session.timeline.defects.values()
    step_near = session.timeline.step_near
    return [(step_near(event["frame"]), event["y_px"], event["x_px"]) for event in told]


def _open_dock_soon(directory: Path, stacks: Sequence[FrameStack]) -> bool:
    """Open the dock once napari has added the layers; False without a window."""
    try:
        import napari  # noqa: PLC0415 - a reader without windows does not need it
        from qtpy.QtCore import QTimer  # noqa: PLC0415
        from qtpy.QtWidgets import QApplication  # noqa: PLC0415
    except ImportError:
        return False
    viewer = napari.current_viewer()
    if viewer is None or QApplication.instance() is None:
        return False
    from livedetect.viewer.recorded_program import show_session  # noqa: PLC0415

    roles = [image_role(stack) for stack in stacks]

    def open_dock(tries: int = _TRIES) -> None:
        if all(found_layer(viewer, role) is not None for role in roles):
            show_session(viewer, str(directory))
        elif tries > 0:
            # napari adds layers one by one, and looks after the window in between
            QTimer.singleShot(_TRY_MS, lambda: open_dock(tries - 1))

    QTimer.singleShot(_TRY_MS, open_dock)
    return True
