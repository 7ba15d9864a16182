"""The one place that knows where Swift keeps its windows, display items and scan devices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from nion.instrumentation import HardwareSource
from nion.swift import Application, DocumentController
from nion.swift.model import Notification

_log = logging.getLogger(__name__)


def window() -> Any:
    """An open document window, None while there is none."""
    windows = Application.app.windows if Application.app else []
    documents = [w for w in windows if isinstance(w, DocumentController.DocumentController)]
    return documents[0] if documents else None


def on_main_thread(task: Callable[[], None]) -> bool:
    """Have `task` run by Swift's main thread, soon; False while Swift has no window."""

    def guarded() -> None:
        try:
            task()
        except Exception:  # noqa: BLE001 - Swift's other tasks must go on
            _log.exception("livedetect: a task in Swift failed")

    document_window = window()
    if document_window is None:
        return False
    document_window.queue_task(guarded)
    return True


def display_item(device_id: str, data_channel: str | None) -> Any:
    """Where a channel is shown, None before its first frame; on the main thread only."""
    document_window = window()
    if document_window is None:
        return None
    model = document_window.document_model
    data_item = model.get_data_item_channel_reference(device_id, data_channel).data_item
    return None if data_item is None else model.get_display_item_for_data_item(data_item)


def scan_devices() -> list[Any]:
    """The scan devices that are there now."""
    return [d for d in HardwareSource.HardwareSourceManager().hardware_sources if is_scan(d)]


def is_scan(device: Any) -> bool:
    """Whether a hardware source is a scan device, and no camera."""
    return bool(getattr(device, "features", {}).get("is_scanning"))


def watch_devices(added: Callable[[Any], None], removed: Callable[[Any], None]) -> list[Any]:
    """Have `added` and `removed` called with hardware sources; keep what is returned."""
    hardware = HardwareSource.HardwareSourceManager()
    return [
        hardware.hardware_source_added_event.listen(added),
        hardware.hardware_source_removed_event.listen(removed),
    ]


def stop_scans() -> int:
    """Stop whatever is scanned and say how many devices that were; on the main thread only."""
    scanning = [d for d in scan_devices() if d.is_recording or d.is_playing]
    for device in scanning:
        if device.is_recording:
            device.abort_recording()
        if device.is_playing:
            device.abort_playing()
    return len(scanning)


def tell(text: str) -> None:
    """Show `text` to the operator in Swift."""
    Notification.notify(
        Notification.Notification("livedetect.alarm", "⚠ livedetect", "Alarm", text)
    )
