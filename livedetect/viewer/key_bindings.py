"""Keys and menu of the live view: bound to the viewer, listed in the window's menu bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtWidgets import QMainWindow, QMenu, QWidget

from livedetect.viewer.actions import Action

MENU = "&Defects"
_MENU_NAME = "livedetect-menu"

Perform = Callable[[str], None]


def bind_keys(viewer: Any, actions: Sequence[Action], perform: Perform) -> None:
    """Let the keys of `actions` call `perform` with the name of the action."""
    for action in actions:
        viewer.bind_key(action.key, _bound(perform, action.name), overwrite=True)


def add_menu(widget: QWidget, actions: Sequence[Action], perform: Perform) -> None:
    """A menu in the window that holds `widget`; the one of an earlier dock is replaced."""
    window = widget.window()
    if not isinstance(window, QMainWindow):
        return
    bar = window.menuBar()
    for old in bar.findChildren(QMenu, _MENU_NAME):
        bar.removeAction(old.menuAction())
        old.deleteLater()
    menu = QMenu(MENU, bar)
    menu.setObjectName(_MENU_NAME)
    for action in actions:
        # the key is written, not bound, for napari has it already
        entry = menu.addAction(f"{action.title}\t{action.key}")
        entry.triggered.connect(_triggered(perform, action.name))
    bar.addMenu(menu)


def _bound(perform: Perform, name: str) -> Callable[[Any], None]:
    return lambda _viewer: perform(name)


def _triggered(perform: Perform, name: str) -> Callable[..., None]:
    return lambda _checked=False: perform(name)
