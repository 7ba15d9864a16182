"""A recorded run in which everything happens that a session view must show."""

import numpy as np

from livedetect.detect.detector import Detector
from livedetect.settings import Settings
from livedetect.stream.record import Recorder
from livedetect.stream.registry import open_source
from livedetect.types import Command, Frame, Gap, NoticeEvent

SPEC = "sim:mos2?size=192&frames=70&seed=1&damage_from=14&detected_e_per_px=10&drift_px=0.6"


def stream():
    """A stream with a gap, a frame of the beam blanked, and another scan at its end."""
    for item in open_source(SPEC):
        if item.index == 30:
            yield Gap(first_missing=30, missing_frames=3, time_s=item.time_s)
        elif item.index == 40:
            yield Frame.from_array(np.zeros_like(item.data), index=40, time_s=item.time_s)
        elif item.index < 66 and item.index not in (31, 32):
            yield item
    small = open_source("sim:mos2?size=128&frames=3&seed=2")
    yield from (Frame.from_array(f.data, index=66 + f.index, time_s=99.0) for f in small)


def record(folder):
    """Record with a dismissal and a new baseline on the way; returns the results."""
    recorder, engine, results = Recorder(folder), Detector(Settings()), []
    values = {"session_id": "0" * 32, "source": SPEC, "version": "0"}
    started = {**values, "settings": Settings().as_dict()}
    recorder.on_event(NoticeEvent(event="run_started", frame=0, time_s=0.0, values=started))
    for item in stream():
        for command in orders(item, results):
            engine.apply(command)
            told = {"name": command.name, "args": dict(command.args), "ok": True}
            recorder.on_event(
                NoticeEvent(event="command", frame=item.index, time_s=0.0, values=told)
            )
        recorder.on_frame(item)
        results.append(engine.step(item))
        recorder.on_result(results[-1])
    ended = {"status": "success", "reason": "", "ledger": {}}
    recorder.on_event(NoticeEvent(event="run_ended", frame=68, time_s=0.0, values=ended))
    recorder.close()
    return results


def orders(item, results):
    """The first marker is dismissed before frame 35; a new baseline is set before frame 45."""
    if isinstance(item, Frame) and item.index == 35:
        first = results[-1].active_tracks[0].defect_id
        return [Command(name="dismiss", args={"defect_id": first})]
    return [Command(name="rebaseline")] if getattr(item, "index", 0) == 45 else []
