"""The microscope's column: reading its values, and switching its beam off.

Reading may take its time on a real column, so a thread of our own does it; frames carry what was
read last. Nothing here ever switches the beam on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nion.utils import Registry

from nionswift_plugin.livedetect_bridge.settings import BridgeSettings

PERIOD_S = 0.25
_POLL_S = 0.01
_TOLERANCE = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Values of the column; None for what is not available."""

    current_pA: float | None = None  # noqa: N815
    """Probe current, pA."""
    high_tension_kv: float | None = None
    """Acceleration voltage, kV."""
    blanked: bool | None = None
    """Whether the beam is off."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Further values by the names of the settings."""


@dataclass(frozen=True, slots=True)
class Blanking:
    """How an attempt to switch the beam off went."""

    confirmed: bool
    """The column says that the beam is off."""
    took_ms: float
    """From the order to the answer, ms."""
    text: str
    """For the log and the operator."""


def find_column() -> Any:
    """Swift's controller of the column, None while there is none."""
    return Registry.get_component("stem_controller")


class Column:
    """Reads the column in a thread and can switch its beam off; `find` looks it up each time."""

    def __init__(self, settings: BridgeSettings, find: Callable[[], Any] = find_column) -> None:
        self.settings = settings
        """Names of the controls and what their values mean."""
        self._find = find
        self._closing = threading.Event()
        self.reading = Reading()
        """What was read last."""
        self.on_reading: Callable[[Reading], None] | None = None
        """Called in the reading thread with every reading."""
        self._thread = threading.Thread(target=self._run, name="livedetect-column", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; one that hangs in the column is left behind."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def read(self) -> Reading:
        """Ask the column now; raises nothing."""
        settings = self.settings
        current = self._value(settings.beam_current)
        volts = self._value(settings.high_tension)
        known = {name: self._value(control) for name, control in settings.values.items()}
        return Reading(
            current_pA=current and current * settings.beam_current_pA,
            high_tension_kv=volts and volts * settings.high_tension_kv,
            blanked=self.is_blanked(),
            values={name: value for name, value in known.items() if value is not None},
        )

    def is_blanked(self) -> bool | None:
        """Whether the beam is off; None if the column does not tell."""
        value = self._value(self.settings.blanker)
        if value is None:
            return None
        off = self.settings.blanked_value
        return abs(value - off) < 0.5 * (abs(off) or 1.0)

    def blank(self) -> Blanking:
        """Switch the beam off and ask whether it is; never raises, waits as long as settings say.

        With ``SetValAndConfirm`` where the column has it, else with ``SetVal``; either way the
        value is read back, because a promise is not a beam that is off.
        """
        begun_s = time.monotonic()
        column, settings = self._find(), self.settings
        if column is None:
            return Blanking(False, 0.0, "no column to blank")
        confirmed = self._order(column)
        deadline_s = begun_s + 1e-3 * settings.blank_timeout_ms
        blanked = self.is_blanked()
        while blanked is False and time.monotonic() < deadline_s:
            self._closing.wait(_POLL_S)
            blanked = self.is_blanked()
        took_ms = 1e3 * (time.monotonic() - begun_s)
        if blanked or (blanked is None and confirmed):
            self.reading = dataclasses.replace(self.reading, blanked=True)
            return Blanking(True, took_ms, f"beam blanked, confirmed after {took_ms:.1f} ms")
        return Blanking(False, took_ms, f"{settings.blanker} did not confirm: BEAM MAY BE ON")

    def _order(self, column: Any) -> bool:
        """Order it; True only if the column itself confirmed, which ``SetVal`` does not."""
        settings = self.settings
        orders: list[tuple[bool, Callable[[], Any]]] = [
            (
                True,
                lambda: column.SetValAndConfirm(
                    settings.blanker, settings.blanked_value, _TOLERANCE, settings.blank_timeout_ms
                ),
            ),
            (False, lambda: column.SetVal(settings.blanker, settings.blanked_value)),
        ]
        for confirms, order in orders:
            try:
                if order():
                    return confirms
            except Exception:  # noqa: BLE001 - the next way may work
                _log.exception("livedetect: %s could not be set", settings.blanker)
        return False

    def _value(self, control: str) -> float | None:
        column = self._find()
        if column is None or not control:
            return None
        with contextlib.suppress(Exception):
            known, value = column.TryGetVal(control)
            if known and value is not None:
                return float(value)
        return None

    def _run(self) -> None:
        while not self._closing.is_set():
            self.reading = self.read()
            try:
                if self.on_reading is not None:
                    self.on_reading(self.reading)
            except Exception:  # noqa: BLE001 - the column is read on, whatever became of this
                _log.exception("livedetect: a reading of the column could not be acted upon")
            self._closing.wait(PERIOD_S)
