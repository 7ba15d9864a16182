"""The file system's events: a hint that makes looking faster, never a source of truth."""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from watchdog.events import (
    FileClosedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

_log = logging.getLogger(__name__)
_NETWORK_TYPES = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "fuse.",
    "ceph",
    "glusterfs",
    "lustre",
    "virtiofs",
)
_DRIVE_REMOTE = 4
_GLANCE_S = 0.05


class Wake(FileSystemEventHandler):
    """Watches one folder while it is entered as a context.

    Without events (network file systems, no inotify watches left) it only waits.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._happened = threading.Event()
        # what falls out is found complete by its size and time a moment later
        self._closed: deque[str] = deque(maxlen=10_000)
        self._observer: Any = None

    def start(self) -> None:
        """Begin to watch, where the file system reports changes."""
        if is_network(self._folder):
            _log.info("%s is on a network: polling", self._folder)
            return
        observer = Observer()
        try:
            observer.schedule(self, str(self._folder))
            observer.start()
        except (OSError, RuntimeError) as error:
            _log.warning("no file events for %s (%s): polling", self._folder, error)
            return
        self._observer = observer

    def stop(self) -> None:
        """End the watching thread; may be called more than once."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Take note; called on watchdog's thread."""
        if isinstance(event, FileMovedEvent):
            self._closed.append(_name(event.dest_path))
        elif isinstance(event, FileClosedEvent):
            self._closed.append(_name(event.src_path))
        elif event.event_type not in ("created", "modified", "deleted"):
            return  # opening and reading is what we do ourselves
        self._happened.set()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Return when something happened, when `stop` is set, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if stop.wait(_GLANCE_S) or self._happened.is_set():
                break
        self._happened.clear()

    def take_closed(self) -> list[str]:
        """Names closed or renamed since the last call."""
        return [self._closed.popleft() for _ in range(len(self._closed))]


def is_network(folder: Path) -> bool:
    """Whether `folder` lies on a file system that does not report other computers' writes."""
    if sys.platform == "win32":
        return _is_windows_share(folder)
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    fields = [line.split() for line in lines]
    mounts = {Path(entry[1].replace("\\040", " ")): entry[2] for entry in fields if len(entry) > 2}
    resolved = folder.resolve()
    parent = next((p for p in (resolved, *resolved.parents) if p in mounts), None)
    return parent is not None and mounts[parent].startswith(_NETWORK_TYPES)


def _is_windows_share(folder: Path) -> bool:
    anchor = str(folder.resolve().anchor)
    kernel32: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 - exists on Windows only
    return anchor.startswith("\\\\") or kernel32.GetDriveTypeW(anchor) == _DRIVE_REMOTE


def _name(path: bytes | str) -> str:
    return Path(path.decode() if isinstance(path, bytes) else path).name
