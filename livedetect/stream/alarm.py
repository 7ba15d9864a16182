"""The alarm rule: one event whenever the specimen crosses the operator's limit.

Pure: it sees results and remembers what the rule needs, nothing else. The rules:

- ``count``: defects held now, those of the first frames included;
- ``density``: the same per nm² of the watched area;
- ``rate``: defects confirmed per 1000 e/Å² over the last `RATE_FRAMES` scored frames;
- ``region_area``: total area of the regions confirmed on this place of the specimen, nm².

The alarm is raised at the limit and re-armed below `REARM` of it, so that a value that
hovers around the limit gives one event.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from livedetect.settings import AlarmSettings
from livedetect.types import DefectEvent, FrameResult, NoticeEvent, Phase, RegionEvent

REARM = 0.9
RATE_FRAMES = 20
RATE_FRAMES_MIN = 5


class Alarm:
    """Evaluates one alarm rule, frame by frame."""

    def __init__(self, settings: AlarmSettings) -> None:
        self._settings = settings
        self._raised = False
        self._value: float | None = None
        self._area_id = 0
        self._births: deque[tuple[float | None, int]] = deque(maxlen=RATE_FRAMES + 1)
        self._regions_nm2: dict[int, float] = {}
        self._early = 0  # confirmed before their frame was complete

    @property
    def settings(self) -> AlarmSettings:
        """The rule that is followed now."""
        return self._settings

    @property
    def raised(self) -> bool:
        """The rule is met now."""
        return self._raised

    @property
    def value(self) -> float | None:
        """What was last compared with the limit, in the limit's unit; None if unknown."""
        return self._value

    def change(self, settings: AlarmSettings) -> None:
        """Follow another rule from the next frame on; what was learnt so far is kept."""
        self._settings = settings
        self._raised = False
        self._value = None

    def update(self, result: FrameResult, watched_nm2: float | None) -> NoticeEvent | None:
        """Take in `result`; the `alarm` event if its frame crosses the limit.

        `watched_nm2` is the area in which defects can be found, None without a pixel size.
        Nothing is raised outside the live phase.
        """
        self._remember(result)
        if result.phase is not Phase.LIVE:
            return None
        self._value = self._measure(result, watched_nm2)
        crossed = self._crosses(self._value)
        return self._event(result) if crossed else None

    def _crosses(self, value: float | None) -> bool:
        limit = self._settings.limit
        if value is None or (self._raised and value < REARM * limit):
            self._raised = False
        was_raised = self._raised
        if value is not None and value > 0 and value >= limit:
            self._raised = True
        return self._raised and not was_raised

    def _remember(self, result: FrameResult) -> None:
        if result.area_id != self._area_id:
            self._area_id = result.area_id
            self._births.clear()
            self._regions_nm2.clear()
        for event in result.events:
            if isinstance(event, RegionEvent) and event.area_nm2 is not None:
                self._regions_nm2[event.region_id] = event.area_nm2
        self._early += _births(result)
        if result.disposition == "scored":
            self._births.append((result.dose_e_per_A2, self._early))
        if result.disposition != "none":
            self._early = 0

    def _measure(self, result: FrameResult, watched_nm2: float | None) -> float | None:
        if self._settings.rule == "count":
            return float(len(result.active_tracks))
        if self._settings.rule == "density":
            return len(result.active_tracks) / watched_nm2 if watched_nm2 else None
        if self._settings.rule == "rate":
            return self._rate_per_1000_e_per_A2()
        if self._settings.rule == "region_area":
            return sum(self._regions_nm2.values())
        return None

    def _rate_per_1000_e_per_A2(self) -> float | None:  # noqa: N802 - the unit is written A
        if len(self._births) <= RATE_FRAMES_MIN:
            return None
        first, last = self._births[0][0], self._births[-1][0]
        if first is None or last is None or last <= first:
            return None
        births = sum(count for _, count in list(self._births)[1:])
        return 1000.0 * births / (last - first)

    def _event(self, result: FrameResult) -> NoticeEvent:
        return NoticeEvent(
            event="alarm",
            frame=result.frame,
            time_s=result.time_s,
            area_id=result.area_id,
            segment_id=result.segment_id,
            dose_e_per_A2=result.dose_e_per_A2,
            values={
                "rule": self._settings.rule,
                "limit": self._settings.limit,
                "value": self._value,
                "action": self._settings.action,
            },
        )


def watched_area_nm2(
    shape: tuple[int, ...], result: FrameResult, pixel_area_nm2: float | None
) -> float | None:
    """Area of a frame of `shape` (y, x) in which defects can be found, nm².

    The whole frame where the engine does not say what it watches; None without a pixel size.
    """
    if pixel_area_nm2 is None:
        return None
    pixels = float(shape[0] * shape[1])
    if result.watched is not None:
        pixels = min(pixels, float(np.count_nonzero(result.watched)) * result.watched_block_px**2)
    return pixels * pixel_area_nm2


def _births(result: FrameResult) -> int:
    return sum(
        isinstance(event, DefectEvent) and event.event == "defect_confirmed"
        for event in result.events
    )
