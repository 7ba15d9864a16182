"""Events and tracks as the outside world sees them, from what the detector holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livedetect.detect.affine import Affine
from livedetect.detect.arrays import FloatArray
from livedetect.detect.method import Candidate
from livedetect.detect.regions import Region
from livedetect.detect.tracking import Defect, positions_of
from livedetect.types import (
    Calibration,
    DefectEvent,
    Detection,
    Gap,
    NoticeEvent,
    RegionEvent,
    Rejection,
    Track,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What every event says about when and where."""

    frame: int
    """The source's index."""
    time_s: float
    """Since the first frame, s."""
    area_id: int
    """Place on the specimen."""
    segment_id: int
    """Stretch of constant scan settings."""
    dose_e_per_A2: float | None  # noqa: N815
    """Cumulative incident fluence, e/Å²."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """From sample coordinates to the pixels of a frame and to nanometres."""

    to_frame: Callable[[FloatArray], FloatArray]
    """Pixels (n, 2) in the frame of sample positions (n, 2)."""
    calibration: Calibration
    """Pixel size of the frame."""
    placement: Affine
    """From sample coordinates to those of the area, nm."""
    threshold: float
    """Score above which a place becomes a candidate."""

    def frame_px(self, position: FloatArray) -> tuple[float, float]:
        """Pixel position in the frame."""
        x, y = self.to_frame(position[None])[0]
        return float(x), float(y)

    def specimen_nm(self, position: FloatArray) -> tuple[float | None, float | None]:
        """Position in the area, drift removed; None without a pixel size."""
        x, y = self.all_nm(position[None])[0]
        return x, y

    def all_nm(self, positions: FloatArray) -> list[list[float | None]]:
        """Positions (n, 2) in the area as (x, y), drift removed; None without a pixel size."""
        if self.calibration.pixel_size_nm is None:
            return [[None, None]] * len(positions)
        placed: list[list[float | None]] = self.placement.apply(positions).tolist()
        return placed


def _common(stamp: Stamp) -> dict[str, Any]:
    return {name: getattr(stamp, name) for name in Stamp.__slots__}


def _placed(defect: Defect, view: View) -> dict[str, Any]:
    x_px, y_px = view.frame_px(defect.position)
    x_nm, y_nm = view.specimen_nm(defect.position)
    return {"x_px": x_px, "y_px": y_px, "x_nm": x_nm, "y_nm": y_nm}


def notice_event(event: str, stamp: Stamp, values: Mapping[str, Any]) -> NoticeEvent:
    """Any event that is not about one defect."""
    return NoticeEvent(event=event, values=dict(values), **_common(stamp))


def gap_event(gap: Gap, stamp: Stamp) -> NoticeEvent:
    """Frames are missing."""
    names = ("first_missing", "missing_frames", "reason")
    return notice_event("gap", stamp, {name: getattr(gap, name) for name in names})


def rejected_event(rejection: Rejection, stamp: Stamp) -> NoticeEvent:
    """A frame was turned away."""
    values = {"reason": rejection.reason, "message": rejection.message}
    return notice_event("frame_rejected", stamp, values)


def defect_event(
    event: str, defect: Defect, stamp: Stamp, view: View, *, during_warm_up: bool = False
) -> DefectEvent:
    """What happened to a defect."""
    seen = defect.candidate
    return DefectEvent(
        event=event,
        defect_id=defect.defect_id,
        first_seen_frame=defect.first_seen_frame,
        score=seen.score,
        p_value=seen.p_value,
        window_frames=seen.window_frames,
        kind=seen.kind,
        confidence=seen.confidence,
        sublattice=seen.sublattice,
        region_id=defect.region_id,
        during_warm_up=during_warm_up,
        **_placed(defect, view),
        **_common(stamp),
    )


def region_event(region: Region, region_id: int, stamp: Stamp, view: View) -> RegionEvent:
    """A region that has appeared."""
    outline = view.to_frame(region.outline)
    size = view.calibration.pixel_size_nm
    area = None if size is None else region.area_px2 * size**2 * view.calibration.pixel_aspect
    return RegionEvent(
        event="region_confirmed",
        region_id=region_id,
        kind=region.kind,
        polygon_px=tuple((float(x), float(y)) for x, y in outline),
        area_nm2=area,
        **_common(stamp),
    )


def track(defect: Defect, place: Sequence[float], on_specimen: Sequence[float | None]) -> Track:
    """A defect as it stands in a frame, at the pixel `place` (x, y), nm `on_specimen` (x, y)."""
    return Track(
        defect_id=defect.defect_id,
        kind=defect.candidate.kind,
        confidence=defect.candidate.confidence,
        score=defect.candidate.score,
        first_seen_frame=defect.first_seen_frame,
        confirmed_frame=defect.confirmed_frame,
        last_seen_frame=defect.last_seen_frame,
        at_start=defect.at_start,
        region_id=defect.region_id,
        x_px=place[0],
        y_px=place[1],
        x_nm=on_specimen[0],
        y_nm=on_specimen[1],
    )


def detection(candidate: Candidate, place: Sequence[float]) -> Detection:
    """A candidate at the pixel `place` (x, y) of its frame."""
    return Detection(
        x_px=place[0],
        y_px=place[1],
        score=candidate.score,
        p_value=candidate.p_value,
        window_frames=candidate.window_frames,
        sublattice=candidate.sublattice,
        kind=candidate.kind,
        confidence=candidate.confidence,
    )


def shown(
    defects: Sequence[Defect], candidates: Sequence[Candidate], view: View | None
) -> tuple[list[tuple[bool, Track]], tuple[Detection, ...]]:
    """Tracks, each with whether it was dismissed, and detections; nothing without a view."""
    if view is None:
        return [], ()
    positions = positions_of([*defects, *candidates])
    places = view.to_frame(positions).tolist()
    on_specimen = view.all_nm(positions[: len(defects)])
    held = [
        (defect.dismissed, track(defect, place, nm))
        for defect, place, nm in zip(defects, places, on_specimen, strict=False)
    ]
    return held, tuple(map(detection, candidates, places[len(defects) :]))
