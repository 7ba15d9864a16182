"""Results, events and pictures, for those who publish or read them."""

import numpy as np

from livedetect.types import Frame, FrameResult, NoticeEvent, Phase


def result(frame: int, phase: Phase = Phase.LIVE, events=()) -> FrameResult:
    return FrameResult(
        frame=frame, time_s=0.1 * frame, phase=phase, disposition="scored", events=events
    )


def notice(frame: int, name: str = "gap", **values) -> NoticeEvent:
    return NoticeEvent(event=name, frame=frame, time_s=0.0, values=values)


def picture(index: int, edge: int = 32) -> Frame:
    ramp = np.arange(edge * edge, dtype=np.float32).reshape(edge, edge)
    return Frame.from_array(ramp + index, index=index)
