"""What an alarm rule would have done so far. No Qt here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livedetect.settings import AlarmSettings
from livedetect.stream.alarm import Alarm, Sample
from livedetect.types import Phase

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
    history: Mapping[str, Any],
    area_nm2: float | None,
) -> DryRun:
    """Play `alarm` the run so far as the engine would have seen it.

    Parameters
    ----------
    alarm : the rule.
    history : ``series``, ``events`` and ``stride``, see `RunHistory.snapshot`.
    area_nm2 : what is watched now, nm²; None without a pixel size.
    """
    rule = Alarm(alarm)
    values: list[float] = []
    first: int | None = None
    for frame, sample in _samples(history, area_nm2):
        if rule.follow(sample) and first is None:
            first = frame
        if sample.is_live and rule.value is not None:
            values.append(rule.value)
    return DryRun(frame=first, highest=max(values, default=None))


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


def _samples(history: Mapping[str, Any], area_nm2: float | None) -> Iterator[tuple[int, Sample]]:
    """Each kept point of the run with what happened since the one before."""
    series = history["series"]
    happened = _Happened(history["events"])
    for at, frame in enumerate(series["frame"]):
        births, regions_nm2, area_id = happened.until(frame)
        phase, disposition = _of(series, "phase", at), _of(series, "disposition", at)
        known_area = _of(series, "area_id", at)
        yield (
            int(frame),
            Sample(
                area_id=area_id if known_area is None else known_area,
                is_live=phase in (None, Phase.LIVE),
                active=series["active"][at],
                watched_nm2=area_nm2,
                dose_e_per_A2=series["dose_e_per_A2"][at],
                scored_frames=history.get("stride", 1) * (disposition in (None, "scored")),
                births=births,
                regions_nm2=regions_nm2,
            ),
        )


def _of(series: Mapping[str, Sequence[Any]], name: str, at: int) -> Any:
    """A value of a column that not every engine tells."""
    return series[name][at] if name in series else None


class _Happened:
    """Events, taken in up to one frame after another."""

    def __init__(self, events: Sequence[Mapping[str, Any]]) -> None:
        self._events = sorted(events, key=lambda event: event["frame"])
        self._at = self._area_id = 0

    def until(self, frame: int) -> tuple[int, dict[int, float], int]:
        """Births and regions (nm² by region_id) since the last call, and the area of `frame`."""
        births = 0
        regions_nm2: dict[int, float] = {}
        while self._at < len(self._events) and self._events[self._at]["frame"] <= frame:
            event = self._events[self._at]
            self._at += 1
            area_id = event.get("area_id", self._area_id)
            if area_id != self._area_id:
                self._area_id, births = area_id, 0
                regions_nm2.clear()
            births += event["event"] == "defect_confirmed"
            if event["event"] == "region_confirmed" and event.get("area_nm2") is not None:
                regions_nm2[event.get("region_id", -self._at)] = float(event["area_nm2"])
        return births, regions_nm2, self._area_id


def in_words(rule: str | None, limit: float | None) -> str:
    """A rule in a few words."""
    if not rule or rule == "none" or limit is None:
        return "no alarm"
    return f"{limit:g} {RULE_WORDS.get(rule, rule)}"
