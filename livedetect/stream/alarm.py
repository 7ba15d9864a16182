"""The alarm rule: one event whenever the specimen crosses the operator's limit.

Pure: it remembers what the rule needs of each frame, nothing else. The engine follows
`Alarm.update`; whoever wants to know what a rule would have done plays the same `Alarm`
(`Alarm.follow`) what is known of the frames. The rules:

- ``count``: defects held now, those of the first frames included;
- ``density``: the same per nm² of the watched area;
- ``rate``: defects confirmed per 1000 e/Å² over the last `RATE_FRAMES` scored frames;
- ``region_area``: total area of the regions confirmed on this place of the specimen, nm².

The alarm is raised at the limit and re-armed below `REARM` of it, so that a value that
hovers around the limit gives one event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from livedetect.settings import AlarmSettings
from livedetect.types import DefectEvent, FrameResult, NoticeEvent, Phase, RegionEvent

REARM = 0.9
RATE_FRAMES = 20
RATE_FRAMES_MIN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What an alarm rule may need to know of a frame."""

    area_id: int = 0
    """Place on the specimen."""
    is_live: bool = True
    """The engine is in the live phase; outside it nothing is raised."""
    active: int = 0
    """Defects held."""
    watched_nm2: float | None = None
    """Area in which defects can be found, nm²; None without a pixel size."""
    dose_e_per_A2: float | None = None  # noqa: N815 - the unit is written so
    """Cumulative incident fluence of the area, e/Å²."""
    scored_frames: int = 1
    """Frames that it stands for and that were scored; 0 if it was turned away."""
    births: int = 0
    """Defects confirmed in them."""
    regions_nm2: Mapping[int, float] = field(default_factory=dict)
    """Area of each region confirmed in them, nm², by region_id."""


@dataclass(frozen=True, slots=True)
class _Scored:
    number: int
    dose_e_per_A2: float | None  # noqa: N815 - the unit is written so
    births: int


class Alarm:
    """Evaluates one alarm rule, frame by frame."""

    def __init__(self, settings: AlarmSettings) -> None:
        self._settings = settings
        self._raised = False
        self._value: float | None = None
        self._area_id = 0
        self._scored: deque[_Scored] = deque()
        self._regions_nm2: dict[int, float] = {}
        self._early_births = 0

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
        """
        return self._event(result) if self.follow(_sample(result, watched_nm2)) else None

    def follow(self, sample: Sample) -> bool:
        """Take in what is known of a frame; True if it crosses the limit."""
        self._remember(sample)
        if not sample.is_live:
            return False
        self._value = self._measure(sample)
        return self._crosses(self._value)

    def _crosses(self, value: float | None) -> bool:
        limit = self._settings.limit
        if value is None or (self._raised and value < REARM * limit):
            self._raised = False
        was_raised = self._raised
        if value is not None and value > 0 and value >= limit:
            self._raised = True
        return self._raised and not was_raised

    def _remember(self, sample: Sample) -> None:
        if sample.area_id != self._area_id:
            self._area_id = sample.area_id
            self._scored.clear()
            self._regions_nm2.clear()
            self._early_births = 0
        self._regions_nm2.update(sample.regions_nm2)
        # what was told before its frame was complete counts with the frame
        self._early_births += sample.births
        if not sample.scored_frames:
            return
        births, self._early_births = self._early_births, 0
        before = self._scored[-1].number if self._scored else 0
        number = before + sample.scored_frames
        self._scored.append(_Scored(number, sample.dose_e_per_A2, births))
        while len(self._scored) > 2 and number - self._scored[0].number > RATE_FRAMES:
            self._scored.popleft()

    def _measure(self, sample: Sample) -> float | None:
        if self._settings.rule == "count":
            return float(sample.active)
        if self._settings.rule == "density":
            return sample.active / sample.watched_nm2 if sample.watched_nm2 else None
        if self._settings.rule == "rate":
            return self._rate_per_1000_e_per_A2()
        if self._settings.rule == "region_area":
            return sum(self._regions_nm2.values())
        return None

    def _rate_per_1000_e_per_A2(self) -> float | None:  # noqa: N802 - the unit is written A
        if not self._scored:
            return None
        first, last = self._scored[0], self._scored[-1]
        if last.number - first.number < RATE_FRAMES_MIN:
            return None
        if first.dose_e_per_A2 is None or last.dose_e_per_A2 is None:
            return None
        gained = last.dose_e_per_A2 - first.dose_e_per_A2
        births = sum(scored.births for scored in list(self._scored)[1:])
        return 1000.0 * births / gained if gained > 0 else None

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


def _sample(result: FrameResult, watched_nm2: float | None) -> Sample:
    regions = (event for event in result.events if isinstance(event, RegionEvent))
    return Sample(
        area_id=result.area_id,
        is_live=result.phase is Phase.LIVE,
        active=len(result.active_tracks),
        watched_nm2=watched_nm2,
        dose_e_per_A2=result.dose_e_per_A2,
        scored_frames=int(result.disposition == "scored"),
        births=_births(result),
        regions_nm2={of.region_id: of.area_nm2 for of in regions if of.area_nm2 is not None},
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
