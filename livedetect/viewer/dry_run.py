"""What an alarm rule would have done so far. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.settings import AlarmSettings
from livedetect.stream.alarm import RATE_FRAMES, RATE_FRAMES_MIN

_DEED = {"stop_scan": "stopped the scan", "blank": "blanked"}
RULE_WORDS = {
    "none": "no alarm",
    "count": "defects",
    "density": "defects per nm²",
    "rate": "defects per 1000 e/Å²",
    "region_area": "area of regions, nm²",
}
_UNITS = {
    "count": "defects",
    "density": "per nm²",
    "rate": "per 1000 e/Å²",
    "region_area": "nm²",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """How a rule would have fared on the run so far."""

    frame: int | None
    """First frame at which it would have been met."""
    highest: float | None
    """Largest value that was reached; None: it cannot be evaluated here."""


def dry_run(
    alarm: AlarmSettings,
    series: Mapping[str, Sequence[Any]],
    events: Sequence[Mapping[str, Any]],
    area_nm2: float | None,
) -> DryRun:
    """Evaluate `alarm` over the counts and events of a run; `area_nm2` is what is watched."""
    frames = np.asarray(series["frame"], float)
    values = _values(alarm.rule, frames, series, events, area_nm2)
    if values is None or not np.isfinite(values).any():
        return DryRun(frame=None, highest=None)
    met = np.flatnonzero((values >= alarm.limit) & (values > 0))
    first = int(frames[met[0]]) if len(met) else None
    return DryRun(frame=first, highest=float(np.nanmax(values)))


def told(alarm: AlarmSettings, found: DryRun) -> str:
    """The outcome in a sentence."""
    if alarm.rule == "none":
        return "No rule: no alarm."
    if found.highest is None:
        return "This rule cannot be tried here: dose or pixel size is unknown, or nothing has come."
    deed = _DEED.get(alarm.action, "raised the alarm")
    if found.frame is not None:
        return f"Would have {deed} at frame {found.frame}."
    return (
        f"Would not have {deed} so far: the highest was {found.highest:.3g} {_UNITS[alarm.rule]}."
    )


def _values(
    rule: str,
    frames: NDArray[np.float64],
    series: Mapping[str, Sequence[Any]],
    events: Sequence[Mapping[str, Any]],
    area_nm2: float | None,
) -> NDArray[np.float64] | None:
    if not len(frames):
        return None
    active = np.asarray(series["active"], float)
    if rule == "count":
        return active
    if rule == "density":
        return active / area_nm2 if area_nm2 else None
    if rule == "rate":
        return _rate(frames, series, events)
    if rule == "region_area":
        regions = [event for event in events if event["event"] == "region_confirmed"]
        areas = [event.get("area_nm2") or 0.0 for event in regions]
        at = [event["frame"] for event in regions]
        begun = _begun(frames, events)
        return _counted(frames, at, areas) - _counted(begun - 0.5, at, areas)
    return None


def _rate(
    frames: NDArray[np.float64],
    series: Mapping[str, Sequence[Any]],
    events: Sequence[Mapping[str, Any]],
) -> NDArray[np.float64] | None:
    dose = np.array([np.nan if value is None else value for value in series["dose_e_per_A2"]])
    if np.isfinite(dose).sum() < 2:
        return None
    born = [event["frame"] for event in events if event["event"] == "defect_confirmed"]
    total = _counted(frames, born, [1.0] * len(born))
    begun = np.searchsorted(frames, _begun(frames, events))
    before = np.maximum(np.searchsorted(frames, frames - RATE_FRAMES), begun)
    gained = dose - dose[before]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = 1000.0 * (total - total[before]) / gained
    enough = frames - frames[before] >= RATE_FRAMES_MIN
    return np.where(enough & (gained > 0), rate, np.nan)


def _begun(frames: NDArray[np.float64], events: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """First frame of the area that each of `frames` belongs to; the engine counts from there."""
    starts, area = [float(frames[0])], 0
    for event in events:
        if event.get("area_id", area) != area:
            area = event["area_id"]
            starts.append(float(event["frame"]))
    return np.asarray(starts)[np.searchsorted(starts, frames, side="right") - 1]


def _counted(
    frames: NDArray[np.float64], at: Sequence[int], amounts: Sequence[float]
) -> NDArray[np.float64]:
    """Sum of `amounts` up to each of `frames`."""
    order = np.argsort(at, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(amounts, float)[order])])
    places = np.searchsorted(np.asarray(at, float)[order], frames, side="right")
    return np.asarray(sums[places])


def in_words(rule: str | None, limit: float | None) -> str:
    """A rule in a few words."""
    if not rule or rule == "none" or limit is None:
        return "no alarm"
    return f"{limit:g} {RULE_WORDS.get(rule, rule)}"
