"""`Detector`: frames in, results out; the one place where the stages meet.

admit -> place -> warm up or score -> decide -> track -> learn. Where the frames come from
is up to `places.Places`; the detector knows no clock, no file and no thread, so that
live, replayed and tested frames take the same path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from livedetect.detect.admit import Admission, Objection
from livedetect.detect.announce import (
    Stamp,
    View,
    defect_event,
    gap_event,
    notice_event,
    rejected_event,
)
from livedetect.detect.book import DefectBook
from livedetect.detect.crystal_model import CrystalModel
from livedetect.detect.dose import COUNTED_BEFORE
from livedetect.detect.early import look_at, told_early
from livedetect.detect.inspection import Looks, inspect
from livedetect.detect.kernels import as_set, is_available
from livedetect.detect.method import Scored
from livedetect.detect.places import PlaceCheck, Places, Said
from livedetect.detect.readiness import first_defects, learn, model_values
from livedetect.detect.relearning import Relearning
from livedetect.detect.reporting import Standing, frame_result
from livedetect.detect.scan_setting import ScanSetting
from livedetect.detect.state import from_state, to_state
from livedetect.detect.steadiness import Floods, Jumps, Pace, Sharpness
from livedetect.detect.summing import one_by_one
from livedetect.detect.tracking import Tracker, positions_of
from livedetect.errors import LivedetectError, SettingsError
from livedetect.inspection import Inspection
from livedetect.protocols import RefitRequest
from livedetect.settings import Settings
from livedetect.types import (
    Command,
    Disposition,
    Event,
    Frame,
    FrameResult,
    Gap,
    PartialFrame,
    Phase,
    Rejection,
    SourceItem,
)


class Judged(NamedTuple):
    """A frame, and what the model in use says of it."""

    frame: Frame
    model: CrystalModel
    scored: Scored


class Detector:
    """Watches one stream of frames and marks every defect that forms, `step` by `step`."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = one_by_one(settings or Settings())
        is_available()  # compiled before the first frame, never during a run
        self._places, self._admission = Places(), Admission()
        self._warm_up: list[Frame] = []
        self._latest: Frame | None = None
        self._sharpness, self._pace, self._jumps = Sharpness(), Pace(), Jumps()
        self._check: PlaceCheck | None = None
        self._floods, self._relearning = Floods(), Relearning()
        self._book, self._looks = DefectBook(), Looks()

    @property
    def phase(self) -> Phase:
        """What the detector is doing."""
        if self._model is None:
            return Phase.WARMING_UP if self._warm_up else Phase.WAITING
        return Phase.LIVE if self._model.alarm.fits else Phase.DRIFTED

    @as_set
    def step(self, item: SourceItem) -> FrameResult:
        """Take in one item of a stream and say what follows from it."""
        if isinstance(item, Frame):
            return self._step_frame(item)
        if isinstance(item, Gap):
            return self._step_gap(item)
        if isinstance(item, Rejection):
            self._places.area.dose.add(item)
            return self._reject(item, [])
        if isinstance(item, PartialFrame):
            return self.look(item)
        if not isinstance(item, SourceItem):
            raise TypeError(f"{type(item).__name__} is no Frame: wrap it with Frame.from_array")
        stamp = self._stamp(item.index, item.time_s)
        return self._result(stamp, "none", [notice_event(item.event, stamp, item.values)])

    @as_set
    def look(self, partial: PartialFrame) -> FrameResult:
        """Judge the rows of an unfinished frame, see `livedetect.protocols.LooksAtRows`."""
        stamp, model = self._stamp(partial.index, partial.time_s), self._model
        doubt = self._check or self._sharpness.changing or self._pace.would_pause(partial.frame)
        seen = None if doubt else look_at(partial, self._latest, model)
        if model is None or seen is None:
            return self._result(stamp, "none", [])
        view = replace(self._view(model), to_frame=seen.method.to_frame)
        fresh = told_early(seen, partial, self._tracker, self._jumps.limit_px(seen.cell_px))
        events = self._book.enter_early(self._tracker, fresh, partial, stamp, view)
        return replace(self._result(stamp, "none", events), watched=seen.scored.watched)

    def apply(self, command: Command) -> Sequence[Event]:
        """Carry out an operator's command; it takes effect before the next frame.

        Raises `SettingsError` if it makes no sense; nothing has changed then.
        """
        actions: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "accept": lambda args: self._book.judge(self._tracker, args, dismissed=False),
            "dismiss": lambda args: self._book.judge(self._tracker, args, dismissed=True),
            "rebaseline": lambda _: self.rebaseline(),
            "return_to_area": lambda args: self._places.return_to(args.get("area_id")),
            "roi": self._set_roi,
            "start_warm_up": lambda _: self.rebaseline(),
        }
        if command.name not in actions:
            raise SettingsError(f"unknown command {command.name!r}; known: {', '.join(actions)}")
        actions[command.name](command.args)
        return ()

    def expose(self, item: Frame | Gap) -> None:
        """Count the dose of frames that have hit the specimen and are not analysed."""
        self._places.area.dose.add(item)

    def refit_request(self) -> RefitRequest | None:
        """See `livedetect.protocols.Refitting`; without anybody to do it `step` learns itself."""
        return self._relearning.request

    def install(self, number: int, learnt: Any) -> None:
        """Take what request `number` gave; it takes effect at the frame that was fixed."""
        self._relearning.deliver(number, learnt)

    def inspect(self, defect_id: int) -> Inspection:
        """Pictures of a defect, before and after; raises `SettingsError` if there are none."""
        method = self._model.method if self._model else None
        return inspect(defect_id, self._tracker, self._looks, method)

    def state(self) -> Mapping[str, Any]:
        """Everything the detector knows, as arrays, numbers and strings."""
        return to_state(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Detector:
        """Continue where `state` was taken; raises `SettingsError` for a foreign mapping."""
        return from_state(state, cls)

    def rebaseline(self) -> None:
        """Learn the crystal anew from the next frames; defects and dose of the area stay."""
        self._places.rebaseline()
        self._learn_anew()

    @property
    def _model(self) -> CrystalModel | None:
        return self._places.area.model

    @property
    def _tracker(self) -> Tracker:
        return self._places.area.tracker

    def _learn_anew(self) -> None:
        self._warm_up.clear()
        self._check, self._floods = None, Floods()
        self._relearning.drop()
        self._sharpness, self._jumps = Sharpness(), Jumps()
        self._looks = Looks()

    def _step_frame(self, frame: Frame) -> FrameResult:
        objection = self._admission.objection(frame)
        self._places.area.dose.add(frame)
        if objection is not None:
            return self._reject(objection.to(frame), [])
        events = self._changed_settings(frame)
        self._latest = frame
        if self._model is None:
            return self._step_warm_up(frame, events)
        if self._relearning.is_due(frame.index):
            events += self._take_relearnt(frame, self._model)
        return self._step_live(frame, self._model, events)

    def _changed_settings(self, frame: Frame) -> list[Event]:
        """Other scan settings are another segment: say so, and which model will serve."""
        changes = self._places.begin(ScanSetting.of(frame))
        if not changes:
            return []
        self._learn_anew()
        self._pace.forget()
        serves = "warming up again"
        if self._model is not None:
            serves = "the model of these settings is taken up again"
            self._model.method.watch(self._settings)
            self._check = self._places.check("return", settling=1)
        values = {"reason": f"the scan settings changed; {serves}", **changes}
        return self._stamped(frame, [("source_changed", values)])

    def _step_warm_up(self, frame: Frame, events: list[Event]) -> FrameResult:
        self._pace.paused(frame)
        events += self._watch_optics(frame)
        if self._sharpness.changing:
            self._warm_up.clear()
        else:
            self._warm_up.append(frame)
        if len(self._warm_up) >= self._settings.warm_up_frames:
            events += self._become_ready(frame)
        return self._result(self._stamp(frame.index, frame.time_s), "warm_up", events)

    def _become_ready(self, frame: Frame) -> list[Event]:
        """Fit the model, find its place, then say what the warm-up frames themselves held."""
        warm_up, self._warm_up = self._warm_up, []
        model = learn(warm_up, self._settings)
        events = self._stamped(frame, self._places.settle(model))
        self._looks.begin(warm_up, model.method)
        return events + self._introduce(model, warm_up, frame, ("model_ready", {}))

    def _take_relearnt(self, frame: Frame, used: CrystalModel) -> list[Event]:
        """Go on with a model learnt from the latest frames; what was known stays known."""
        taken = self._relearning.take()
        try:
            model = self._places.replace(taken)
        except LivedetectError as error:
            failed = self._relearning.fail(taken, error, used)
            return self._stamped(frame, [("model_drifted", failed)])
        self._looks.move(taken.start)
        learnt_from, said = taken.snapshot.frames, ("model_refitted", taken.said())
        return self._introduce(model, learnt_from, frame, said)

    def _introduce(
        self, model: CrystalModel, learnt_from: Sequence[Frame], frame: Frame, said: Said
    ) -> list[Event]:
        """Say what a new model is like, and what the frames it was learnt from held."""
        stamp, view = self._stamp(frame.index, frame.time_s), self._view(model)
        values = model_values(model, learnt_from, self._settings, stamp.dose_e_per_A2) | {**said[1]}
        held = first_defects(model, learnt_from, self._tracker, self._book, stamp, view)
        return [notice_event(said[0], stamp, values), *held]

    def _watch_optics(self, frame: Frame) -> list[Event]:
        """Say when the operator begins to change the optics, and when they are steady again."""
        turn = self._sharpness.step(self._admission.rows)
        said = [(f"optics_{turn}", self._sharpness.said(turn))] if turn else []
        return self._stamped(frame, said)

    def _step_live(self, frame: Frame, model: CrystalModel, events: list[Event]) -> FrameResult:
        frozen = self._sharpness.changing
        events += self._watch_optics(frame)
        if self._pace.paused(frame):
            model.method.restart()
            self._check = self._check or self._places.check("pause", settling=1)
        scored = model.method.score(self._admission.rows.image)
        if scored.suspect:
            return self._refuse(frame, scored.suspect, events)
        self._looks.add(frame, scored.shift)
        if scored.slip_px:
            jump = {"reason": "jump", "jump_px": scored.slip_px}
            events += self._stamped(frame, [("slip_possible", jump)])
        jumped = self._jumps.step(scored.innovation_px, model.cell_px)
        if frozen or self._sharpness.changing:
            self._relearning.drop()
            model.disown(scored.regions)
            if not self._sharpness.changing:
                model.method.restart()
                self._check = self._places.check("refocus")
            return self._quiet_result(frame, scored, events)
        if jumped and (self._check is None or self._check.cause == "jump"):
            self._check = self._places.check("jump", after=self._check)
        now = Judged(frame, model, scored)
        if self._check is not None:
            self._relearning.drop()
            return self._step_check(self._check, now, events)
        drifted = self._relearning.watch(frame, scored, model, self._settings)
        events += self._stamped(frame, [("model_drifted", values) for values in drifted])
        return self._step_steady(now, events, learning=True)

    def _step_steady(self, now: Judged, events: list[Event], *, learning: bool) -> FrameResult:
        """Decide, track and learn; so many newcomers at once are doubted first."""
        frame, model, scored = now
        stamp, view = self._stamp(frame.index, frame.time_s), self._view(model)
        trusted = [] if model.alarm.suspends else scored.candidates
        fresh = self._tracker.unexplained(trusted, frame.index)
        if self._floods.step(len(fresh)):
            self._check = self._places.check("crowd")
            return self._step_check(self._check, now, events)
        if model.alarm.distrusts_regions:
            model.disown(scored.regions)
        elif learning:
            events += self._book.enter_regions(self._tracker, scored.regions, stamp, view)
        for candidate in fresh:
            events.append(self._book.confirm(self._tracker, candidate, model.method, stamp, view))
        if not learning:
            return self._result(stamp, "scored", events, scored)
        newcomers = positions_of(self._tracker.newcomers())
        healed = [] if model.alarm.hidden else self._tracker.heal(model.method.signal(newcomers))
        events += [defect_event("defect_healed", defect, stamp, view) for defect in healed]
        model.method.learn(newcomers)
        model.remember(self._admission.rows.image, scored.shift)
        return self._result(stamp, "scored", events, scored)

    def _step_check(self, check: PlaceCheck, now: Judged, events: list[Event]) -> FrameResult:
        """While the place is in doubt nothing is learnt and, but for a pause, nothing confirmed."""
        frame, model, scored = now
        check.note(scored)
        settling = check.settling
        if slipped := self._places.put_right(check):
            return self._quiet_result(frame, scored, events + self._stamped(frame, [slipped]))
        if not check.add(self._admission.rows.image, scored.shift, scored.outlier_share):
            if settling:
                model.method.restart()
            elif check.cause == "pause":
                return self._step_steady(now, events, learning=False)
            return self._quiet_result(frame, scored, events)
        self._check = None
        self._floods.trust()
        verdict, said = self._places.conclude(check)
        events += self._stamped(frame, said)
        if verdict == "elsewhere":
            self._learn_anew()
            return self._quiet_result(frame, scored, events)
        if check.sees_another_crystal:
            model.alarm.raise_now()
            model.disown(check.regions)
            events += self._stamped(frame, [check.other_crystal()])
        elif said:
            model.disown(check.regions)
        else:
            stamp, view = self._stamp(frame.index, frame.time_s), self._view(model)
            events += self._book.enter_regions(self._tracker, check.regions, stamp, view)
        return self._quiet_result(frame, scored, events)

    def _refuse(self, frame: Frame, message: str, events: list[Event]) -> FrameResult:
        """A frame without the crystal; too many of them, and a model taken up again is left."""
        if self._check is not None and self._check.refuse():
            self._places.drop_model()
            self._learn_anew()
            said = {"reason": "the earlier model does not fit; warming up again"}
            events += self._stamped(frame, [("source_changed", said)])
        return self._reject(Objection("suspect", message).to(frame), events)

    def _quiet_result(self, frame: Frame, scored: Scored, events: list[Event]) -> FrameResult:
        """Scored, but not believed."""
        stamp = self._stamp(frame.index, frame.time_s)
        return self._result(stamp, "scored", events, replace(scored, candidates=()))

    def _step_gap(self, gap: Gap) -> FrameResult:
        self._places.area.dose.add(gap)
        if self._model is not None:
            self._model.method.miss(gap.missing_frames)
        stamp = self._stamp(gap.first_missing, gap.time_s)
        return self._result(stamp, "none", [gap_event(gap, stamp)])

    def _reject(self, rejection: Rejection, events: list[Event]) -> FrameResult:
        if self._model is not None and rejection.reason not in COUNTED_BEFORE:
            self._model.method.miss(1)
        stamp = self._stamp(rejection.index, rejection.time_s)
        events = [*events, rejected_event(rejection, stamp)]
        return self._result(stamp, rejection.reason, events)

    def _set_roi(self, args: Mapping[str, Any]) -> None:
        self._settings = self._settings.with_values({"roi": args.get("rectangle")})
        self._relearning.drop()
        if self._model is not None:
            self._model.method.watch(self._settings)

    def _view(self, model: CrystalModel) -> View:
        assert self._latest is not None  # noqa: S101 - frames have come
        return model.view(self._latest.calibration)

    def _stamped(self, frame: Frame, said: Iterable[Said]) -> list[Event]:
        stamp = self._stamp(frame.index, frame.time_s)
        return [notice_event(name, stamp, values) for name, values in said]

    def _stamp(self, frame: int, time_s: float) -> Stamp:
        return self._places.stamp(frame, time_s)

    def _result(
        self,
        stamp: Stamp,
        disposition: Disposition,
        events: Sequence[Event],
        scored: Scored | None = None,
    ) -> FrameResult:
        model, wanted = self._model, self._settings.warm_up_frames
        standing = Standing(
            phase=self.phase,
            model=model,
            view=self._view(model) if model else None,
            tracker=self._tracker,
            warm_up=(wanted if model else len(self._warm_up), wanted),
        )
        return frame_result(standing, stamp, disposition, events, scored)
