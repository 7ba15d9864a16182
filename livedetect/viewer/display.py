"""Whether windows can be shown here; Qt itself would abort the program without a word."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import os
import sys
import threading

from livedetect.installing import pip_install

TRIALS = 4
PAUSE_S = 0.25
"""A virtual X server begins anew, and is deaf meanwhile, when its last client has left."""


def display_problem() -> str | None:
    """What keeps the viewer from opening a window, as a sentence, or None."""
    missing = _missing()
    if missing:
        return f"the viewer needs {', '.join(missing)}: {pip_install('livedetect[viewer]')}"
    return _no_display()


def has_napari() -> bool:
    """The packages of the extra ``viewer`` are installed."""
    return not _missing()


def has_display() -> bool:
    """Windows can be shown; Windows and macOS always have a display."""
    return _no_display() is None


def _missing() -> list[str]:
    names = ("napari", "pyqtgraph", "qtpy")
    return [name for name in names if importlib.util.find_spec(name) is None]


def _no_display() -> str | None:
    if sys.platform in ("win32", "darwin") or os.environ.get("WAYLAND_DISPLAY"):
        return None
    display = os.environ.get("DISPLAY")
    if not display:
        return (
            "there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set. "
            "On a server use xvfb-run, or watch from a desktop through an SSH tunnel"
        )
    for _ in range(TRIALS):
        if _answers(display):
            return None
        threading.Event().wait(PAUSE_S)
    return f"the display {display} does not answer"


def _answers(display: str) -> bool:
    """Connect to the X server as Qt would; True where that cannot be tried."""
    library = ctypes.util.find_library("xcb")
    if library is None:
        return True
    xcb = ctypes.CDLL(library)
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return not failed
