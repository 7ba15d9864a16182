"""What is told of a frame before it is complete: new defects well inside its finished rows."""

from __future__ import annotations

import dataclasses

import numpy as np

from livedetect.detect.crystal_model import CrystalModel
from livedetect.detect.drift_alarm import BURST_SHARE
from livedetect.detect.method import Candidate
from livedetect.detect.migration import hopped
from livedetect.detect.scan_setting import ScanSetting
from livedetect.detect.steadiness import CROWD
from livedetect.detect.tracking import Tracker
from livedetect.detect.unfinished import Look, LooksAtBand, Rows
from livedetect.types import Frame, PartialFrame

FEW = 3
"""So many new defects are a crowd in however few rows."""
LEAST_CELLS = 6
"""Rows of unit cells without which a band cannot be registered."""
MARGIN_CELLS = 1.5
"""What lies closer to the scan line is judged with the next rows: a patch must be complete."""
MARGIN_PX = 8.0
"""On top of it: the borrowed rows below the scan line are interpolated, and filters reach there."""


def look_at(partial: PartialFrame, latest: Frame | None, model: CrystalModel | None) -> Look | None:
    """What a model sees in an unfinished frame that follows the whole frame `latest`.

    None where it cannot be told: no model that holds, too few rows, other scan settings, no
    crystal in them, or a method that judges whole frames only.
    """
    if model is None or latest is None or model.alarm.suspends:
        return None
    method, rows = model.method, partial.rows_done
    same = not ScanSetting.of(latest).differences(ScanSetting.of(partial.frame))
    if not same or rows < least_rows(model.cell_px) or not isinstance(method, LooksAtBand):
        return None
    data, before = (entry.data.astype(np.float32) for entry in (partial.frame, latest))
    data[rows:] = 0
    seen = method.look(Rows(data, before, rows))
    if seen is None or seen.scored.suspect:
        return None
    return dataclasses.replace(seen, cell_px=model.cell_px)


def told_early(
    seen: Look, partial: PartialFrame, tracker: Tracker, limit_px: float
) -> list[Candidate]:
    """New defects well inside the rows not looked at before.

    None at all where the field may have moved (`limit_px` is the largest innovation that
    leaves no doubt): the whole frame will tell.
    """
    moved = seen.scored.innovation_px > limit_px or bool(seen.scored.slip_px)
    # a few rows show a few only of the crowd, or of the outliers, that a moved field makes
    share = partial.rows_done / len(partial.frame.data)
    crowd = max(FEW, CROWD * share)
    burst = seen.scored.outlier_share > BURST_SHARE * share
    frame = partial.index
    if moved or burst or len(tracker.news(seen.scored.candidates, frame)) >= crowd:
        return []
    margin = MARGIN_PX + MARGIN_CELLS * seen.cell_px
    top = partial.first_row - margin if partial.first_row else -np.inf
    fresh = tracker.news(seen.between(top, partial.rows_done - margin), frame)
    # one that has hopped keeps its id, which the whole frame sees to
    return [entry for entry in fresh if hopped(entry, tracker, seen.method) is None]


def least_rows(cell_px: float) -> float:
    """Rows that must be complete before anything can be told."""
    return MARGIN_PX + (MARGIN_CELLS + LEAST_CELLS) * cell_px
