"""Outlines of regions as they lie in the image that is drawn. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE_PX = 2.0
"""So far from where drift alone would have taken it, an outline is laid anew."""

Event = Mapping[str, Any]
Outline = NDArray[np.float64]


class Outlines:
    """Follows the events of a run; an outline moves with the track of its region."""

    def __init__(self) -> None:
        self._regions: dict[int, Event] = {}
        self._announced: dict[int, Event] = {}
        self._laid: dict[int, Outline] = {}

    def follow(self, event: Event) -> None:
        """Take in an event, in its order."""
        if event["event"] == "region_confirmed":
            self._regions[event["region_id"]] = event
        elif event["event"] == "defect_confirmed" and event.get("region_id") is not None:
            self._announced[event["region_id"]] = event

    def of(self, header: Mapping[str, Any]) -> dict[int, Outline]:
        """Outlines (n, 2) as (y, x) px, drift removed, of the regions held in a preview.

        An outline is known in pixels of the scan in which it was found: in a segment with other
        settings it is left out, and the marker alone tells of the region.
        """
        tracks = header["tracks"]
        drift = np.asarray(header.get("drift_px") or (0.0, 0.0), float)
        shown = {}
        for at, region_id in enumerate(tracks["region_id"]):
            if self._fits(region_id, header.get("segment_id")):
                place = np.array([tracks["y_px"][at], tracks["x_px"][at]])
                shown[region_id] = self._outline(region_id, place, drift)
        return shown

    def _fits(self, region_id: int | None, segment_id: int | None) -> bool:
        if region_id not in self._regions or region_id not in self._announced:
            return False
        own = self._regions[region_id].get("segment_id")
        return own is None or segment_id is None or own == segment_id

    def _outline(self, region_id: int, place: Outline, drift: Outline) -> Outline:
        told = self._announced[region_id]
        moved = place - (told["y_px"], told["x_px"]) - drift
        outline = np.asarray(self._regions[region_id]["polygon_px"], float)[:, ::-1] + moved
        laid = self._laid.get(region_id)
        # a new model counts the drift from its own first frame
        if laid is None or np.abs(laid[0] - outline[0]).max() > TOLERANCE_PX:
            self._laid[region_id] = outline
        return self._laid[region_id]
