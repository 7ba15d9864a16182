"""How the session is doing, and how commands reach it.

A sink that wants to know has a method ``on_status``; the session calls it from the loop
thread, after a result and at least once a second, and it must not block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from livedetect.types import Command, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """One look at the running session."""

    frame: int = -1
    """Index of the latest frame with a result; -1 before the first."""
    phase: Phase = Phase.WAITING
    """Of the engine."""
    ledger: Mapping[str, int] = field(default_factory=dict)
    """Counts by name, see `Ledger`; ``missing`` are the frames lost on the way."""
    frames_per_s: float = 0.0
    """Frames analysed per second, recently."""
    latency_ms: Mapping[str, float | None] = field(default_factory=dict)
    """p50, p95 and max of the run, from arrival to result, ms."""
    last_latency_ms: float | None = None
    """Of the latest frame, ms; None before the first."""
    alarm: bool = False
    """The alarm rule holds."""
    alarm_value: float | None = None
    """What is compared with the alarm's limit, in its unit; None if not known."""
    stale: bool = False
    """No frame has come for too long."""


@runtime_checkable
class StatusSink(Protocol):
    """A sink that wants to know how the session is doing."""

    def on_status(self, status: SessionStatus) -> None:
        """Take note of `status`; must not block."""
        ...


@runtime_checkable
class CommandSource(Protocol):
    """Where commands of operators come from, for example the publisher."""

    def poll(self) -> Sequence[Command]:
        """The commands that have come since the last call; must not block."""
        ...
