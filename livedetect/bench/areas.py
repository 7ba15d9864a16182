"""Extended changes: when a region is announced, its outline, and how many markers come with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask

from livedetect.bench.answers import Answered, heads_of, yes
from livedetect.bench.matching import place_of
from livedetect.bench.pool import mean
from livedetect.bench.table import markdown, number
from livedetect.bench.truth import REGION_BLOCK_PX

REGION_CELLS = 12
"""Unit cells from which on a region is asked for."""
REGION_DELAY = 3
"""Frames within which it is asked for."""
OUTLINE_FLOOR = 0.6
"""Intersection over union that is asked for."""
TOUCHING = 0.05
"""Intersection over union above which a region belongs to the change."""
NEAR_PX = 16.0
"""Markers so near to the change belong to it, px."""

Event = Mapping[str, Any]


@runtime_checkable
class Alterable(Protocol):
    """A simulator that tells where the specimen is no longer the crystal."""

    def altered_area(self, index: int) -> NDArray[np.bool_]:
        """(H // 4, W // 4) True inside a domain, a hole or a line of frame `index`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueAreas:
    """Where a stream differs from the crystal."""

    simulator: Alterable
    """Who knows."""
    frames: int
    """Length of the stream."""
    cell_px2: float
    """Area of a unit cell, px²."""

    def at(self, frame: int) -> NDArray[np.bool_]:
        """(H // 4, W // 4) True inside."""
        return self.simulator.altered_area(frame)

    def cells(self, frame: int) -> float:
        """Area in unit cells."""
        return float(self.at(frame).sum()) * REGION_BLOCK_PX**2 / self.cell_px2

    def due(self) -> int | None:
        """First frame with more than 12 cells; None if there is none."""
        return next((t for t in range(self.frames) if self.cells(t) > REGION_CELLS), None)


def told_of(areas: TrueAreas, events: Sequence[Event]) -> dict[str, Any]:
    """What the events of a run say of the extended change, as plain values."""
    regions = [event for event in events if event["event"] == "region_confirmed"]
    overlaps = [(event, _overlap(areas, event)) for event in regions]
    own = [(event, iou) for event, iou in overlaps if iou > TOUCHING]
    due = areas.due()
    told: dict[str, Any] = {"due": due, "regions": len(own), "elsewhere": len(regions) - len(own)}
    if own:
        first, iou = own[0]
        number_of = first["region_id"]
        told |= {"confirmed": first["frame"], "iou": iou, "kind": first["kind"]}
        told["announced"] = sum(
            event.get("region_id") == number_of
            for event in events
            if event["event"] == "defect_confirmed"
        )
    return told | _points(areas, events, due)


def _overlap(areas: TrueAreas, event: Event) -> float:
    """Intersection over union of a region's outline and the true area of its frame."""
    true = areas.at(int(event["frame"]))
    outline = np.asarray(event["polygon_px"], float)[:, ::-1]
    inside = polygon2mask(true.shape, (outline + 0.5) / REGION_BLOCK_PX - 0.5)
    union = (true | inside).sum()
    return round(float((true & inside).sum() / union), 3) if union else 0.0


def _points(areas: TrueAreas, events: Sequence[Event], due: int | None) -> dict[str, int]:
    """Markers without a region: at the change while it was small and after, and away from it."""
    counts = {"points_before": 0, "points_at": 0, "points_away": 0}
    for event in events:
        if event["event"] != "defect_confirmed" or event.get("region_id") is not None:
            continue
        if _distance_px(areas, event) > NEAR_PX:
            counts["points_away"] += 1
        elif due is None or event["frame"] < due:
            counts["points_before"] += 1
        else:
            counts["points_at"] += 1
    return counts


def _distance_px(areas: TrueAreas, event: Event) -> float:
    frame, x_px, y_px = place_of(event)
    true = areas.at(frame)
    if not true.any():
        return math.inf
    distance = ndimage.distance_transform_edt(~true) * REGION_BLOCK_PX
    block = (np.array([y_px, x_px]) / REGION_BLOCK_PX).astype(int)
    row, col = np.clip(block, 0, np.array(true.shape) - 1)
    return float(distance[row, col])


POINTS = ("points_before", "points_at", "points_away")
SHOWER = 3
"""More markers than this of something that is no region yet are a shower."""
AREA_FIGURES = (
    "streams",
    "told of",
    "delay / frames",
    "IoU",
    "called",
    "regions",
    "elsewhere",
    "announced",
    "points before",
    "points at it",
    "points away",
    "holds",
)


def by_area(rows: Sequence[Answered]) -> str:
    """Delay after 12 unit cells, outline and markers of every kind of extended change.

    What is smaller than 12 cells is not asked to be a region: its first columns may be told
    as points.
    """
    return markdown(
        [*heads_of(rows), *AREA_FIGURES],
        [[*row.label.values(), *_area_figures(row)] for row in rows],
    )


def _area_figures(row: Answered) -> list[str]:
    told = [record.details["area"] for record in row.sound if "area" in record.details]
    due = [entry for entry in told if entry["due"] is not None]
    found = [entry for entry in due if "confirmed" in entry]
    delays = [entry["confirmed"] - entry["due"] for entry in found]
    sums = [sum(entry[key] for entry in told) for key in ("regions", "elsewhere")]
    points = [sum(entry[key] for entry in told) for key in POINTS]
    return [
        str(len(told)),
        f"{len(found)}/{len(due)}",
        ", ".join(map(str, delays)),
        number(mean([entry["iou"] for entry in found]), 2),
        ", ".join(sorted({entry["kind"] for entry in found})),
        *map(str, sums),
        str(sum(entry["announced"] for entry in found)),
        *map(str, points),
        yes(bool(due) and all(map(_good, due))),
    ]


def _good(entry: Mapping[str, Any]) -> bool:
    """Whether one stream's change was told in time, in shape and once."""
    if "confirmed" not in entry or entry["announced"] != 1 or entry["regions"] != 1:
        return False
    in_time = entry["confirmed"] - entry["due"] <= REGION_DELAY
    quiet = entry["points_at"] + entry["points_away"] + entry["elsewhere"] == 0
    quiet = quiet and entry["points_before"] <= SHOWER
    return bool(in_time and entry["iou"] >= OUTLINE_FLOOR and quiet)
