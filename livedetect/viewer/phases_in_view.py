"""Where the phases or domains of the crystal lie, which `model_ready` has told. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

PHASE_COLOR = "#C4B0FF"
"""Of the thin outlines; regions of damage have another colour and a thicker line."""
FOLLOWED = ("model_ready", "command", "source_changed")
"""Events that say what is in view."""
_LEARNING_ANEW = ("rebaseline", "start_warm_up")

Event = Mapping[str, Any]
Outline = NDArray[np.float64]


class PhasesInView:
    """Follows the events of a run; the largest phase is what the others lie in."""

    def __init__(self) -> None:
        self._told_of: dict[Any, Event] = {}
        self._area_id: Any = None

    def follow(self, event: Event) -> None:
        """Take in an event, in its order."""
        if event["event"] not in FOLLOWED:
            return
        self._area_id = event.get("area_id")
        if event["event"] == "model_ready":
            self._told_of[self._area_id] = event
        elif _starts_anew(event):
            self._told_of.pop(self._area_id, None)

    @property
    def _told(self) -> Event:
        """What was told of the area that is in view."""
        return self._told_of.get(self._area_id, {})

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the field of each phase, 0 to 1, largest first; empty if there is but one."""
        phases = self._told.get("phases") or ()
        return tuple(float(phase["share"]) for phase in phases) if len(phases) > 1 else ()

    def outlines(self, header: Mapping[str, Any]) -> dict[int, Outline]:
        """Outlines (n, 2) as (y, x) px, drift removed, in the image of a preview.

        Those of every phase but the largest; none where the scan settings are others. Engines
        that do not tell the drift of the frame in which the phases were found mean none.
        """
        own, now = self._told.get("segment_id"), header.get("segment_id")
        if not self.shares or (own is not None and now is not None and own != now):
            return {}
        drift_xy = np.asarray(self._told.get("drift_px") or (0.0, 0.0), float)
        lines = [line for phase in self._told["phases"][1:] for line in phase["polygons_px"]]
        return {at: (np.asarray(line, float) - drift_xy)[:, ::-1] for at, line in enumerate(lines)}


def _starts_anew(event: Event) -> bool:
    """The operator has told the engine to learn the crystal again."""
    ordered = event["event"] == "command" and event.get("name") in _LEARNING_ANEW
    return ordered and bool(event.get("ok", True))


def with_phases(legend: str, shares: tuple[float, ...]) -> str:
    """A legend, rich text, and behind it what the thin outlines are, if there are any."""
    if not shares:
        return legend
    told = "&nbsp;·&nbsp;".join(f"{100 * share:.0f}&nbsp;%" for share in shares)
    sign = f'<span style="color: {PHASE_COLOR}"><b>▱</b></span>'
    phases = f"{sign}&nbsp;{len(shares)}&nbsp;phases&nbsp;{told}"
    return f"{legend}&nbsp; {phases}" if legend else phases
