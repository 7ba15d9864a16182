"""A defect of a recorded session before and after, computed from the recorded frames.

The engine that decided is gone; frames and the drift of each are on disk. No Qt here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from livedetect.detect.inspection import EDGE_CELLS, crop, mean_of
from livedetect.errors import SourceError
from livedetect.inspection import INSPECTION_SAMPLES, Inspection
from livedetect.viewer.recorded_session import RecordedSession
from livedetect.viewer.recorded_timeline import Step

MOST_BEFORE, MOST_AFTER = 12, 8
"""Frames of each picture; where the engine summed frames, so many sums."""
ENOUGH_BEFORE = 4
"""With fewer analysed frames before it, those of the warm-up are taken as well."""
MAX_BYTES = 128 * 2**20
"""Of pixels read for one defect."""
_SMOOTH_SAMPLES = 2.0
_MAD_TO_SIGMA = 1.4826

Picture = NDArray[np.float32]
Place = NDArray[np.float64]


def inspect_recorded(session: RecordedSession, defect_id: int) -> Inspection:
    """Pictures of a defect: registered means before it was first seen and from then on.

    ``residual`` is their difference, gain and offset removed, smoothed, in standard deviations
    of its own scatter away from the defect; unlike the engine's it knows no time window.
    Raises `SourceError` if there is nothing to show, saying why.
    """
    told = session.timeline.defects.get(defect_id)
    if told is None:
        raise SourceError(f"defect {defect_id} was not announced in this session")
    timeline = session.timeline
    announced = timeline.step_near(told["frame"])
    together = int(session.model_at(announced).get("integrated_frames") or 1)
    # seen first in a sum, it may have formed in any of its frames
    born = timeline.step_near(told.get("first_seen_frame", told["frame"])) - (together - 1)
    rest = np.subtract((told["x_px"], told["y_px"]), timeline.drift_of_event(announced))
    after = _analysed(session, announced, range(max(0, born), len(timeline.steps)))
    after = after[: _most(session, MOST_AFTER * together)]
    before = _analysed(session, announced, range(born))[-MOST_BEFORE * together :]
    drifts = {step: np.asarray(timeline.drift_at(step)) for step in (*before, *after)}
    if len(before) < ENOUGH_BEFORE * together:
        learnt = _warm_up_drifts(session, announced, born + together - 1, MOST_BEFORE * together)
        drifts |= learnt
        before = [*learnt, *before]
    before = before[-_most(session, MOST_BEFORE * together) :]
    if not before or not after:
        raise SourceError(f"no analysed frames before and after defect {defect_id} are recorded")
    edge = _edge_px(session, announced)
    first, last = (
        _registered_mean(session, steps, rest, edge, drifts) for steps in (before, after)
    )
    now = rest + drifts[after[-1]]
    return Inspection(
        defect_id=defect_id,
        frame=timeline.steps[after[-1]].row.index,
        x_px=float(now[0]),
        y_px=float(now[1]),
        edge_px=edge,
        before=first,
        after=last,
        residual=difference(first, last),
        frames_before=len(before),
        frames_after=len(after),
        window_frames=len(after),
    )


def _most(session: RecordedSession, most: int) -> int:
    """As many frames as `MAX_BYTES` allow, half of them before and half after."""
    stack = next(iter(session.stacks.values()), None)
    if stack is None:
        raise SourceError("this session holds no frames")
    frame_bytes = stack.dtype.itemsize * stack.shape[1] * stack.shape[2]
    return int(max(1, min(most, MAX_BYTES // 2 // max(1, frame_bytes))))


def _analysed(session: RecordedSession, announced: int, steps: range) -> list[int]:
    """Those of `steps` that were analysed, have pixels and are of the announcement's scan."""
    timeline = session.timeline
    rows = [(step, timeline.steps[step]) for step in steps]
    return [
        step
        for step, known in rows
        if (known.row.disposition == "scored" or _is_placed_within_a_sum(known))
        and known.has_pixels
        and timeline.same_scan(step, announced)
    ]


def _is_placed_within_a_sum(step: Step) -> bool:
    return step.row.disposition == "integrated" and "drift_px" in step.row.details


def _warm_up_drifts(
    session: RecordedSession, announced: int, born: int, most: int
) -> dict[int, Place]:
    """Warm-up frames before a defect, the latest `most`, and their drift: evenly spread.

    No row tells it. A model counts drift from its own first frame, and the first analysed frame
    tells how far the crystal has come since.
    """
    timeline = session.timeline
    learnt = [
        step
        for step in range(min(born + 1, len(timeline.steps)))
        if timeline.steps[step].row.disposition in ("warm_up", "integrated")
        and not _is_placed_within_a_sum(timeline.steps[step])
        and timeline.steps[step].has_pixels
        and timeline.same_scan(step, announced)
    ]
    while learnt and timeline.steps[learnt[-1]].row.disposition != "warm_up":
        learnt.pop()  # of a sum that was never complete
    later = range(learnt[-1] + 1, len(timeline.steps)) if learnt else range(0)
    scored = next(iter(_analysed(session, announced, later)), None)
    if scored is None:
        return {}
    # of several models of one place the latest counts
    learnt = [step for at, step in enumerate(learnt) if step - learnt[-1] == at - len(learnt) + 1]
    while timeline.steps[learnt[0]].row.disposition != "warm_up":
        learnt.pop(0)  # drift counts from the last frame of the first sum
    start = np.asarray(timeline.drift_at(learnt[0]))
    moved = np.asarray(timeline.drift_at(scored)) - start
    return {
        step: start + moved * (step - learnt[0]) / (scored - learnt[0]) for step in learnt[-most:]
    }


def _edge_px(session: RecordedSession, step: int) -> float:
    """Extent of the pictures, as the engine chooses it."""
    try:
        lattice = np.asarray(session.model_at(step).get("lattice_px"), dtype=np.float64)
    except (TypeError, ValueError):
        lattice = np.empty(0)
    if lattice.shape != (2, 2) or not np.isfinite(lattice).all():
        return float(INSPECTION_SAMPLES)
    return EDGE_CELLS * float(np.sqrt(np.abs(np.linalg.det(lattice))))


def _registered_mean(
    session: RecordedSession,
    steps: Sequence[int],
    rest: Place,
    edge_px: float,
    drifts: dict[int, Place],
) -> Picture:
    seen = []
    for step in steps:
        pixels = session.pixels_at(step)
        seen.append(crop(pixels, rest + drifts[step], edge_px))
    return np.asarray(mean_of(seen), np.float32)


def difference(before: Picture, after: Picture) -> Picture:
    """(n, n) `after` less `before` in standard deviations; NaN where either was not seen."""
    known = np.isfinite(before) & np.isfinite(after)
    around = known & _away_from_centre(before.shape[0])
    if around.sum() < 2 * INSPECTION_SAMPLES or np.ptp(before[around]) == 0:
        return np.full(before.shape, np.nan, np.float32)
    gain, offset = np.polyfit(before[around], after[around], 1)
    raw = np.where(known, after - (gain * before + offset), 0.0)
    weight = ndimage.gaussian_filter(known.astype(float), _SMOOTH_SAMPLES)
    smooth = ndimage.gaussian_filter(raw, _SMOOTH_SAMPLES) / np.maximum(weight, 1e-6)
    scatter = _MAD_TO_SIGMA * float(np.median(np.abs(smooth[around])))
    return np.where(known, smooth / max(scatter, 1e-12), np.nan).astype(np.float32)


def _away_from_centre(edge: int) -> NDArray[np.bool_]:
    """(n, n) True beyond a fifth of the picture from its middle: the defect and its halo."""
    offset = np.arange(edge) - (edge - 1) / 2
    return np.asarray(np.hypot(offset[:, None], offset[None, :]) > edge / 5)
