"""Which defects were held at each frame and where, told as changes from frame to frame.

Positions move with the drift, which every row tells; a defect is placed anew only when it
appears, when a new model has its own origin, or when it no longer is where drift alone
would have taken it.
"""

from __future__ import annotations

from typing import Any

from livedetect.types import FrameResult, Track

TOLERANCE_PX = 0.5
"""So far from where drift alone would have taken it, a defect is placed anew."""

_Place = tuple[float, float]


class HeldDefects:
    """Follows the results of one session in their order."""

    def __init__(self) -> None:
        self._places: dict[int, _Place] = {}
        self._kinds: dict[int, str] = {}
        self._drift: _Place = (0.0, 0.0)
        self._origin_unknown = True

    def change(self, result: FrameResult) -> dict[str, Any]:
        """What a row says of its result, ready for JSON.

        ``drift_px`` is (x, y) as in `Registration`, absent where the frame was not
        registered; ``model_ready`` marks a new origin of the drift; ``placed`` holds (id, x,
        y) in pixels of this frame, ``gone`` ids, ``kinds`` (id, kind) of defects that are taken
        for something else now. What is not named is what and where it was, moved by the drift.
        """
        fresh = any(event.event == "model_ready" for event in result.events)
        told = {
            "phase": str(result.phase),
            "dose_e_per_A2": result.dose_e_per_A2,
            "model_ready": fresh or None,
            "drift_px": self._registered(result),
            "gone": self._gone(result),
            "kinds": self._changed_kinds(result),
            "placed": self._placed(result, everything=self._is_new_origin(result, fresh=fresh)),
        }
        return {name: value for name, value in told.items() if value not in (None, [])}

    def _registered(self, result: FrameResult) -> list[float] | None:
        if result.registration is None:
            return None
        self._drift = (result.registration.drift_x_px, result.registration.drift_y_px)
        return [round(edge, 3) for edge in self._drift]

    def _is_new_origin(self, result: FrameResult, *, fresh: bool) -> bool:
        """The result with which a model appears does not know its drift; the next one does."""
        found = result.registration is not None and self._origin_unknown
        self._origin_unknown = fresh or (self._origin_unknown and not found)
        return found or fresh

    def _gone(self, result: FrameResult) -> list[int]:
        held = {track.defect_id for track in result.active_tracks}
        gone = [defect_id for defect_id in self._places if defect_id not in held]
        for defect_id in gone:
            del self._places[defect_id]
        return gone

    def _changed_kinds(self, result: FrameResult) -> list[list[Any]]:
        told = []
        for track in result.active_tracks:
            # the event that announced it has told the first
            if self._kinds.setdefault(track.defect_id, track.kind) != track.kind:
                self._kinds[track.defect_id] = track.kind
                told.append([track.defect_id, track.kind])
        return told

    def _placed(self, result: FrameResult, *, everything: bool) -> list[list[float]]:
        told = []
        for track in result.active_tracks:
            known = self._places.get(track.defect_id)
            if known is None or everything or self._has_moved(track, known):
                x, y = track.x_px, track.y_px
                self._places[track.defect_id] = (x - self._drift[0], y - self._drift[1])
                told.append([track.defect_id, round(x, 2), round(y, 2)])
        return told

    def _has_moved(self, track: Track, known: _Place) -> bool:
        off_x = track.x_px - self._drift[0] - known[0]
        off_y = track.y_px - self._drift[1] - known[1]
        return max(abs(off_x), abs(off_y)) > TOLERANCE_PX
