"""The session: one loop that takes frames from a source through the engine to the sinks."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import livedetect
from livedetect.errors import LivedetectError, SettingsError
from livedetect.protocols import Engine, FrameTap, ResultSink, Source
from livedetect.settings import Settings
from livedetect.stream.alarm import Alarm, watched_area_nm2
from livedetect.stream.backlog import Arrival, Backlog, Receiver
from livedetect.stream.latency import Timing
from livedetect.stream.ledger import Ledger
from livedetect.stream.looks import RowLooks
from livedetect.stream.outcome import (
    Reason,
    RunOutcome,
    Status,
    failure,
    last_word,
    nothing_came,
    nothing_usable,
)
from livedetect.stream.outputs import Outputs
from livedetect.stream.queries import QuerySource, answer_query
from livedetect.stream.refits import Refits
from livedetect.stream.status import CommandSource, SessionStatus
from livedetect.types import (
    Command,
    Event,
    Frame,
    FrameResult,
    Gap,
    NoticeEvent,
    PartialFrame,
    Phase,
    Rejection,
    SourceItem,
)

_POLL_S = 0.1
_STATUS_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How a session runs, beside what is analysed."""

    settings: Settings = field(default_factory=Settings)
    """Reported in `run_started`; the alarm rule and the pixel size are used here."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set from outside (a signal) it aborts the session; the source shares it."""
    frames: int | None = None
    """End after so many received frames."""
    idle_timeout_s: float | None = None
    """End when no frame has come for so long, s."""
    stall_s: float = 10.0
    """Say `stalled` when no frame has come for so long, s."""
    backlog_frames: int = 8
    """Frames a live source may be ahead of a slower engine before the newest wins."""
    commands: Sequence[CommandSource] = ()
    """Where operator's commands come from."""


def run_session(
    source: Source,
    engine: Engine,
    *,
    taps: Sequence[FrameTap] = (),
    sinks: Sequence[ResultSink] = (),
    options: SessionOptions | None = None,
) -> RunOutcome:
    """Take every frame of `source` through `engine`; close source and sinks at the end.

    Never raises for what goes wrong in the source, the engine or a sink: the outcome tells.
    A live source is drained beside the loop, and the newest frame wins when the engine is
    behind; a finite one waits for the engine.
    """
    return Session(source, engine, Outputs(taps, sinks), options or SessionOptions()).run()


class Session:
    """The state of one run; use `run_session`."""

    def __init__(
        self, source: Source, engine: Engine, outputs: Outputs, options: SessionOptions
    ) -> None:
        self._info = source.info
        self._engine = engine
        self._outputs = outputs
        self._options = options
        self._refits = Refits(engine)
        self._looks = RowLooks(engine, live=source.info.live)
        self._receiver = Receiver(source, options.stop)
        self._ledger = Ledger()
        self._alarm = Alarm(options.settings.alarm)
        self._timing = Timing()
        self._backlog = Backlog(options.backlog_frames)
        self._session_id = uuid.uuid4().hex
        self._latest = FrameResult(frame=-1, time_s=0.0, phase=Phase.WAITING, disposition="none")
        self._heard_s = self._status_s = self._started_s = time.monotonic()
        self._stalled = False
        self._told_to_stop = False

    def run(self) -> RunOutcome:
        """Run to the end; see `run_session`."""
        self._announce()
        reason, message = self._run_guarded()
        outcome = self._outcome(reason, message)
        self._receiver.close()
        self._report(outcome)
        self._outputs.close()
        self._refits.close()  # last: the recording does not wait for what nobody uses
        return dataclasses.replace(outcome, faults=tuple(self._outputs.faults))

    def _announce(self) -> None:
        values = {
            "session_id": self._session_id,
            "source": self._info.name,
            "version": livedetect.__version__,
            "settings": self._options.settings.as_dict(),
        }
        self._outputs.on_event(self._event("run_started", max(self._latest.frame, 0), values))

    def _run_guarded(self) -> tuple[Reason, str]:
        self._receiver.start(
            other_channels=self._outputs.wants_other_channels,
            rows=self._looks.wanted,
        )
        try:
            reason = self._loop()
        except Exception as error:  # noqa: BLE001 - what was analysed must be saved
            _log.exception("the analysis failed after frame %d", self._latest.frame)
            return "failed", failure("analysis", self._latest.frame, error)
        if reason == "source_ended" and self._receiver.error is not None:
            _log.error("the source failed", exc_info=self._receiver.error)
            return "failed", failure("source", self._latest.frame, self._receiver.error)
        return reason, self._last_word(reason)

    def _loop(self) -> Reason:
        while True:
            reason = self._end_reason()
            if reason is not None:
                return reason
            self._receive()
            if self._backlog:
                self._step(self._backlog.take())
            else:
                self._obey(self._ledger.next_index)
                self._watch_idle()

    def _end_reason(self) -> Reason | None:
        if self._options.stop.is_set():
            return "interrupted"
        if self._told_to_stop:
            return "command"
        if self._backlog:
            return None
        if self._enough():
            return "frames"
        if self._receiver.exhausted:
            # what was ordered after the last frame is carried out as well
            self._obey(self._ledger.next_index)
            return "command" if self._told_to_stop else "source_ended"
        timeout = self._options.idle_timeout_s
        return "idle_timeout" if timeout is not None and self._idle_s() >= timeout else None

    def _enough(self) -> bool:
        return self._options.frames is not None and self._ledger.received >= self._options.frames

    def _receive(self) -> None:
        """Move what has arrived to the backlog: all of a live source, else one."""
        arrival = None if self._enough() else self._next_arrival()
        while arrival is not None:
            self._admit(arrival)
            more = self._info.live and not arrival.stored and not self._enough()
            arrival = self._receiver.take(0.0) if more else None
        if self._info.live:
            learning = self._latest.phase in (Phase.WAITING, Phase.WARMING_UP)
            self._backlog.skip_if_behind(learning=learning)

    def _next_arrival(self) -> Arrival | None:
        if self._backlog:
            waits = not self._info.live or self._backlog.stored
            return None if waits else self._receiver.take(0.0)
        return self._receiver.take(_POLL_S)

    def _admit(self, arrival: Arrival) -> None:
        if arrival.other_channel:
            self._outputs.on_other_frame(arrival.item)
            return
        if isinstance(arrival.item, (Frame, PartialFrame)):
            self._heard_s = time.monotonic()
            self._stalled = False
        if isinstance(arrival.item, PartialFrame):
            self._backlog.put(arrival)
            return
        waited = not self._info.live or arrival.stored
        at_s = time.monotonic() if waited else arrival.at_s
        for item in self._ledger.admit(arrival.item):
            is_late = isinstance(item, Rejection) and item.reason == "late"
            # a late frame is no use to the analysis any more, but its pixels are worth keeping
            self._outputs.on_frame(arrival.item if is_late else item)
            self._backlog.put(Arrival(item=item, at_s=at_s, stored=arrival.stored))

    def _look(self, partial: PartialFrame) -> None:
        """Show the engine an unfinished frame, which is neither counted nor recorded."""
        result = self._looks.look(partial, self._ledger.next_index)
        if result is not None and result.events:
            for event in self._with_alarm(partial.frame, result).events:
                self._outputs.on_event(event)

    def _step(self, arrival: Arrival) -> None:
        if isinstance(arrival.item, PartialFrame):
            self._look(arrival.item)
            return
        self._obey(first_index(arrival.item))
        if self._told_to_stop or not self._refits.before(arrival.item):
            self._backlog.put_back(arrival)
            self._watch_idle()
            return
        begun_s = time.monotonic()
        result = self._engine.step(arrival.item)
        self._refits.follow()
        self._ledger.settle(arrival.item, result.disposition)
        self._time(arrival, begun_s, result)
        self._latest = result = self._with_alarm(arrival.item, result)
        self._outputs.on_result(result)
        self._tell_status()

    def _time(self, arrival: Arrival, begun_s: float, result: FrameResult) -> None:
        if isinstance(arrival.item, Frame):
            now = time.monotonic()
            # a long step is no silence of the source: what came meanwhile has yet to be taken
            self._heard_s = max(self._heard_s, now)
            self._timing.add(arrival.at_s, now)
            within_sum = result.disposition == "integrated"
            self._backlog.note_step(now - begun_s, completes=not within_sum)

    def _with_alarm(self, item: SourceItem, result: FrameResult) -> FrameResult:
        if not isinstance(item, Frame):
            return result
        event = self._alarm.update(result, self._watched_nm2(item, result))
        return dataclasses.replace(result, events=(*result.events, event)) if event else result

    def _watched_nm2(self, frame: Frame, result: FrameResult) -> float | None:
        calibration = frame.calibration
        pixel_nm = calibration.pixel_size_nm or self._options.settings.pixel_size_nm
        pixel_nm2 = pixel_nm**2 * calibration.pixel_aspect if pixel_nm else None
        return watched_area_nm2(frame.data.shape, result, pixel_nm2)

    def _obey(self, frame: int) -> None:
        """Carry out the commands that have come; `frame` is the first they can affect."""
        for source in self._options.commands:
            for command in source.poll():
                self._obey_one(command, frame)
                self._refits.follow()
            if isinstance(source, QuerySource):
                for query in source.queries():
                    answer_query(query, self._engine)

    def _obey_one(self, command: Command, frame: int) -> None:
        self._looks.note_command(frame)
        events: Sequence[Event] = ()
        fault: str | None = None
        try:
            events = self._carry_out(command)
        except LivedetectError as error:
            fault = str(error)
        values = {"name": command.name, "args": dict(command.args), "ok": fault is None}
        self._outputs.on_event(self._event("command", frame, values | {"error": fault}))
        for event in events:
            self._outputs.on_event(event)

    def _carry_out(self, command: Command) -> Sequence[Event]:
        if command.name == "stop":
            self._told_to_stop = True
        elif command.name == "set_alarm":
            self._set_alarm(command.args)
        elif command.name != "note":  # of a note the event is all there is
            return self._engine.apply(command)
        return ()

    def _set_alarm(self, args: Mapping[str, Any]) -> None:
        known = {"rule", "limit", "action"}
        if not set(args) <= known:
            raise SettingsError(f"set_alarm takes {', '.join(sorted(known))}, not {sorted(args)}")
        self._alarm.change(dataclasses.replace(self._alarm.settings, **args))

    def _idle_s(self) -> float:
        return time.monotonic() - self._heard_s

    def _watch_idle(self) -> None:
        if not self._stalled and self._info.live and self._idle_s() >= self._options.stall_s:
            self._stalled = True
            values = {"reason": "no frame came", "idle_s": self._idle_s()}
            self._outputs.on_event(self._event("stalled", max(self._latest.frame, 0), values))
        if time.monotonic() - self._status_s >= _STATUS_S:
            self._tell_status()

    def _tell_status(self) -> None:
        self._status_s = time.monotonic()
        self._outputs.on_status(
            SessionStatus(
                frame=self._latest.frame,
                phase=self._latest.phase,
                ledger=self._ledger.counts(),
                frames_per_s=0.0 if self._stalled else self._timing.frames_per_s,
                latency_ms=self._timing.latency.summary_ms(),
                last_latency_ms=self._timing.last_latency_ms,
                alarm=self._alarm.raised,
                alarm_value=self._alarm.value,
                stale=self._stalled,
            )
        )

    def _last_word(self, reason: Reason) -> str:
        wanted = self._latest.warm_up_frames or self._options.settings.warm_up_frames
        return last_word(reason, self._ledger, wanted)

    def _outcome(self, reason: Reason, message: str) -> RunOutcome:
        status: Status = "success"
        idle = nothing_came(reason, self._ledger) or nothing_usable(self._ledger)
        if reason == "interrupted":
            status = "abort"
        elif reason == "failed" or idle:
            status = "fail"
        return RunOutcome(
            status=status,
            reason=reason,
            message=message,
            ledger=self._ledger.counts(),
            latency_ms=self._timing.latency.summary_ms(),
            session_id=self._session_id,
            not_taken=self._receiver.not_taken,
        )

    def _report(self, outcome: RunOutcome) -> None:
        values = {
            "status": outcome.status,
            "reason": outcome.reason,
            "message": outcome.message,
            "ledger": outcome.ledger,
            "latency_ms": outcome.latency_ms,
            "duration_s": time.monotonic() - self._started_s,
        }
        self._outputs.on_event(self._event("run_ended", max(self._latest.frame, 0), values))

    def _event(self, name: str, frame: int, values: Mapping[str, Any]) -> NoticeEvent:
        return NoticeEvent(
            event=name,
            frame=frame,
            time_s=self._latest.time_s,
            area_id=self._latest.area_id,
            segment_id=self._latest.segment_id,
            dose_e_per_A2=self._latest.dose_e_per_A2,
            values=values,
        )


def first_index(item: SourceItem) -> int:
    """Index of the frame an item is about; of the first one for a gap."""
    return item.first_missing if isinstance(item, Gap) else item.index
