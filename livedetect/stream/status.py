"""How the session is doing, told to every sink that wants to know.

A sink takes part by having a method ``on_status(status: EngineStatus) -> None``; the
session calls it from the loop thread, after a result and at least once a second, and it
must not block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """One look at the running session."""

    ledger: Mapping[str, int] = field(default_factory=dict)
    """Counts of the ledger: received, warm_up, scored, invalid, ..., pending, missing, sent."""
    stale: bool = False
    """No frame has come for longer than the source's own rhythm allows."""
    alarm: bool = False
    """The alarm rule holds."""
    alarm_message: str = ""
    """One line on the alarm, for example ``would have blanked at frame 120``."""
    fps: float = 0.0
    """Frames analysed per second, over the last few seconds."""
    latency_ms: float | None = None
    """From the arrival of a frame to its result, recent median, ms; None before the first."""
    source: str = ""
    """Name of the source."""
    lost_frames: int = 0
    """Frames the source sent (or knows of) that never arrived; not those a display skips."""
