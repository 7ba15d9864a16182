"""What napari's menus and its command palette call; each works on the live dock of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livedetect.viewer.napari_seam import viewer_key
from livedetect.viewer.plugin_commands import watch

_DOCKS: dict[int, Any] = {}


def remember_dock(viewer: Any, widget: Any) -> None:
    """`widget` is the live dock of `viewer` now."""
    _DOCKS[viewer_key(viewer)] = widget


def forget_dock(key: int) -> None:
    """The dock of the viewer with this `viewer_key` has gone."""
    _DOCKS.pop(key, None)


def _command(name: str) -> Callable[[], None]:
    def perform() -> None:
        import napari  # noqa: PLC0415

        viewer = napari.current_viewer()
        widget = None if viewer is None else _DOCKS.get(viewer_key(viewer))
        (widget or watch()).perform(name)

    return perform


freeze = _command("freeze")
follow = _command("follow")
phases = _command("phases")
next_defect = _command("next_defect")
previous_defect = _command("previous_defect")
accept = _command("accept")
dismiss = _command("dismiss")
start_warm_up = _command("start_warm_up")
baseline = _command("baseline")
take_up_area = _command("return")
region = _command("region")
no_region = _command("no_region")
alarm = _command("alarm")
mute = _command("mute")
export = _command("export")
stop = _command("stop")
