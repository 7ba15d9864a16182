"""`Detector`: frames in, results out; the one place where the stages meet.

admit -> warm up or score -> decide -> track -> learn. The detector holds one area of the
specimen; it knows no clock, no file and no thread, so that live, replayed and tested
frames take the same path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from livedetect.detect.admit import Admission, clipped_fraction
from livedetect.detect.announce import (
    Stamp,
    View,
    defect_event,
    detection,
    notice_event,
    region_event,
    track,
)
from livedetect.detect.arrays import FloatArray
from livedetect.detect.dose import COUNTED_BEFORE, DoseMeter
from livedetect.detect.drift_alarm import DriftAlarm
from livedetect.detect.inspection import Looks, inspect
from livedetect.detect.kernels import is_available
from livedetect.detect.lattice_method import lattice_method
from livedetect.detect.method import Candidate, Method, Scored
from livedetect.detect.patterson import PattersonMethod
from livedetect.detect.regions import Region
from livedetect.detect.scan_changes import differences
from livedetect.detect.semantic import SemanticMethod
from livedetect.detect.state import from_state, to_state
from livedetect.detect.tracking import Defect, Tracker, positions_of
from livedetect.detect.watch import BLOCK_PX
from livedetect.errors import LatticeNotFoundError, SettingsError
from livedetect.inspection import Inspection
from livedetect.settings import Settings
from livedetect.types import (
    Command,
    Disposition,
    Event,
    Frame,
    FrameResult,
    Gap,
    Phase,
    Rejection,
    SourceItem,
)

MethodFactory = Callable[[Sequence[FloatArray], Settings, float | None], Method]

METHODS: Mapping[str, MethodFactory] = {
    "lattice": lattice_method,
    "patterson": PattersonMethod,
    "semantic": SemanticMethod,
}
CLIPPED_SHARE = 0.05


class Detector:
    """Watches one stream of frames and marks every defect that forms.

    >>> detector = Detector()
    >>> for frame in livedetect.open_source("sim:mos2?seed=1"):   # doctest: +SKIP
    ...     result = detector.step(frame)
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        is_available()  # compiled before the first frame, never during a run
        self._segment_id = 0
        self._dose = DoseMeter()
        self._defect_count = 0
        self._region_count = 0
        self._latest: Frame | None = None
        self._forget_model()

    @property
    def phase(self) -> Phase:
        """What the detector is doing."""
        if self._method is None:
            return Phase.WARMING_UP if self._warm_up else Phase.WAITING
        return Phase.DRIFTED if self._alarm.drifted else Phase.LIVE

    def step(self, item: SourceItem) -> FrameResult:
        """Take in one item of a stream and say what follows from it."""
        if isinstance(item, Frame):
            return self._step_frame(item)
        if isinstance(item, Gap):
            return self._step_gap(item)
        if isinstance(item, Rejection):
            self._dose.add(item)
            return self._reject(item, [])
        stamp = self._stamp(item.index, item.time_s)
        return self._result(stamp, "none", [notice_event(item.event, stamp, item.values)])

    def apply(self, command: Command) -> Sequence[Event]:
        """Carry out an operator's command; it takes effect before the next frame.

        Raises
        ------
        SettingsError
            The command or its arguments make no sense; nothing has changed.
        """
        actions: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "rebaseline": lambda _: self.rebaseline(),
            "start_warm_up": lambda _: self.rebaseline(),
            "accept": lambda args: self._judge(args, dismissed=False),
            "dismiss": lambda args: self._judge(args, dismissed=True),
            "roi": self._set_roi,
        }
        if command.name not in actions:
            known = ", ".join(sorted(actions))
            raise SettingsError(f"unknown command {command.name!r}; known: {known}")
        actions[command.name](command.args)
        return ()

    def inspect(self, defect_id: int) -> Inspection:
        """Pictures of a defect, before and after; raises `SettingsError` if there are none."""
        return inspect(defect_id, self._tracker, self._looks, self._method)

    def state(self) -> Mapping[str, Any]:
        """Everything the detector knows, as arrays, numbers and strings."""
        return to_state(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Detector:
        """Continue where `state` was taken; raises `SettingsError` for a foreign mapping."""
        detector = from_state(state)
        if not isinstance(detector, cls):
            raise SettingsError("this state does not hold a detector")
        return detector

    def rebaseline(self) -> None:
        """Learn the crystal anew from the next frames; defects and dose of the area stay."""
        kept = self._tracker.defects
        method = self._method
        self._forget_model()
        if method is not None and kept:
            self._carried += zip(kept, method.to_frame(positions_of(kept)), strict=True)

    def _forget_model(self) -> None:
        self._method: Method | None = None
        self._admission = Admission()
        self._warm_up: list[Frame] = []
        self._tracker = Tracker(0.0)
        self._carried: list[tuple[Defect, FloatArray]] = []
        self._alarm = DriftAlarm()
        self._looks = Looks()
        self._fallback = False

    def _step_frame(self, frame: Frame) -> FrameResult:
        objection = self._admission.objection(frame)
        self._dose.add(frame)
        stamp = self._stamp(frame.index, frame.time_s)
        if objection is not None:
            return self._reject(
                Rejection(
                    index=frame.index,
                    reason=objection.reason,
                    message=objection.message,
                    time_s=frame.time_s,
                ),
                [],
            )
        events = self._changed_settings(frame)
        self._latest = frame
        if self._method is None:
            return self._step_warm_up(frame, stamp, events)
        return self._step_live(frame, self._method, events)

    def _changed_settings(self, frame: Frame) -> list[Event]:
        """Another shape or calibration is another model: start a segment and say so."""
        changes = differences(self._latest, frame) if self._latest else {}
        if not changes:
            return []
        self._forget_model()
        self._segment_id += 1
        values = {"reason": "the scan settings changed; warming up again", **changes}
        return [notice_event("source_changed", self._stamp(frame.index, frame.time_s), values)]

    def _step_warm_up(self, frame: Frame, stamp: Stamp, events: list[Event]) -> FrameResult:
        self._warm_up.append(frame)
        if len(self._warm_up) >= self._settings.warm_up_frames:
            events += self._become_ready(frame, stamp)
        return self._result(self._stamp(frame.index, frame.time_s), "warm_up", events)

    def _become_ready(self, frame: Frame, stamp: Stamp) -> list[Event]:
        """Fit the model, then say what the warm-up frames themselves held."""
        warm_up, self._warm_up = self._warm_up, []
        method = self._fit([entry.data.astype(np.float32) for entry in warm_up])
        self._method = method
        self._looks.begin(warm_up, method)
        self._tracker = Tracker(method.merge_radius_px)
        for defect, position in self._carried:
            self._tracker.carry(defect, position)
        ready = self._model_values(method, warm_up)
        events: list[Event] = [notice_event("model_ready", stamp, ready)]
        view = View(to_frame=method.to_frame, calibration=frame.calibration)
        for first, candidate in method.in_warm_up():
            for fresh in self._tracker.unexplained([candidate], frame.index):
                defect = self._confirm(fresh, warm_up[first].index, frame.index)
                events.append(
                    defect_event("defect_confirmed", defect, stamp, view, during_warm_up=True)
                )
        for candidate in self._tracker.unexplained(method.at_start(), frame.index):
            defect = self._confirm(candidate, warm_up[0].index, frame.index, at_start=True)
            events.append(defect_event("defect_at_start", defect, stamp, view))
        return events

    def _fit(self, frames: list[FloatArray]) -> Method:
        """The method the user chose, or the Patterson branch where there is no lattice."""
        dwell_us = self._latest.calibration.dwell_us if self._latest else None
        try:
            return METHODS[self._settings.method](frames, self._settings, dwell_us)
        except LatticeNotFoundError:
            self._fallback = True
            return PattersonMethod(frames, self._settings, dwell_us)

    def _model_values(self, method: Method, warm_up: Sequence[Frame]) -> dict[str, Any]:
        pixel = warm_up[-1].calibration.pixel_size_nm
        lattice = method.lattice_px
        clipped = max(clipped_fraction(frame.data) for frame in warm_up)
        warnings = []
        if clipped > CLIPPED_SHARE:
            warnings.append(
                f"{100 * clipped:.0f} % of the pixels are clipped at black level, which hides "
                "vacancies: raise the detector's offset"
            )
        if self._fallback:
            warnings.append("no lattice found: watching by Patterson windows, less sensitively")
        return {
            "frames_used": len(warm_up),
            "first_frame": warm_up[0].index,
            "lattice_nm": None if lattice is None or pixel is None else (lattice * pixel).tolist(),
            "lattice_px": None if lattice is None else lattice.tolist(),
            "sites": method.sites,
            "false_markers_per_1000_frames": self._settings.false_markers_per_1000_frames,
            "fallback": self._fallback,
            "method": "patterson" if self._fallback else self._settings.method,
            "threshold": method.threshold,
            "dose_used_e_per_A2": self._dose.total,
            "warnings": warnings,
        }

    def _step_live(self, frame: Frame, method: Method, events: list[Event]) -> FrameResult:
        scored = method.score(frame.data.astype(np.float32))
        stamp = self._stamp(frame.index, frame.time_s)
        if scored.suspect:
            rejection = Rejection(
                index=frame.index, reason="suspect", message=scored.suspect, time_s=frame.time_s
            )
            return self._reject(rejection, events)
        self._looks.add(frame, method.shift)
        if scored.slip_px:
            events.append(
                notice_event("slip_possible", stamp, {"reason": "jump", "jump_px": scored.slip_px})
            )
        change = self._alarm.step(scored.outlier_share)
        if change:
            values = {"reason": change, "outlier_share": scored.outlier_share}
            events.append(notice_event("model_drifted", stamp, values))
        view = View(to_frame=method.to_frame, calibration=frame.calibration)
        for region in scored.regions:
            events += self._announce(region, stamp, view)
        trusted = [] if self._alarm.suspends else scored.candidates
        for candidate in self._tracker.unexplained(trusted, frame.index):
            defect = self._confirm(candidate, frame.index, frame.index)
            events.append(defect_event("defect_confirmed", defect, stamp, view))
        newcomers = positions_of(self._tracker.newcomers())
        healed = self._tracker.heal(method.signal(newcomers))
        events += [defect_event("defect_healed", defect, stamp, view) for defect in healed]
        method.learn(newcomers)
        return self._result(stamp, "scored", events, scored)

    def _announce(self, region: Region, stamp: Stamp, view: View) -> list[Event]:
        """A region, and the one defect that stands for it; points inside are part of it."""
        self._tracker.absorb(region.outline)
        candidate = Candidate(
            position=region.centre,
            score=self._method.threshold if self._method else 0.0,
            p_value=0.0,
            window_frames=1,
            sublattice=0,
            kind="unknown",
            confidence=0.0,
        )
        defect = self._confirm(candidate, stamp.frame, stamp.frame)
        defect.region_id = self._region_count
        self._region_count += 1
        return [
            region_event(region, defect.region_id, stamp, view),
            defect_event("defect_confirmed", defect, stamp, view),
        ]

    def _step_gap(self, gap: Gap) -> FrameResult:
        self._dose.add(gap)
        if self._method is not None:
            self._method.miss(gap.missing_frames)
        stamp = self._stamp(gap.first_missing, gap.time_s)
        values = {
            "first_missing": gap.first_missing,
            "missing_frames": gap.missing_frames,
            "reason": gap.reason,
        }
        return self._result(stamp, "none", [notice_event("gap", stamp, values)])

    def _reject(self, rejection: Rejection, events: list[Event]) -> FrameResult:
        if self._method is not None and rejection.reason not in COUNTED_BEFORE:
            self._method.miss(1)
        stamp = self._stamp(rejection.index, rejection.time_s)
        values = {"reason": rejection.reason, "message": rejection.message}
        return self._result(
            stamp, rejection.reason, [*events, notice_event("frame_rejected", stamp, values)]
        )

    def _confirm(
        self, candidate: Candidate, first_seen: int, confirmed: int, *, at_start: bool = False
    ) -> Defect:
        defect = Defect(
            defect_id=self._defect_count,
            position=candidate.position,
            candidate=candidate,
            first_seen_frame=first_seen,
            confirmed_frame=confirmed,
            last_seen_frame=confirmed,
            at_start=at_start,
        )
        self._defect_count += 1
        self._tracker.defects.append(defect)
        if not at_start:
            self._tracker.supersede(defect)
        return defect

    def _judge(self, args: Mapping[str, Any], *, dismissed: bool) -> None:
        wanted = args.get("defect_id")
        for defect in self._tracker.defects:
            if defect.defect_id == wanted:
                defect.dismissed = dismissed
                return
        raise SettingsError(f"no defect has the id {wanted!r}")

    def _set_roi(self, args: Mapping[str, Any]) -> None:
        self._settings = self._settings.with_values({"roi": args.get("rectangle")})
        if self._method is not None:
            self._method.watch(self._settings)

    def _stamp(self, frame: int, time_s: float) -> Stamp:
        return Stamp(
            frame=frame,
            time_s=time_s,
            area_id=0,
            segment_id=self._segment_id,
            dose_e_per_A2=self._dose.total,
        )

    def _result(
        self,
        stamp: Stamp,
        disposition: Disposition,
        events: Sequence[Event],
        scored: Scored | None = None,
    ) -> FrameResult:
        method = self._method
        latest = self._latest
        view = None
        if method is not None and latest is not None:
            view = View(to_frame=method.to_frame, calibration=latest.calibration)
        active = self._tracker.active if view else []
        seen = scored.candidates if scored else ()
        positions = positions_of([*active, *seen])
        places = view.to_frame(positions) if view else positions
        held = [
            (d.dismissed, track(d, view, place))
            for d, place in zip(active, places, strict=False)
            if view
        ]
        return FrameResult(
            frame=stamp.frame,
            time_s=stamp.time_s,
            phase=self.phase,
            disposition=disposition,
            events=tuple(events),
            detections=tuple(map(detection, seen, places[len(active) :])),
            active_tracks=tuple(entry for dismissed, entry in held if not dismissed),
            dismissed_tracks=tuple(entry for dismissed, entry in held if dismissed),
            registration=scored.registration if scored else None,
            area_id=stamp.area_id,
            segment_id=stamp.segment_id,
            dose_e_per_A2=stamp.dose_e_per_A2,
            warm_up_done=len(self._warm_up) if method is None else self._settings.warm_up_frames,
            warm_up_frames=self._settings.warm_up_frames,
            threshold=method.threshold if method else None,
            watched=scored.watched if scored else None,
            watched_block_px=BLOCK_PX,
        )
