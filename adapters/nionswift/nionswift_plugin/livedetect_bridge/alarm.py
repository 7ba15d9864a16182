"""When to act on the engine's alarm: pure, it touches neither column nor sockets.

An alarm is acted on when it is raised, never while it lasts: an operator who switches the beam on
again after an alarm must be able to work. Arming is explicit and ends with the session.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ASKED = {"none": "notify", "notify": "notify", "blank": "blank", "stop_scan": "blank_and_stop"}


class Duty(StrEnum):
    """Whether an alarm is acted on."""

    DISARMED = "not armed"
    ARMED = "armed"
    TRIPPED = "beam blanked by the alarm"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that was raised just now."""

    frame: int
    """Index of its frame."""
    asked: str
    """The engine's ``alarm.action``."""
    text: str
    """Rule, value and limit, for people."""


class AlarmWatch:
    """Finds in the engine's messages the moments at which the alarm is raised."""

    def __init__(self) -> None:
        self._epoch = ""
        self._raised = False
        self._seen_flag = False
        self.raised = False
        """The engine's flag, as heard last."""

    def raised_by(self, message: Mapping[str, Any]) -> Alarm | None:
        """The alarm that `message` raises, or None.

        The event says it. If the event was lost, the flag that is set without one says it too.
        """
        if message["epoch"] != self._epoch:
            self._epoch, self._raised, self._seen_flag = message["epoch"], False, False
        flags = message.get("flags")
        self.raised = flag = bool(flags.get("alarm")) if isinstance(flags, dict) else False
        found = [event for event in message["events"] if event.get("event") == "alarm"]
        if found:
            self._raised, self._seen_flag = True, flag
            return _from_event(found[-1])
        if flag and not self._raised:
            self._raised = self._seen_flag = True
            return Alarm(int(message["frame"]), "none", "the alarm is raised")
        if flag:
            self._seen_flag = True
        elif self._seen_flag:  # the flag of the very message that brings the event may lag behind
            self._raised = self._seen_flag = False
        return None


def _from_event(event: Mapping[str, Any]) -> Alarm:
    frame = event.get("frame")
    text = f"{event.get('rule')} = {_short(event.get('value'))}, limit {_short(event.get('limit'))}"
    return Alarm(frame if isinstance(frame, int) else -1, str(event.get("action", "none")), text)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "unknown"


class Guard:
    """The state of arming; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._duty = Duty.DISARMED

    @property
    def duty(self) -> Duty:
        """As it is now."""
        return self._duty

    def arm(self, *, armed: bool) -> None:
        """The operator arms or disarms."""
        with self._lock:
            self._duty = Duty.ARMED if armed else Duty.DISARMED

    def action(self, wanted: str, asked: str) -> str:
        """What to do about an alarm: ``notify``, ``blank`` or ``blank_and_stop``.

        `wanted` is the operator's setting, `asked` the engine's.
        """
        if self._duty is Duty.DISARMED:
            return "notify"
        return ASKED.get(asked, "notify") if wanted == "as_asked" else wanted

    def tripped(self) -> None:
        """The beam was blanked; a guard that was disarmed meanwhile stays so."""
        with self._lock:
            if self._duty is Duty.ARMED:
                self._duty = Duty.TRIPPED

    def beam_seen(self, *, blanked: bool | None) -> bool:
        """The column was read; True if that arms again, because somebody switched the beam on."""
        with self._lock:
            again = self._duty is Duty.TRIPPED and blanked is False
            if again:
                self._duty = Duty.ARMED
            return again
