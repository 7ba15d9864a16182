"""The result of a frame, put together from what the detector knows after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from livedetect.detect.announce import Stamp, View, shown
from livedetect.detect.arrays import FloatArray
from livedetect.detect.crystal_model import CrystalModel
from livedetect.detect.method import Scored
from livedetect.detect.tracking import Tracker
from livedetect.detect.watch import BLOCK_PX
from livedetect.types import Disposition, Event, FrameResult, Phase, Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand after a frame."""

    phase: Phase
    """What the detector is doing."""
    model: CrystalModel | None
    """The model in use."""
    view: View | None
    """From its coordinates to those of the outside world."""
    tracker: Tracker
    """Defects of the area."""
    warm_up: tuple[int, int]
    """Frames collected, and frames wanted."""


def frame_result(
    standing: Standing,
    stamp: Stamp,
    disposition: Disposition,
    events: Sequence[Event],
    scored: Scored | None,
) -> FrameResult:
    """What is said of one item; `scored` is None where nothing was judged."""
    model = standing.model
    candidates = scored.candidates if scored else ()
    held, seen = shown(standing.tracker.active, candidates, standing.view)
    registration = scored.registration if scored else None
    if registration is not None and model is not None:
        registration = _moved(registration, model.drift_origin_px)
    return FrameResult(
        frame=stamp.frame,
        time_s=stamp.time_s,
        phase=standing.phase,
        disposition=disposition,
        events=tuple(events),
        detections=seen,
        active_tracks=tuple(entry for dismissed, entry in held if not dismissed),
        dismissed_tracks=tuple(entry for dismissed, entry in held if dismissed),
        registration=registration,
        area_id=stamp.area_id,
        segment_id=stamp.segment_id,
        dose_e_per_A2=stamp.dose_e_per_A2,
        warm_up_done=standing.warm_up[0],
        warm_up_frames=standing.warm_up[1],
        threshold=model.method.threshold if model else None,
        sensitivity=model.method.sensitivity() if model and scored else None,
        watched=scored.watched if scored else None,
        watched_block_px=BLOCK_PX,
    )


def _moved(registration: Registration, origin: FloatArray) -> Registration:
    """The drift since the first model's first frame, whichever model has measured it."""
    return dataclasses.replace(
        registration,
        drift_x_px=registration.drift_x_px + float(origin[0]),
        drift_y_px=registration.drift_y_px + float(origin[1]),
    )
