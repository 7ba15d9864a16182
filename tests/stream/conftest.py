"""A small engine and sources made of lists, for what the session does with them."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from livedetect.stream.client import ResultsClient
from livedetect.stream.publish import ResultsPublisher
from livedetect.types import (
    Command,
    DefectEvent,
    Event,
    Frame,
    FrameResult,
    Gap,
    NoticeEvent,
    Phase,
    Rejection,
    SourceInfo,
    Track,
)


class ThresholdEngine:
    """Warms up on the first frames; afterwards a pixel above 100 is a defect."""

    def __init__(self, warm_up_frames: int = 3) -> None:
        self.warm_up_frames = warm_up_frames
        self.warm = 0
        self.seen: list[int] = []
        self.commands: list[Command] = []
        self.tracks: dict[int, Track] = {}

    def step(self, item: Any) -> FrameResult:
        if isinstance(item, Frame):
            return self._frame(item)
        index = item.first_missing if isinstance(item, Gap) else item.index
        disposition = item.reason if isinstance(item, Rejection) else "none"
        name = "gap" if isinstance(item, Gap) else "frame_rejected"
        values = {"reason": item.reason} if hasattr(item, "reason") else {}
        if not isinstance(item, (Gap, Rejection)):
            name, values = item.event, item.values
        event = NoticeEvent(event=name, frame=index, time_s=item.time_s, values=values)
        return self._result(index, item.time_s, disposition, (event,))

    def _frame(self, frame: Frame) -> FrameResult:
        self.seen.append(frame.index)
        if not np.isfinite(frame.data).all():
            return self._result(frame.index, frame.time_s, "invalid", ())
        if self.warm < self.warm_up_frames:
            self.warm += 1
            return self._result(frame.index, frame.time_s, "warm_up", ())
        events = []
        for y, x in np.argwhere(frame.data > 100):
            number = int(1000 * y + x)
            if number not in self.tracks:
                events.append(self._confirm(number, float(x), float(y), frame))
        return self._result(frame.index, frame.time_s, "scored", tuple(events))

    def _confirm(self, number: int, x: float, y: float, frame: Frame) -> Event:
        place = {"defect_id": number, "x_px": x, "y_px": y, "first_seen_frame": frame.index}
        self.tracks[number] = Track(
            **place,
            x_nm=None,
            y_nm=None,
            kind="bright",
            confidence=1.0,
            score=5.0,
            confirmed_frame=frame.index,
            last_seen_frame=frame.index,
        )
        return DefectEvent(
            event="defect_confirmed", frame=frame.index, time_s=frame.time_s, score=5.0, **place
        )

    def _result(self, index: int, time_s: float, disposition: Any, events: Any) -> FrameResult:
        warm = self.warm < self.warm_up_frames
        return FrameResult(
            frame=index,
            time_s=time_s,
            phase=Phase.WARMING_UP if warm else Phase.LIVE,
            disposition=disposition,
            events=events,
            active_tracks=tuple(self.tracks.values()),
            warm_up_done=self.warm,
            warm_up_frames=self.warm_up_frames,
        )

    def apply(self, command: Command) -> Sequence[Event]:
        self.commands.append(command)
        return ()

    def state(self) -> Mapping[str, Any]:
        return {}


class ListSource:
    """Yields items; an exception among them is raised, a callable is called."""

    def __init__(self, items: Any, *, live: bool = False) -> None:
        self.info = SourceInfo(name="list", live=live)
        self.items = items
        self.closed = 0

    def __iter__(self) -> Any:
        for item in self.items:
            if isinstance(item, Exception):
                raise item
            if callable(item):
                item()
            else:
                yield item

    def close(self) -> None:
        self.closed += 1


class Notes:
    """A sink, tap and listener of the status that keeps what it is told."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.results: list[FrameResult] = []
        self.events: list[Event] = []
        self.statuses: list[Any] = []
        self.closed = 0

    def on_frame(self, item: Any) -> None:
        self.items.append(item)

    def on_result(self, result: FrameResult) -> None:
        self.results.append(result)
        self.events.extend(result.events)

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def on_status(self, status: Any) -> None:
        self.statuses.append(status)

    def close(self) -> None:
        self.closed += 1

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event.as_dict() for event in self.events if event.event == name]


def _frame(index: int, *bright: tuple[int, int], value: float = 0.0) -> Frame:
    data = np.full((8, 8), value, dtype=np.float32)
    for y, x in bright:
        data[y, x] = 200.0
    return Frame.from_array(data, index=index, time_s=0.1 * index)


@pytest.fixture
def frame():
    """frame(index, (y, x), ...): an 8 x 8 frame with bright pixels."""
    return _frame


@pytest.fixture
def frames():
    """frames(n): n dark frames in order."""
    return lambda count: [_frame(index) for index in range(count)]


@pytest.fixture
def engine():
    """An engine that needs three frames to warm up."""
    return ThresholdEngine()


@pytest.fixture
def notes():
    """An empty notebook of a sink."""
    return Notes()


@pytest.fixture
def listed():
    """listed(items, live=False): a source."""
    return ListSource


@pytest.fixture
def stop():
    """A stop event."""
    return threading.Event()


@pytest.fixture
def client():
    """client(endpoint): somebody who follows the results."""
    clients = []

    def attach(endpoint: str) -> ResultsClient:
        clients.append(ResultsClient(endpoint))
        return clients[-1]

    yield attach
    for attached in clients:
        attached.close()


@pytest.fixture
def publisher():
    """Results at any free port."""
    made = ResultsPublisher("tcp://127.0.0.1:0")
    yield made
    made.close()


@pytest.fixture
def small(tmp_path, frames, engine, notes, listed):
    """A session of ten small frames."""
    from tests.stream.recorded_runs import record

    record(listed(frames(10)), engine, tmp_path / "s", notes)
    return tmp_path / "s"
