"""Taking a copy of every completed frame of a scan device, on its acquisition thread.

What was learnt about Swift, and what follows from it here:

- the buffer of a completed frame is overwritten by the next one: it is copied at once;
- whoever is slow in the callback slows the microscope: it copies, appends and returns;
- whoever raises in it silences all later listeners: everything is caught, counted, logged;
- listeners are weak: they are kept;
- after an abort a half scanned frame comes as ``complete``: it is never passed on;
- a view that is started while a record runs cuts the record short in the same way, unannounced;
- an abort may be told after the frame that it cuts short, and after a stop it is not told at all;
  Swift's tasks know better than its events (see `is_cut_short`);
- frames are numbered anew at every start: a frame is known by its ``scan_id``;
- a record, a subscan or another channel arrives at the same event in another shape.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from nionswift_plugin.livedetect_bridge.wire import WireError, sendable

REMEMBERED_CALLS = 1000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TappedFrame:
    """A frame as it was taken over; whatever costs time is found out later, by `frames`."""

    device: str
    """Id of the scan device."""
    channel: str
    """Name of the channel, for example HAADF."""
    data_channel: str | None
    """Id of the channel that the display belongs to; a subscan has its own."""
    scan_id: str
    """The same for all channels of one scan."""
    pixels: NDArray[Any]
    """(H, W) copy, ours alone."""
    source: Any
    """Swift's data and metadata; its pixels are no longer those of this frame."""
    t_ns: int
    """When it was taken over, UTC, ns."""
    mono_ns: int
    """The same on the monotonic clock, ns."""


class AbortWatch:
    """Knows which completed frame is a torn one; called from several threads.

    An aborted task emits at most one scan afterwards, and it does not say that rows are missing.
    So the scan that is heard of next is not to be trusted, until the device starts anew or
    another scan begins.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._suspicious = False
        self._scan_id: str | None = None

    def aborted(self) -> None:
        """The device was aborted."""
        with self._lock:
            self._suspicious, self._scan_id = True, None

    def started(self) -> None:
        """The device starts anew."""
        with self._lock:
            self._suspicious = False

    def is_torn(self, scan_id: str) -> bool:
        """Whether the scan that is just heard of belongs to what was aborted."""
        with self._lock:
            if not self._suspicious:
                return False
            if self._scan_id is None:
                self._scan_id = scan_id
            self._suspicious = self._scan_id == scan_id
            return self._suspicious


class ScanTap:
    """Listens to one scan device until `close`.

    Parameters
    ----------
    device : a scan hardware source of Swift.
    take : called with every completed frame; must return at once.
    """

    def __init__(self, device: Any, take: Callable[[TappedFrame], None]) -> None:
        self.device = device
        self.device_id = str(device.hardware_source_id)
        self.counts: Counter[str] = Counter()
        """seen, taken, torn, unsuitable, fault: what became of completed frames."""
        self.busy_ms: deque[float] = deque(maxlen=REMEMBERED_CALLS)
        """How long the acquisition thread was held up by the latest completed frames, ms."""
        self.watch = AbortWatch()
        self._take = take
        self._listeners = [
            device.data_channel_updated_event.listen(self._updated),
            device.data_channel_start_event.listen(self._started),
            device.abort_event.listen(self._aborted),
            device.acquisition_state_changed_event.listen(self._tasks_changed),
        ]
        self._recording = bool(device.is_recording)

    def close(self) -> None:
        """Listen no more."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    # -- from here on: on threads of Swift, where nothing may be raised --------------------

    def _aborted(self, *_: Any) -> None:
        self.watch.aborted()

    def _started(self, *_: Any) -> None:
        self.watch.started()

    def _tasks_changed(self, *_: Any) -> None:
        try:
            recording, playing = bool(self.device.is_recording), bool(self.device.is_playing)
        except Exception:  # noqa: BLE001 - the device may be closing
            return
        if self._recording and recording and playing:
            self.watch.aborted()
        self._recording = recording

    def _updated(self, channel: Any, source: Any) -> None:
        begun_ns = time.perf_counter_ns()
        try:
            self._take_over(channel, source)
        except Exception:  # noqa: BLE001 - an exception here would silence Swift's own listeners
            self.counts["fault"] += 1
            if self.counts["fault"] == 1:
                _log.exception("livedetect: a frame of %s could not be taken", self.device_id)
        if getattr(channel, "state", None) == "complete":
            self.busy_ms.append((time.perf_counter_ns() - begun_ns) / 1e6)

    def _take_over(self, channel: Any, source: Any) -> None:
        scan_id = str(source.metadata.get("scan", {}).get("scan_id", ""))
        complete = channel.state == "complete"
        self.counts["seen"] += complete
        torn = self.watch.is_torn(scan_id)  # asked of every part: it learns which scan it is
        if not complete:
            return
        if torn or is_cut_short(self.device):
            self.counts["torn"] += 1
            return
        try:
            pixels = sendable(source.data)
        except WireError:
            self.counts["unsuitable"] += 1
            return
        self.counts["taken"] += 1
        self._take(
            TappedFrame(
                device=self.device_id,
                channel=channel_name(self.device, channel),
                data_channel=channel.data_channel_id,
                scan_id=scan_id,
                pixels=pixels,
                source=source,
                t_ns=time.time_ns(),
                mono_ns=time.monotonic_ns(),
            )
        )


def is_cut_short(device: Any) -> bool:
    """Whether the frame that `device` is just completing was aborted; on its acquisition thread.

    A task is marked as aborted before the scan is halted, and so before its frame is completed;
    a view that waits to be started has halted the record that runs. Swift shows its tasks to
    nobody; where a later one hides them elsewhere, its events have to do.
    """
    tasks = getattr(device, "_ConcreteHardwareSource__tasks", {})
    view, record = tasks.get("view"), tasks.get("record")
    if view is not None and record is not None and not view.is_started:
        return True
    return any(getattr(task, "_AcquisitionTask__aborted", False) for task in (view, record))


def channel_name(device: Any, channel: Any) -> str:
    """Name of the detector channel, the same for a scan and its subscans."""
    letter = channel.channel_id or ""
    if channel.data_channel_id != letter and len(letter) == 1:
        index = ord(letter) - ord("a")
        if 0 <= index < device.scan_device.channel_count:
            return str(device.scan_device.get_channel_name(index))
    return str(channel.name or channel.data_channel_id or "scan")
