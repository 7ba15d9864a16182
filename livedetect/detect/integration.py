"""Fast, noisy scans: an engine that sums several frames before the detector sees them.

Nothing is summed across gaps, frames that were turned away and changes of the scan
settings. What a frame within a sum gets is the result of the sum before, moved by its own drift.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from livedetect.detect.admit import Admission
from livedetect.detect.arrays import FloatArray
from livedetect.detect.detector import Detector
from livedetect.detect.dose import COUNTED_BEFORE, SCANS_KEY
from livedetect.detect.scan_setting import ScanSetting
from livedetect.detect.state import from_state, to_state
from livedetect.detect.summing import LEARN_FRAMES, SumPlan, summed
from livedetect.inspection import Inspection
from livedetect.protocols import RefitRequest
from livedetect.settings import Settings
from livedetect.types import (
    Calibration,
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
    Track,
)

LEARN_ANEW = ("rebaseline", "start_warm_up")
"""After these commands the crystal may be another one, and so may the frames of a sum."""
LOST_SUMS = 5
"""So many sums that were begun in vain, one after the other, and it is said."""


def engine_for(settings: Settings) -> Detector | Integrator:
    """The engine that `settings` ask for: a `Detector`, or one that sums frames before it."""
    return Detector(settings) if settings.integrate == 1 else Integrator(settings)


class Integrator:
    """A `Detector` for sums of frames, see `Settings.integrate`.

    A frame within a sum gets a result of the disposition ``integrated``; the last one that of
    the sum. Events name the last frame of the sum that they follow from.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self._wanted = settings.integrate
        self._detector = Detector(dataclasses.replace(settings, integrate=1))
        self._admission = Admission()
        self._plans: dict[ScanSetting, SumPlan] = {}
        self._setting: ScanSetting | None = None
        self._waiting: list[Frame] = []
        self._shifts: list[FloatArray] = []
        self._lost_sums = 0
        self._latest = FrameResult(
            frame=-1,
            time_s=0.0,
            phase=Phase.WARMING_UP,
            disposition="none",
            warm_up_frames=settings.warm_up_frames,
        )
        self._latest_shift: FloatArray | None = None

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
            self._forget_places()
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
        """Everything it knows, the frames of an unfinished sum included."""
        return to_state(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Integrator:
        """Continue where `state` was taken; raises `SettingsError` for a foreign mapping."""
        return from_state(state, cls)

    def _step_frame(self, frame: Frame) -> FrameResult:
        objection = self._admission.objection(frame)
        if objection is not None:
            return self.step(objection.to(frame))
        setting = ScanSetting.of(frame)
        if setting != self._setting:
            self._give_up()
            self._setting = setting
            self._forget_places()
        plan = self._placed(frame, setting)
        results = []
        while plan is not None and len(self._waiting) >= plan.frames:
            results.append(self._detector.step(self._sum(plan)))
        return self._told(results, plan) if results and plan else self._unfinished(frame)

    def _placed(self, frame: Frame, setting: ScanSetting) -> SumPlan | None:
        """Put `frame` beside those that wait; how they are summed, None while that is learnt."""
        self._waiting.append(frame)
        plan = self._plans.get(setting)
        if plan is not None:
            self._shifts.append(plan.place(_pixels(frame)))
        elif len(self._waiting) >= LEARN_FRAMES:
            plan = SumPlan.learnt([_pixels(entry) for entry in self._waiting], self._wanted)
            self._plans[setting] = plan
            self._shifts = plan.learnt_shifts(len(self._waiting))
        return plan

    def _sum(self, plan: SumPlan) -> Frame:
        """The sum of the first frames that wait, at the place of the last of them."""
        group, self._waiting = self._waiting[: plan.frames], self._waiting[plan.frames :]
        shifts, self._shifts = self._shifts[: plan.frames], self._shifts[plan.frames :]
        self._latest_shift = shifts[-1]
        self._lost_sums = 0
        return dataclasses.replace(
            group[-1],
            data=summed([_pixels(frame) for frame in group], np.array(shifts)),
            calibration=_with_mean_current([frame.calibration for frame in group]),
            saturation_value=None,
            meta={**group[-1].meta, SCANS_KEY: plan.frames},
        )

    def _step_gap(self, gap: Gap) -> FrameResult:
        """The detector counts sums; the dose of a gap is that of all its frames."""
        self._give_up(missing=gap.missing_frames)
        plan = self._plans.get(self._setting) if self._setting else None
        missing = max(1, round(gap.missing_frames / plan.frames)) if plan else gap.missing_frames
        rest = dataclasses.replace(gap, missing_frames=gap.missing_frames - missing)
        self._detector.expose(rest)
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
        for frame in self._waiting:
            self._detector.expose(frame)
        self._lost_sums += bool(self._waiting)
        self._waiting, self._shifts = [], []
        plan = self._plans.get(self._setting) if self._setting else None
        if plan is not None:
            plan.miss(missing)

    def _forget_places(self) -> None:
        """Where things were means nothing in frames scanned otherwise; the next sum will tell."""
        self._latest_shift = None
        self._latest = dataclasses.replace(
            self._latest,
            phase=Phase.WARMING_UP,  # so that no alarm is re-armed because nothing is marked
            active_tracks=(),
            dismissed_tracks=(),
            registration=None,
            watched=None,
        )

    def _unfinished(self, frame: Frame) -> FrameResult:
        """What is known from the sums so far, where it lies in this frame."""
        latest, drift = self._latest, np.zeros(2)
        if self._latest_shift is not None and self._shifts:
            drift = self._shifts[-1] - self._latest_shift
        x, y = drift.tolist()
        registration = latest.registration and dataclasses.replace(
            latest.registration,
            drift_x_px=latest.registration.drift_x_px + x,
            drift_y_px=latest.registration.drift_y_px + y,
        )
        return dataclasses.replace(
            latest,
            frame=frame.index,
            time_s=frame.time_s,
            disposition="integrated",
            registration=registration,
            active_tracks=_moved(latest.active_tracks, x, y),
            dismissed_tracks=_moved(latest.dismissed_tracks, x, y),
        )

    def _told(self, results: Sequence[FrameResult], plan: SumPlan) -> FrameResult:
        """Of several sums that are complete at once the last result, with the events of all."""
        events = tuple(event for result in results for event in result.events)
        last = dataclasses.replace(results[-1], events=events, integrated_frames=plan.frames)
        unregistered = plan.registration is None
        values = {"integrated_frames": plan.frames, "integrated_unregistered": unregistered}
        refitted = _with_values(last, "model_refitted", {"integrated_frames": plan.frames})
        return self._noted(_with_values(refitted, "model_ready", values))

    def _noted(self, result: FrameResult) -> FrameResult:
        self._latest = dataclasses.replace(result, events=(), detections=())
        return result


def _pixels(frame: Frame) -> FloatArray:
    return np.asarray(frame.data, np.float32)


def _moved(tracks: Sequence[Track], x_px: float, y_px: float) -> tuple[Track, ...]:
    return tuple(
        dataclasses.replace(track, x_px=track.x_px + x_px, y_px=track.y_px + y_px)
        for track in tracks
    )


def _with_mean_current(scans: Sequence[Calibration]) -> Calibration:
    """How the frames of a sum were scanned, so that its dose is the sum of theirs."""
    currents = [scan.current_pA for scan in scans]
    if len(set(currents)) == 1:
        return scans[-1]
    known = [current for current in currents if current is not None]
    mean = sum(known) / len(known) if len(known) == len(scans) else None
    return dataclasses.replace(scans[-1], current_pA=mean)


def _with_values(result: FrameResult, name: str, values: Mapping[str, Any]) -> FrameResult:
    """`result`, its events of that name saying more, or other things."""
    events = tuple(
        dataclasses.replace(event, values={**event.values, **values})
        if isinstance(event, NoticeEvent) and event.event == name
        else event
        for event in result.events
    )
    return dataclasses.replace(result, events=events)
