"""How a session ended, as a value and in words for the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from livedetect.errors import LivedetectError
from livedetect.stream.ledger import Ledger

FEWEST_WARM_UP_FRAMES = 3
"""That `Settings.warm_up_frames` allows."""

Status = Literal["success", "abort", "fail"]
Reason = Literal["source_ended", "frames", "idle_timeout", "command", "interrupted", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How a session ended."""

    status: Status
    """success, abort (interrupted) or fail."""
    reason: Reason
    """What ended it."""
    message: str
    """For the user, empty if there is nothing to say."""
    ledger: Mapping[str, int]
    """Counts by name, see `Ledger`."""
    latency_ms: Mapping[str, float | None]
    """p50, p95 and max from arrival to result, ms."""
    session_id: str
    """Unique, hexadecimal."""
    faults: tuple[str, ...] = ()
    """Sinks and taps that failed on the way, a line each."""
    not_taken: Mapping[str, int] = field(default_factory=dict)
    """Messages of the source that gave no frame of the analysed channel, see `ManyChannels`."""


def failure(part: str, last_frame: int, error: Exception) -> str:
    """What to tell the user when `part` (source, analysis) failed after `last_frame`."""
    where = f"after frame {last_frame}" if last_frame >= 0 else "before the first frame was done"
    said = str(error) if isinstance(error, (LivedetectError, OSError)) else repr(error)
    return f"The {part} failed {where}: {said}"


def nothing_usable(ledger: Ledger) -> bool:
    """Frames came, and every one of them was turned away as unreadable or not to be trusted."""
    refused = ledger.fate("invalid") + ledger.fate("suspect")
    return refused > 0 and refused == ledger.received - ledger.fate("duplicate")


def nothing_came(reason: Reason, ledger: Ledger) -> bool:
    """The run waited for frames to its end, and not a single one came."""
    return reason in _NO_FRAME and not ledger.received


def last_word(reason: Reason, ledger: Ledger, warm_up_frames: int) -> str:
    """What to tell the user when a session that came to its end has scored nothing, else ``""``."""
    if reason == "interrupted" or ledger.fate("scored"):
        return ""
    if not ledger.received:
        return f"{_NO_FRAME.get(reason, 'No frame came')}: nothing was analysed."
    done = ledger.fate("warm_up")
    rejected = ledger.received - done - ledger.counts()["pending"] - ledger.fate("integrated")
    turned_away = f"; {rejected} frames were turned away, see the reasons above" if rejected else ""
    if done >= warm_up_frames:
        said = f"no frame came after the {done} warm-up frames"
    else:
        said = f"{done} of the {warm_up_frames} warm-up frames could be used"
    advice = _advice(done) if done or not rejected else ""
    return f"Nothing was scored: {said}{turned_away}.{advice}"


def _advice(frames: int) -> str:
    """How a stream of so few usable frames can be analysed after all."""
    if frames <= FEWEST_WARM_UP_FRAMES:
        return f" Give more frames: {FEWEST_WARM_UP_FRAMES + 1} are the fewest that can be judged."
    fewer = max(FEWEST_WARM_UP_FRAMES, frames // 2)
    return (
        f" Give more frames, or learn the crystal from fewer of them: --set warm_up_frames={fewer} "
        f"leaves {frames - fewer} to be judged, with less certainty."
    )


_NO_FRAME = {
    "idle_timeout": "No frame came within the idle time; does the source send, and to this "
    "address or folder? A longer --idle-timeout waits longer",
    "source_ended": "No frame came from the source",
}
