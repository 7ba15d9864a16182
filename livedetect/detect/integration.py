"""Fast, noisy scans: several frames are registered and summed before the detector sees them.

An engine around the detector. Each frame is placed by the phases of its Bragg reflections,
which a whole frame gives precisely even where no column can be seen, and added at the nearest
whole pixel: nothing is interpolated, so noise stays as uncorrelated as it was. Nothing is
summed across gaps, frames that were turned away and changes of the scan settings.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft

from livedetect.detect.admit import Admission
from livedetect.detect.arrays import FloatArray
from livedetect.detect.detector import Detector
from livedetect.detect.dose import COUNTED_BEFORE, SCANS_KEY
from livedetect.detect.lattice import Lattice, find_lattice, hann_window
from livedetect.detect.registration import BraggRegistration
from livedetect.detect.scan_setting import ScanSetting
from livedetect.errors import LatticeNotFoundError
from livedetect.inspection import Inspection
from livedetect.protocols import RefitRequest
from livedetect.settings import Settings
from livedetect.types import (
    Command,
    Event,
    Frame,
    FrameResult,
    Gap,
    Notice,
    NoticeEvent,
    Phase,
    Rejection,
    SourceItem,
)

LEARN_FRAMES = 8
"""From so many frames the lattice is found and, with ``auto``, the number to be summed."""
WANTED_SIGNAL = 30.0
"""Contrast of a unit cell over its noise, squared, from which single vacancies need few frames."""
MOST_FRAMES = 64
LEARN_ANEW = ("rebaseline", "start_warm_up")
LOST_SUMS = 5
"""So many sums that were begun in vain, one after the other, and it is said."""
FINE = 0.3
"""Cycles per pixel beyond which a spectrum is noise between the reflections."""


class Integrator:
    """A `Detector` for sums of frames, see `Settings.integrate`.

    A frame within a sum gets a result of the disposition ``integrated``; the last one that of
    the sum. Events name the last frame of the sum that they follow from.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._detector = Detector(self._settings)
        self._admission = Admission()
        self._plans: dict[ScanSetting, _Plan] = {}
        self._setting: ScanSetting | None = None
        self._waiting: list[Frame] = []
        self._shifts: list[FloatArray] = []
        self._untold_scans = 0
        self._lost_sums = 0
        self._latest = FrameResult(
            frame=-1,
            time_s=0.0,
            phase=Phase.WARMING_UP,
            disposition="none",
            warm_up_frames=self._settings.warm_up_frames,
        )

    def step(self, item: SourceItem) -> FrameResult:
        """Take in one item of a stream and say what follows from it."""
        if isinstance(item, Frame):
            return self._step_frame(item)
        if isinstance(item, Gap):
            return self._step_gap(item)
        if isinstance(item, Rejection) and item.reason not in COUNTED_BEFORE:
            self._give_up(missing=1)
        return self._noted(self._complaining(self._detector.step(item)))

    def apply(self, command: Command) -> Sequence[Event]:
        """Carry out an operator's command, see `Detector.apply`; no sum spans it."""
        events = self._detector.apply(command)
        if command.name in LEARN_ANEW:
            self._give_up()
            self._plans.clear()
        return events

    def refit_request(self) -> RefitRequest | None:
        """Of the detector, see `livedetect.protocols.Refitting`."""
        return self._detector.refit_request()

    def install(self, number: int, learnt: Any) -> None:
        """Hand over what was learnt, see `livedetect.protocols.Refitting`."""
        self._detector.install(number, learnt)

    def inspect(self, defect_id: int) -> Inspection:
        """Pictures of a defect in summed frames, see `Detector.inspect`."""
        return self._detector.inspect(defect_id)

    def state(self) -> Mapping[str, Any]:
        """Of the detector; frames of an unfinished sum are no part of it."""
        return self._detector.state()

    def _step_frame(self, frame: Frame) -> FrameResult:
        objection = self._admission.objection(frame)
        if objection is not None:
            reason, message = objection.reason, objection.message
            index, time_s = frame.index, frame.time_s
            return self.step(Rejection(index=index, reason=reason, message=message, time_s=time_s))
        setting = ScanSetting.of(frame)
        if setting != self._setting:
            self._give_up()
            self._setting = setting
        plan = self._placed(frame, setting)
        results = []
        while plan is not None and len(self._waiting) >= plan.frames:
            results.append(self._detector.step(self._sum(plan)))
        return self._told(results, plan) if results and plan else self._unfinished(frame)

    def _placed(self, frame: Frame, setting: ScanSetting) -> _Plan | None:
        """Put `frame` beside those that wait; how they are summed, None while that is learnt."""
        self._waiting.append(frame)
        plan = self._plans.get(setting)
        if plan is not None:
            self._shifts.append(plan.place(frame))
        elif len(self._waiting) >= LEARN_FRAMES:
            plan = _Plan.learnt([_pixels(entry) for entry in self._waiting], self._settings)
            self._plans[setting] = plan
            self._shifts = plan.learnt_shifts(len(self._waiting))
        return plan

    def _sum(self, plan: _Plan) -> Frame:
        """The sum of the first frames that wait, at the place of the last of them."""
        group, self._waiting = self._waiting[: plan.frames], self._waiting[plan.frames :]
        shifts, self._shifts = self._shifts[: plan.frames], self._shifts[plan.frames :]
        data = summed([_pixels(frame) for frame in group], np.array(shifts))
        self._lost_sums = 0
        scans, self._untold_scans = plan.frames + self._untold_scans, 0
        meta = {**group[-1].meta, SCANS_KEY: scans}
        return dataclasses.replace(group[-1], data=data, saturation_value=None, meta=meta)

    def _step_gap(self, gap: Gap) -> FrameResult:
        """The detector counts sums; the dose of what it is not told of comes with the next one."""
        self._give_up(missing=gap.missing_frames)
        plan = self._plans.get(self._setting) if self._setting else None
        missing = max(1, round(gap.missing_frames / plan.frames)) if plan else gap.missing_frames
        self._untold_scans += gap.missing_frames - missing
        result = self._detector.step(dataclasses.replace(gap, missing_frames=missing))
        told = _with_values(result, "gap", {"missing_frames": gap.missing_frames})
        return self._noted(self._complaining(told))

    def _complaining(self, result: FrameResult) -> FrameResult:
        """Where frames are lost more often than a sum is complete, nothing would ever be seen."""
        if self._lost_sums != LOST_SUMS:
            return result
        self._lost_sums += 1  # said once
        reason = "frames are lost so often that no sum is completed: choose a smaller integrate"
        item = Notice(
            event="stalled", index=result.frame, time_s=result.time_s, values={"reason": reason}
        )
        events = (*result.events, *self._detector.step(item).events)
        return dataclasses.replace(result, events=events)

    def _give_up(self, missing: int = 0) -> None:
        """No sum goes on beyond this; its frames have hit the specimen all the same."""
        self._untold_scans += len(self._waiting)
        self._lost_sums += bool(self._waiting)
        self._waiting, self._shifts = [], []
        plan = self._plans.get(self._setting) if self._setting else None
        if plan is not None and plan.registration is not None:
            plan.registration.miss(missing)

    def _unfinished(self, frame: Frame) -> FrameResult:
        return dataclasses.replace(
            self._latest,
            frame=frame.index,
            time_s=frame.time_s,
            disposition="integrated",
            events=(),
            detections=(),
        )

    def _told(self, results: Sequence[FrameResult], plan: _Plan) -> FrameResult:
        """Of several sums that are complete at once the last result, with the events of all."""
        events = tuple(event for result in results for event in result.events)
        last = dataclasses.replace(results[-1], events=events, integrated_frames=plan.frames)
        values = {"integrated_frames": plan.frames, "integrated_unregistered": not plan.registered}
        refitted = _with_values(last, "model_refitted", {"integrated_frames": plan.frames})
        return self._noted(_with_values(refitted, "model_ready", values))

    def _noted(self, result: FrameResult) -> FrameResult:
        self._latest = result
        return result


@dataclass(slots=True)
class _Plan:
    """How the frames of one scan setting are summed."""

    frames: int
    """Of one sum."""
    registration: BraggRegistration | None
    """None where no lattice was found: then frames are summed where they are."""

    @classmethod
    def learnt(cls, frames: Sequence[FloatArray], settings: Settings) -> _Plan:
        """From the first frames (H, W), float32."""
        wanted = settings.integrate
        try:
            lattice = find_lattice(frames)
        except LatticeNotFoundError:
            return cls(LEARN_FRAMES if isinstance(wanted, str) else wanted, None)
        if isinstance(wanted, str):
            wanted = frames_for(cell_signal(frames, lattice))
        return cls(wanted, BraggRegistration(lattice, frames))

    @property
    def registered(self) -> bool:
        return self.registration is not None

    def learnt_shifts(self, count: int) -> list[FloatArray]:
        if self.registration is None:
            return [np.zeros(2)] * count
        return list(self.registration.shifts)

    def place(self, frame: Frame) -> FloatArray:
        """(x, y) drift, px."""
        if self.registration is None:
            return np.zeros(2)
        return self.registration.step(_pixels(frame)).shift


def summed(frames: Sequence[FloatArray], shifts: FloatArray) -> FloatArray:
    """Sum (H, W) of frames (H, W) of drift (n, 2) as (x, y), at the place of the last one.

    Each is moved by whole pixels. What not all of them show is scaled to their number.
    """
    height, width = frames[0].shape
    total, count = np.zeros((2, height, width), np.float32)
    for frame, (x, y) in zip(frames, np.rint(shifts - shifts[-1]).astype(int), strict=True):
        # a feature of the last frame at p lies at p + (x, y) in this one
        rows, cols = _overlap(int(y), height), _overlap(int(x), width)
        total[rows[0], cols[0]] += frame[rows[1], cols[1]]
        count[rows[0], cols[0]] += 1
    mean = float(total.sum() / max(float(count.sum()), 1.0))
    scaled = total * (len(frames) / np.maximum(count, 1))
    return np.where(count > 0, scaled, len(frames) * mean).astype(np.float32)


def cell_signal(frames: Sequence[FloatArray], lattice: Lattice) -> float:
    """Variance that the crystal makes, over that of the noise, times the pixels of a cell.

    The square of the contrast of one unit cell over its noise in one of `frames` (H, W).
    """
    window = hann_window(frames[0].shape)
    height, width = frames[0].shape
    far = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None, :]) > FINE
    signal, noise = 0.0, 0.0
    registration = BraggRegistration(lattice, frames)
    for frame in frames:
        power = np.abs(fft.rfft2((frame - frame.mean()) * window)) ** 2
        white = float(np.median(power[far])) / math.log(2)  # of exponentially distributed values
        peaks = registration.power(frame) - white
        signal += 2 * float(np.maximum(peaks, 0).sum()) / float(window.sum()) ** 2
        noise += white / float((window**2).sum())
    area_px = abs(float(np.linalg.det(lattice.basis_px)))
    return signal / max(noise, 1e-30) * area_px


def frames_for(signal: float) -> int:
    """How many frames of a `cell_signal` are summed."""
    return int(np.clip(math.ceil(WANTED_SIGNAL / max(signal, 1e-9)), 1, MOST_FRAMES))


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Pixels of the sum and those of a frame, along one axis, that show the same."""
    start, end = max(0, -shift), min(size, size - shift)
    end = max(start, end)
    return slice(start, end), slice(start + shift, end + shift)


def _pixels(frame: Frame) -> FloatArray:
    return np.asarray(frame.data, np.float32)


def _with_values(result: FrameResult, name: str, values: Mapping[str, Any]) -> FrameResult:
    """`result`, its events of that name saying more, or other things."""
    events = tuple(
        dataclasses.replace(event, values={**event.values, **values})
        if isinstance(event, NoticeEvent) and event.event == name
        else event
        for event in result.events
    )
    return dataclasses.replace(result, events=events)
