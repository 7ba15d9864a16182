"""May this frame be analysed? Bad frames are named, never scored and never learnt.

*Invalid* frames cannot be numbers of a scan; *suspect* ones can, but something happened
to the scan: not finished, saturated, blanked, repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.frame_rows import FrameRows
from livedetect.types import Frame, Rejection, RejectionReason

MIN_SIZE_PX = 64
LARGEST_VALUE = 1e15
"""The sum of its squares over a frame still fits into single precision."""
SATURATED_FRACTION = 0.02
MISSING_ROWS_FRACTION = 0.03
BLANK_ROW_FRACTION = 0.05
BLANK_SIGNAL = 0.3
"""Rows whose contrast falls below this share of the usual were scanned without beam."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a frame is not analysed."""

    reason: RejectionReason
    """Its place in the ledger."""
    message: str
    """What is wrong with it."""

    def to(self, frame: Frame) -> Rejection:
        """What becomes of `frame`."""
        return Rejection(
            index=frame.index, reason=self.reason, message=self.message, time_s=frame.time_s
        )


class Admission:
    """Looks at each frame on its own and beside the previous one."""

    DERIVED = ("_rows",)

    def __init__(self) -> None:
        self._previous: FloatArray | None = None
        self.restore_derived()

    def restore_derived(self) -> None:
        """Begin with no frame, after a state has been restored."""
        self._rows: FrameRows | None = None

    @property
    def rows(self) -> FrameRows:
        """The latest frame that is an image, read once for everybody."""
        assert self._rows is not None  # noqa: S101 - asked for after `objection`
        return self._rows

    def objection(self, frame: Frame) -> Objection | None:
        """What speaks against `frame`; None if it may be analysed."""
        problem = _not_an_image(frame)
        if problem:
            return Objection("invalid", problem)
        self._rows = FrameRows.of(frame.data)
        problem = _beyond_computing(frame, self.rows)
        if problem:
            return Objection("invalid", problem)
        problem = self._suspicion(frame, self.rows)
        self._previous = frame.data
        return Objection("suspect", problem) if problem else None

    def _suspicion(self, frame: Frame, rows: FrameRows) -> str:
        """First of the checks that has something to say."""
        checks = (_unfinished, _constant, _saturated, _flat_rows, self._repeated, _blanked)
        return next((said for check in checks if (said := check(frame, rows))), "")

    def _repeated(self, frame: Frame, _rows: FrameRows) -> str:
        height = len(frame.data)
        repeated = self._repeated_rows(frame.data)
        if repeated == height:
            return "the frame repeats the previous one pixel for pixel"
        if repeated > MISSING_ROWS_FRACTION * height:
            return f"{repeated} rows repeat the previous frame: the scan was not finished"
        return ""

    def _repeated_rows(self, data: FloatArray) -> int:
        previous = self._previous
        if previous is None or previous.shape != data.shape or previous.dtype != data.dtype:
            return 0
        ends = np.array_equal(data[0], previous[0]) or np.array_equal(data[-1], previous[-1])
        return _trailing((data == previous).all(axis=1)) if ends else 0


def clipped_fraction(data: FloatArray) -> float:
    """Share of pixels piled up at the lowest value beyond what its neighbours explain.

    Black-level clipping hides vacancies. Counts of a few electrons have many zeros by
    nature; there the next levels are as common and the excess is small.
    """
    low = np.sort(data.ravel()[:: max(1, data.size // 65536)]).astype(float)
    at_floor = int((low == low[0]).sum())
    if at_floor == len(low):
        return 1.0
    values = np.unique(low)
    if len(values) < 32:  # a handful of levels: counting statistics, not clipping
        return 0.0
    spread = np.median(low) - low[0]
    near = ((low > low[0]) & (low <= low[0] + 0.1 * max(spread, 1e-12))).sum()
    excess = at_floor - max(float(near), 1.0)
    return max(0.0, excess / len(low))


def _not_an_image(frame: Frame) -> str:
    data = frame.data
    if data.ndim != 2:
        return f"an image has two dimensions, this one has shape {data.shape}"
    if data.dtype.kind not in "buif":
        return f"pixels must be real numbers, these are {data.dtype}"
    if min(data.shape) < MIN_SIZE_PX:
        return f"{data.shape[1]} x {data.shape[0]} px is too small; {MIN_SIZE_PX} px are needed"
    return ""


def _beyond_computing(frame: Frame, rows: FrameRows) -> str:
    low, high = rows.span
    if np.isfinite(rows.square).all() and max(abs(low), abs(high)) <= LARGEST_VALUE:
        return ""
    bad = int((~np.isfinite(frame.data)).sum())
    if bad:
        return f"{bad} pixels are not finite numbers"
    return f"pixel values beyond {LARGEST_VALUE:g} cannot be computed with; scale them down"


def _unfinished(frame: Frame, _rows: FrameRows) -> str:
    height = len(frame.data)
    if frame.valid_rows is not None and frame.valid_rows < height:
        return f"only {frame.valid_rows} of {height} rows were scanned"
    return ""


def _constant(frame: Frame, rows: FrameRows) -> str:
    low, high = rows.span
    return f"all pixels have the value {frame.data.flat[0]}" if low == high else ""


def _saturated(frame: Frame, rows: FrameRows) -> str:
    share = _saturated_fraction(frame, rows)
    if share > SATURATED_FRACTION:
        return f"{100 * share:.0f} % of the pixels are saturated; lower the detector gain"
    return ""


def _flat_rows(_frame: Frame, rows: FrameRows) -> str:
    flat = _trailing(rows.low == rows.high)
    if flat > MISSING_ROWS_FRACTION * len(rows.low):
        return f"{flat} rows at the edge are constant: the scan was not finished"
    return ""


def _blanked(_frame: Frame, rows: FrameRows) -> str:
    run = _longest_run(_without_beam(rows))
    if run > BLANK_ROW_FRACTION * len(rows.mean):
        return f"{run} rows carry no signal: the beam was blanked within the frame"
    return ""


def _saturated_fraction(frame: Frame, rows: FrameRows) -> float:
    """Share of pixels at the detector's largest value, where that is known or evident."""
    data, highest = frame.data, rows.span[1]
    top = frame.saturation_value
    if top is None and data.dtype.kind in "ui":
        top = float(np.iinfo(data.dtype).max)
    if top is not None and highest >= np.float32(top):
        return float(np.count_nonzero(data >= top) / data.size)
    if data.dtype.kind == "f" or highest >= 255:
        return float(rows.at_top[rows.high == highest].sum() / data.size)
    return 0.0


def _without_beam(rows: FrameRows) -> BoolArray:
    """(H,) True for rows whose mean and scatter lie far below the usual row's."""
    mean, scatter = rows.mean - rows.span[0], rows.scatter
    dark = mean < BLANK_SIGNAL * mean.max()
    if not dark.any():
        return np.asarray(dark)
    return np.asarray(
        (mean < BLANK_SIGNAL * np.median(mean)) & (scatter < BLANK_SIGNAL * np.median(scatter))
    )


def _trailing(flags: BoolArray) -> int:
    """Length of the run of True at either end, whichever is longer."""
    runs = (flags, flags[::-1])
    return max(len(run) if run.all() else int(np.argmin(run)) for run in runs)


def _longest_run(flags: BoolArray) -> int:
    if not flags.any():
        return 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int(np.max(edges[1::2] - edges[::2], initial=0))
