"""A session with areas, segments and a return plays again to the same events."""

from livedetect.detect.detector import Detector
from livedetect.settings import Settings
from livedetect.stream.record import Recorder
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import Command
from tests.detect.test_areas import BORN, WARM_UP
from tests.stream.recorded_runs import all_frames, comparable, replayed

MOVES = f"sim:mos2?{BORN}&preexisting=0.006&frames=58&stage=20:0.75,38:0&seed=1"


class Returning:
    """An operator who takes up the offer to return to an earlier area."""

    def __init__(self):
        self.offered = []

    def on_result(self, result):
        for event in result.events:
            if event.event == "source_changed" and "earlier_area" in event.values:
                self.offered.append(event.values["earlier_area"])

    def on_event(self, event):
        pass

    def close(self):
        pass

    def poll(self):
        offers, self.offered = self.offered, []
        return [Command(name="return_to_area", args={"area_id": area}) for area in offers]


def test_areas_segments_and_a_return_come_back(tmp_path, notes, listed):
    settings = Settings(warm_up_frames=WARM_UP)
    recorder, operator = Recorder(tmp_path / "s"), Returning()
    run_session(
        listed(all_frames(MOVES)),
        Detector(settings),
        taps=[recorder],
        sinks=[recorder, operator, notes],
        options=SessionOptions(settings=settings, commands=[operator]),
    )
    live = comparable(notes.events)
    commands = [event for event in live if event["event"] == "command"]
    assert [(event["name"], event["ok"]) for event in commands] == [("return_to_area", True)]
    assert {event["area_id"] for event in live} == {0, 1, 2}
    assert live[-1]["area_id"] == 0
    assert replayed(tmp_path / "s", type(notes)()) == live
