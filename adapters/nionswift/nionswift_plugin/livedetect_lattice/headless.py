"""Nion Swift without a window: its real application, its real plug-ins, no Qt.

``python -m nionswift_plugin.livedetect_lattice.headless`` scans the lattice until its standard
input ends, and writes what happens to standard output, one JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nion.swift import Application, Facade
from nion.swift.test import TestContext
from nion.ui import TestUI

import nionswift_plugin

TICK_S = 0.01


class _Interface(TestUI.UserInterface):  # type: ignore[misc]
    """Nion's user interface for tests, with a place for files."""

    proxy = None

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = directory

    def get_data_location(self) -> str:
        return self._directory

    def get_document_location(self) -> str:
        return self._directory

    def get_temporary_location(self) -> str:
        return self._directory

    def get_configuration_location(self) -> Any:
        return Path(self._directory)


class HeadlessSwift:
    """Runs on the main thread, which must call `pump` often; `close` it or the process hangs."""

    def __init__(self, directory: str) -> None:
        Facade.initialize()
        self.app = Application.Application(_Interface(directory))
        self.app.initialize(use_root_dir=False)
        self._context = TestContext.MemoryProfileContext()
        profile = self._context.create_profile()
        profile.read_profile()
        project = profile.project_references[0]
        profile.read_project(project)
        self.model = project.document_model
        self.window = self.app.create_document_controller(self.model, "library")
        self.app._set_document_model(self.model)
        self._tick = threading.Event()

    def pump(self, until: Callable[[], Any], timeout_s: float) -> Any:
        """Let Swift live until `until` yields something true, which is returned; else None."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            self.window.periodic()
            found = until()
            if found:
                return found
            self._tick.wait(TICK_S)
        return None

    def close(self) -> None:
        """End Swift, plug-ins first."""
        self.window.close()
        self.app.deinitialize()


def main(arguments: list[str] | None = None) -> int:
    """Scan the lattice and tell what happens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256, help="edge of a frame, px")
    parser.add_argument("--pixel-time", type=float, default=1.0, help="µs")
    parser.add_argument("--action", default="blank", help="what an alarm does")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="livedetect-swift-") as directory:
        swift = HeadlessSwift(directory)
        try:
            play(swift, options)
        finally:
            swift.close()
    return 0


def play(swift: HeadlessSwift, options: argparse.Namespace) -> None:
    """Arm, scan, and report twice a second until standard input ends."""
    from nionswift_plugin import livedetect_bridge  # noqa: PLC0415 - loaded by Swift by now
    from nionswift_plugin.livedetect_lattice import usim  # noqa: PLC0415 - as above

    bridge, device = livedetect_bridge.running, usim.device()
    if bridge is None or device is None:
        raise RuntimeError(f"Swift did not load the plug-ins of {list(nionswift_plugin.__path__)}")
    ended = threading.Event()
    threading.Thread(target=_await_end, args=[ended], daemon=True).start()
    bridge.change(action=options.action)
    bridge.start()
    tell({"event": "ready", **_told(bridge.status()), "trouble": bridge.status().trouble})
    bridge.arm(armed=True)
    usim.set_scan(device, 0, options.size, options.pixel_time)
    swift.pump(lambda: bridge.status().listeners or ended.is_set(), 60.0)
    device.start_playing()
    while not ended.is_set():
        swift.pump(ended.is_set, 0.5)
        defects = len(usim.crystal().truth()["defects"])
        tell({"event": "status", "defects": defects, **_told(bridge.status())})
    device.abort_playing(sync_timeout=5.0)


def _told(status: Any) -> dict[str, Any]:
    return {
        "endpoint": status.endpoint,
        "listeners": status.listeners,
        "sent": status.counts.get("sent", 0),
        "dropped": status.counts.get("dropped", 0),
        "engine": status.engine,
        "markers": status.markers,
        "alarm": status.duty.value,
        "action": status.last_action,
    }


def tell(line: dict[str, Any]) -> None:
    """Write one JSON line; standard output may be gone."""
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.close(sys.stdout.fileno())


def _await_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
