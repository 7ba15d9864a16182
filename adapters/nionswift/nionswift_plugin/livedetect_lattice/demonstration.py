"""Swift scans the lattice by itself, for ``livedetect demo --nion`` with a window."""

from __future__ import annotations

import functools
import threading
from typing import Any

from nionswift_plugin import livedetect_bridge
from nionswift_plugin.livedetect_bridge import panel, swift
from nionswift_plugin.livedetect_lattice import usim

PERIOD_S = 0.5
PATIENCE_S = 120.0


def begin(size: int) -> None:
    """Wait in a thread until there is a window and a listener, then arm and scan."""
    threading.Thread(target=_await, args=[size], name="livedetect-demo", daemon=True).start()


def _await(size: int) -> None:
    pause = threading.Event()
    opened = False
    for _ in range(int(PATIENCE_S / PERIOD_S)):
        pause.wait(PERIOD_S)
        bridge, device = livedetect_bridge.running, usim.device()
        if bridge is None or device is None or swift.window() is None:
            continue
        if not opened:
            opened = swift.on_main_thread(_open_panel)
        if bridge.status().listeners:
            bridge.arm(armed=True)
            swift.on_main_thread(functools.partial(_scan, device, size))
            _await_picture(device)
            return


def _open_panel() -> None:
    for dock in swift.window().workspace_controller.dock_panels:
        if dock.panel_id == panel.PANEL_ID:
            dock.dock_widget.show()


def _scan(device: Any, size: int) -> None:
    usim.set_scan(device, 0, size)
    device.start_playing()


def _await_picture(device: Any) -> None:
    shown = threading.Event()
    for _ in range(int(PATIENCE_S / PERIOD_S)):
        swift.on_main_thread(functools.partial(_show, device, shown))
        if shown.wait(PERIOD_S):
            return


def _show(device: Any, shown: threading.Event) -> None:
    """Put the live image into the middle of the window, once there is one."""
    item = swift.display_item(device.hardware_source_id, "a")
    if item is not None and not shown.is_set():
        window = swift.window()
        place = window.selected_display_panel or window.workspace_controller.display_panels[0]
        place.set_display_panel_display_item(item)
        shown.set()
