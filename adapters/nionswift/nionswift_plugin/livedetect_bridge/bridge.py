"""The bridge: taps, sender, column, results and markers put together.

Threads: Swift's acquisition threads only append frames; ``livedetect-frames`` sends them;
``livedetect-column`` reads the column; ``livedetect-results`` follows the engine and is the one
that blanks the beam, so that neither a busy window nor a slow frame delays it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nionswift_plugin.livedetect_bridge import frames, markers, swift, wire
from nionswift_plugin.livedetect_bridge.alarm import Alarm, AlarmWatch, Duty, Guard
from nionswift_plugin.livedetect_bridge.column import Column, Reading
from nionswift_plugin.livedetect_bridge.results import CannotFollowError, ResultsLink
from nionswift_plugin.livedetect_bridge.sender import CannotListenError, FrameSender, names_of
from nionswift_plugin.livedetect_bridge.settings import BridgeSettings
from nionswift_plugin.livedetect_bridge.tap import ScanTap, TappedFrame

MARKER_PERIOD_S = 0.2
MAX_PLACES = 256
MAX_ACTIONS = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a frame is shown in Swift."""

    device: str
    """Id of the scan device."""
    data_channel: str | None
    """Id of the channel."""
    pixel_nm: float | None
    """Width of its pixels, nm."""
    complete_s: float
    """When it was complete, on the monotonic clock, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeStatus:
    """One look at the bridge, for the panel."""

    streaming: bool
    """Frames are published."""
    trouble: str
    """Why not, if that was wanted."""
    endpoint: str
    """Where they are published."""
    listeners: int
    """Programs that take them."""
    counts: Mapping[str, int]
    """seen, sent, dropped, torn, unsuitable, fault: what became of completed frames."""
    engine: str
    """Phase of the engine; empty while it is silent."""
    markers: int
    """Rings on the live image."""
    duty: Duty
    """Whether an alarm is acted on."""
    last_action: str
    """The last that was done or told, for people."""


class Bridge:
    """Everything between Swift and livedetect; methods may be called from any thread."""

    def __init__(self, settings: BridgeSettings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._counting = threading.Lock()
        self._taps: dict[str, ScanTap] = {}
        self._past: Counter[str] = Counter()
        self._sender: FrameSender | None = None
        self._link: ResultsLink | None = None
        self._trouble = ""
        self._streams: dict[tuple[str, str], str] = {}
        self._places: OrderedDict[tuple[str, str], Place] = OrderedDict()
        self._watch = AlarmWatch()
        self.guard = Guard()
        """Arming."""
        self.actions: list[str] = []
        """What was done, newest last."""
        self.timings: list[Mapping[str, float]] = []
        """Per result: ms from the completed frame to the result, and to the beam blanked."""
        self._latest: tuple[Mapping[str, Any], Place] | None = None
        self._undrawn = False
        self._drawing = threading.Event()
        self._drawn_s = float("-inf")
        self._ringed: list[Any] = []
        self._marker_count = 0
        self._alone = False
        self.column = Column(settings)
        """Reads values, blanks the beam."""
        self.column.on_reading = self._on_reading
        self.column.start()
        self._listeners = swift.watch_devices(self._device_added, self._device_removed)
        for device in swift.scan_devices():
            self._device_added(device)
        if settings.stream_at_start:
            self.start()

    # -- what the operator does ------------------------------------------------------------

    @property
    def settings(self) -> BridgeSettings:
        """As they are now."""
        return self._settings

    def change(self, **values: Any) -> None:
        """Change settings; addresses take effect at the next start."""
        self._settings = self.column.settings = self._settings.with_values(values)
        if values.get("markers") is False:
            self.remove_markers()

    def start(self) -> bool:
        """Publish frames and follow the engine; False and `status().trouble` if that fails."""
        with self._lock:
            if self._sender is not None:
                return True
            try:
                self._sender = FrameSender(self._settings, self._describe)
                self._link = ResultsLink(self._settings, self._on_message)
            except (CannotListenError, CannotFollowError) as error:
                _log.warning("livedetect: %s", error)
                self.stop()
                self._trouble = str(error)
                return False
            self._trouble = ""
            return True

    def stop(self) -> None:
        """Publish no more, follow the engine no more; the alarm is disarmed."""
        with self._lock:
            sender, link = self._sender, self._link
            self._sender = self._link = None
            self._trouble = ""
        self.guard.arm(armed=False)
        if sender is not None:
            sender.close()
            self._add_past(sender.counts)
        if link is not None:
            link.close()

    def arm(self, *, armed: bool) -> None:
        """Arm or disarm the alarm, for this session only; refused while nothing is streamed."""
        if armed and self._sender is None:
            self._act("not armed: start streaming first")
            return
        self.guard.arm(armed=armed)
        self._act("alarm armed" if armed else "alarm disarmed")
        if armed and self._watch.raised:
            self._act("the alarm is raised already: only the next one is acted on")

    def remove_markers(self) -> None:
        """Take all rings off."""
        swift.on_main_thread(self._clear)

    def close(self) -> None:
        """Let go of everything; Swift is closing."""
        self.stop()
        for listener in self._listeners:
            listener.close()
        for device_id in list(self._taps):
            self._taps.pop(device_id).close()
        self.column.close()

    def status(self) -> BridgeStatus:
        """How things are."""
        sender, link = self._sender, self._link
        return BridgeStatus(
            streaming=sender is not None,
            trouble=self._trouble,
            endpoint=sender.endpoint if sender else self._settings.frames,
            listeners=sender.listeners if sender else 0,
            counts=self.counts(),
            engine=link.phase if link and link.heard else "",
            markers=self._marker_count,
            duty=self.guard.duty,
            last_action=self.actions[-1] if self.actions else "",
        )

    def counts(self) -> Counter[str]:
        """What became of completed frames.

        seen = sent + dropped + torn + unsuitable + unsent + fault + waiting, at rest.
        """
        sender = self._sender
        total = Counter(self._past)
        if sender is not None:
            total.update(sender.counts)
            total["waiting"] = sender.waiting
        for tap in list(self._taps.values()):
            total.update({k: n for k, n in tap.counts.items() if k != "taken"})
        return total

    # -- frames: on Swift's acquisition threads, then on the sender's -----------------------

    def _device_added(self, device: Any) -> None:
        if swift.is_scan(device):
            with self._lock:
                tap = ScanTap(device, self._on_frame)
                self._taps[tap.device_id] = tap

    def _device_removed(self, device: Any) -> None:
        tap = self._taps.pop(str(getattr(device, "hardware_source_id", "")), None)
        if tap is not None:
            tap.close()
            self._add_past({k: n for k, n in tap.counts.items() if k != "taken"})

    def _add_past(self, counts: Mapping[str, int]) -> None:
        with self._counting:
            self._past.update(counts)

    def _on_frame(self, frame: TappedFrame) -> None:
        sender = self._sender
        if sender is None or not sender.put(self._stream(frame), frame):
            with self._counting:
                self._past["unsent"] += 1

    def _stream(self, frame: TappedFrame) -> str:
        with self._counting:  # two devices may scan their first frames at the same time
            return names_of(self._streams, frame.device, frame.channel)

    def _describe(self, frame: TappedFrame, seq: int) -> wire.FrameHeader:
        header = frames.header(frame, seq, self.column.reading)
        scale, _, units = header.cal[1]
        self._places[self._stream(frame), frame.scan_id] = Place(
            device=frame.device,
            data_channel=frame.data_channel,
            pixel_nm=scale if units == "nm" else None,
            complete_s=frame.mono_ns / 1e9,
        )
        while len(self._places) > MAX_PLACES:
            self._places.popitem(last=False)
        return header

    # -- results: on the link's thread -----------------------------------------------------

    def _on_message(self, message: Mapping[str, Any]) -> None:
        alarm = self._watch.raised_by(message)
        timing = self._timing(message)
        if alarm is not None:
            self._obey(alarm, timing)
        if timing:
            self.timings.append(timing)
            del self.timings[:-10_000]
        if self._settings.markers:
            self._show(message)

    def _place(self, message: Mapping[str, Any]) -> Place | None:
        origin = message.get("origin") or {}
        return self._places.get((str(origin.get("stream")), str(origin.get("scan_id"))))

    def _timing(self, message: Mapping[str, Any]) -> dict[str, float]:
        place = self._place(message)
        if place is None:
            return {}
        happened = any(str(e.get("event", "")).startswith("defect_") for e in message["events"])
        ms = 1e3 * (time.monotonic() - place.complete_s)
        return {"frame": float(message["frame"]), "result_ms": ms, "event": float(happened)}

    def _obey(self, alarm: Alarm, timing: dict[str, float]) -> None:
        action = self.guard.action(self._settings.action, alarm.asked)
        if action == "notify":
            state = "" if self.guard.duty is Duty.ARMED else f" ({self.guard.duty.value})"
            self._act(f"alarm in frame {alarm.frame}: {alarm.text}{state}", loud=True)
            return
        done = self.column.blank()
        if timing and done.confirmed:
            timing["blanked_ms"] = timing["result_ms"] + done.took_ms
        self._act(f"alarm in frame {alarm.frame}: {alarm.text}; {done.text}", loud=True)
        if done.confirmed:
            self.guard.tripped()
            if action == "blank_and_stop" and not swift.on_main_thread(self._stop_scans):
                self._act("the scan was not stopped: Swift has no window", loud=True)
        elif action == "blank_and_stop":
            # a stopped scan may park a focused probe on the specimen
            self._act("the scan goes on, which does least harm with the beam on", loud=True)

    def _stop_scans(self) -> None:
        stopped = swift.stop_scans()
        self._act("scan stopped after the beam was blanked" if stopped else "nothing was scanned")

    def _act(self, text: str, *, loud: bool = False) -> None:
        self.actions.append(f"{time.strftime('%H:%M:%S')} {text}")
        del self.actions[:-MAX_ACTIONS]
        (_log.critical if loud else _log.info)("livedetect: %s", text)
        link = self._link
        if link is not None:
            link.note(text)
        if loud:
            swift.on_main_thread(lambda: swift.tell(text))

    def _watch_engine(self) -> None:
        """An alarm that is armed and hears no engine protects nothing: that must be said."""
        link = self._link
        alone = self.guard.duty is Duty.ARMED and (link is None or not link.heard)
        if alone and not self._alone:
            self._act("armed, but no engine is heard: NOTHING WATCHES THE SPECIMEN", loud=True)
        self._alone = alone

    def _on_reading(self, reading: Reading) -> None:
        self._watch_engine()
        if self.guard.beam_seen(blanked=reading.blanked):
            self._act("the beam was switched on: alarm armed again")

    # -- markers: asked for on the link's thread, drawn on Swift's main thread --------------

    def _show(self, message: Mapping[str, Any]) -> None:
        place = self._place(message) if message["kind"] == "result" else None
        if place is not None:
            self._latest, self._undrawn = (message, place), True
        if self._undrawn and time.monotonic() - self._drawn_s >= MARKER_PERIOD_S:
            self._ask_to_draw()

    def _ask_to_draw(self) -> None:
        if self._drawing.is_set():  # the main thread is busy: it will draw what is latest then
            return
        self._drawing.set()
        if not swift.on_main_thread(self._draw):
            self._drawing.clear()

    def _draw(self) -> None:
        self._drawing.clear()
        latest = self._latest
        if latest is None or not self._settings.markers:
            return
        self._drawn_s, self._undrawn = time.monotonic(), False
        message, place = latest
        item = swift.display_item(place.device, place.data_channel)
        if item is None:
            return
        height, width = message["origin"]["shape"]
        count = markers.draw(item, wire.tracks(message), (height, width), place.pixel_nm)
        self._marker_count = count
        if item not in self._ringed:
            self._ringed.append(item)

    def _clear(self) -> None:
        self._latest = None
        for item in self._ringed:
            if not item._closed:
                markers.clear(item)
        self._ringed.clear()
        self._marker_count = 0


def quietly(action: Callable[[], None]) -> None:
    """Run `action` at Swift's shutdown, where nothing may be raised."""
    try:
        action()
    except Exception:  # noqa: BLE001 - Swift goes on closing
        _log.exception("livedetect: while closing")
