"""What the bridge remembers between sessions, and what can be set from outside Swift."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nion.swift.model import ApplicationData

VARIABLE = "LIVEDETECT_BRIDGE"
"""Environment variable with settings as JSON; they win over the remembered ones."""
ACTIONS = ("as_asked", "notify", "blank", "blank_and_stop")
_KEY = "livedetect-bridge"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings:
    """Immutable; whether the alarm is armed is no setting, it is armed anew in every session."""

    frames: str = "tcp://127.0.0.1:5590"
    """Where frames are published (LDF/1)."""
    results: str = "tcp://127.0.0.1:5591"
    """Where the engine publishes its results (LDR/1)."""
    frames_key: str = ""
    """``producer.key`` of ``livedetect keys``, to publish beyond this computer."""
    results_key: str = ""
    """Key file for an engine whose results are encrypted."""
    stream_at_start: bool = False
    """Begin to stream when Swift starts."""
    markers: bool = True
    """Draw defects on the live image."""
    action: str = "as_asked"
    """What an alarm does while armed: one of `ACTIONS`."""
    blanker: str = "C_Blank"
    """Name of the blanker's control on this column."""
    blanked_value: float = 1.0
    """Value of the blanker's control with the beam off."""
    blank_timeout_ms: int = 1000
    """How long the blanker may take to confirm, ms."""
    beam_current: str = "BeamCurrent"
    """Name of the control that tells the probe current."""
    beam_current_pA: float = 1e12  # noqa: N815
    """Picoampere per unit of that control."""
    high_tension: str = "EHT"
    """Name of the control that tells the acceleration voltage."""
    high_tension_kv: float = 1e-3
    """Kilovolt per unit of that control."""
    values: Mapping[str, str] = field(
        default_factory=lambda: {"defocus": "C10", "convergence_angle": "ConvergenceAngle"}
    )
    """Further values to send with each frame: name, and name of the control on this column."""

    def with_values(self, values: Mapping[str, Any]) -> BridgeSettings:
        """A copy with `values` changed; what does not fit is told in the log and left out."""
        fitting = {}
        for name, value in values.items():
            if _fits(name, value):
                fitting[name] = value
            else:
                _log.warning("livedetect: setting %s=%r is not understood", name, value)
        return dataclasses.replace(self, **fitting)


def _fits(name: str, value: Any) -> bool:
    fields = {entry.name: entry for entry in dataclasses.fields(BridgeSettings)}
    if name not in fields:
        return False
    if name == "action":
        return value in ACTIONS
    if name == "values":
        return isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values())
    kind = type(fields[name].default)
    kinds = (int, float) if kind is float else (kind,)
    return isinstance(value, kinds) and isinstance(value, bool) == (kind is bool)


def _remembered() -> dict[str, Any]:
    values = ApplicationData.get_data().get(_KEY, {})
    return values if isinstance(values, dict) else {}


def load() -> BridgeSettings:
    """The remembered settings, with those of the environment on top."""
    settings = BridgeSettings().with_values(_remembered())
    text = os.environ.get(VARIABLE, "")
    if not text:
        return settings
    try:
        return settings.with_values(json.loads(text))
    except (ValueError, AttributeError):
        _log.warning("livedetect: %s holds no JSON object", VARIABLE)
        return settings


def remember(values: Mapping[str, Any]) -> None:
    """Remember `values` for later sessions, beside what is remembered already.

    Defaults are not written, nor is what the environment sets for this session only. Without effect
    if Swift's file cannot be written.
    """
    usual = dataclasses.asdict(BridgeSettings())
    known = {**_remembered(), **values}
    changed = {name: value for name, value in known.items() if value != usual.get(name)}
    try:
        ApplicationData.set_data({**ApplicationData.get_data(), _KEY: changed})
    except OSError:
        _log.warning("livedetect: the settings could not be written", exc_info=True)
