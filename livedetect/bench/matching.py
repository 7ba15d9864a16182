"""Which event belongs to which defect.

The rules, in the order in which an event meets them:

1. It is a hit if it lies within the match radius (or within the radius of a growing defect)
   of a defect present in its frame that nothing has hit yet; the nearest one counts.
2. It is a duplicate, which costs nothing, if every defect that near has been hit before.
3. It is a satellite, neither hit nor false, if it lies in the area that a birth changed:
   up to 0.8 column distances beyond the defect's extent, at least 1.6 of them.
4. Otherwise it is false.

In a stream with a growing domain an event at most one column distance outside it is a hit,
the first one gives the delay, further ones are duplicates.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from livedetect.bench.truth import REGION_BLOCK_PX, Truth
from livedetect.types import TrueDefect


@dataclass(slots=True)
class Life:
    """One defect through the stream."""

    birth_frame: int
    """First frame that shows it."""
    kind: str
    """The truth's kind."""
    last_in_view: int = -1
    """Last frame in which it is far enough from the edge."""
    frames_in_view: int = 0
    """Number of such frames."""
    snr2: list[float] = field(default_factory=list)
    """Information of the known signal per frame, d'², where the truth says it."""

    @property
    def median_snr2(self) -> float:
        """Typical information per frame, d'²; infinite where it is not known."""
        return float(np.median(self.snr2)) if self.snr2 else math.inf

    def demanded(self, delay: int, frame_count: int) -> bool:
        """Whether it stayed in view long enough to be asked for."""
        lived = self.last_in_view - self.birth_frame
        stayed = lived >= delay or self.last_in_view >= frame_count - 2
        return (
            stayed
            and self.frames_in_view > min(delay, 3)
            and self.frames_in_view >= min(lived, delay)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """The first event on a defect."""

    delay: int
    """Frames from birth to event."""
    event: Mapping[str, Any]
    """The event itself."""
    distance_px: float | None
    """From a point defect to the event, px; None for what is extended."""


@dataclass(slots=True)
class Matches:
    """Where the events went."""

    hits: dict[int, Hit] = field(default_factory=dict)
    """The first event on each defect that was found."""
    false_events: list[Mapping[str, Any]] = field(default_factory=list)
    """Events that belong to nothing."""
    satellites: int = 0
    """Events in the area changed by a birth."""
    duplicates: int = 0
    """Further events on a defect already hit."""

    @property
    def delays(self) -> dict[int, int]:
        """Frames from birth to event, by defect."""
        return {number: hit.delay for number, hit in self.hits.items()}

    @property
    def distances_px(self) -> list[float]:
        """From event to point defect, px, one per hit."""
        known = (hit.distance_px for hit in self.hits.values())
        return [distance for distance in known if distance is not None]

    @property
    def false(self) -> int:
        """Number of events that belong to nothing."""
        return len(self.false_events)


def lives_of(defects: Iterable[TrueDefect]) -> dict[int, Life]:
    """Gather the frames of each defect, by its number."""
    lives: dict[int, Life] = {}
    for defect in defects:
        life = lives.setdefault(
            defect.defect_id, Life(birth_frame=defect.birth_frame, kind=defect.kind)
        )
        if defect.in_view:
            life.last_in_view = max(life.last_in_view, defect.frame)
            life.frames_in_view += 1
        if defect.snr2 is not None:
            life.snr2.append(defect.snr2)
    return lives


def match(truth: Truth, lives: Mapping[int, Life], events: Iterable[Mapping[str, Any]]) -> Matches:
    """Give each event (JSON form, in the order of frames) to a defect, or call it false."""
    present: dict[int, list[TrueDefect]] = defaultdict(list)
    for defect in truth.defects:
        present[defect.frame].append(defect)
    matches = Matches()
    for event in events:
        if truth.region is not None:
            _match_domain(truth, lives, matches, event)
        else:
            _match_point(truth, matches, present.get(int(event["frame"]), []), event)
    return matches


def place_of(event: Mapping[str, Any]) -> tuple[int, float, float]:
    """Frame, x and y (px of that frame) of an event."""
    return int(event["frame"]), float(event["x_px"]), float(event["y_px"])


def _match_point(
    truth: Truth,
    matches: Matches,
    present: Iterable[TrueDefect],
    event: Mapping[str, Any],
) -> None:
    frame, x_px, y_px = place_of(event)
    distances = {d: math.hypot(x_px - d.x_px, y_px - d.y_px) for d in present}
    near = {d: r for d, r in distances.items() if r <= max(truth.match_radius_px, d.radius_px)}
    new = {d: r for d, r in near.items() if d.defect_id not in matches.hits}
    if new:
        nearest = min(new, key=lambda d: (new[d], d.defect_id))
        matches.hits[nearest.defect_id] = Hit(
            delay=frame - nearest.birth_frame,
            event=event,
            distance_px=new[nearest] if nearest.radius_px == 0 else None,
        )
    elif near:
        matches.duplicates += 1
    elif any(r <= _changed_px(truth, d) for d, r in distances.items()):
        matches.satellites += 1
    else:
        matches.false_events.append(event)


def _changed_px(truth: Truth, defect: TrueDefect) -> float:
    """Radius of the area that a birth changes, px."""
    return max(1.6 * truth.neighbour_px, defect.extent_px + 0.8 * truth.neighbour_px)


def _match_domain(
    truth: Truth,
    lives: Mapping[int, Life],
    matches: Matches,
    event: Mapping[str, Any],
) -> None:
    domain = min(lives, default=0)
    place = place_of(event)
    if _outside_px(truth, place) > truth.neighbour_px:
        matches.false_events.append(event)
    elif domain in matches.hits:
        matches.duplicates += 1
    else:
        delay = place[0] - lives[domain].birth_frame
        matches.hits[domain] = Hit(delay=delay, event=event, distance_px=None)


def _outside_px(truth: Truth, place: tuple[int, float, float]) -> float:
    """Distance of a place from the domain of its frame, px; infinite while there is none."""
    frame, x_px, y_px = place
    if truth.region is None or frame >= len(truth.region):
        return math.inf
    domain = truth.region[frame] > 0
    if not domain.any():
        return math.inf
    distance = ndimage.distance_transform_edt(~domain) * REGION_BLOCK_PX
    block = np.round([y_px / REGION_BLOCK_PX, x_px / REGION_BLOCK_PX]).astype(int)
    row, column = np.clip(block, 0, np.array(domain.shape) - 1)
    return float(distance[row, column])
