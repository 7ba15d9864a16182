import dataclasses
import io

import pytest

from livedetect.stream.sinks.console import LiveConsole, PlainConsole, console_sink
from livedetect.stream.sinks.words import ledger_lines, sentence
from livedetect.stream.status import SessionStatus
from livedetect.types import DefectEvent, FrameResult, NoticeEvent, Phase, RegionEvent


class Terminal(io.StringIO):
    def isatty(self):
        return True


def notice(name, /, **values):
    return NoticeEvent(event=name, frame=9, time_s=0.0, values=values)


def defect(name="defect_confirmed", **values):
    place = {"defect_id": 4, "first_seen_frame": 8, "x_px": 12.34, "y_px": 5.0, "score": 7.0}
    return DefectEvent(event=name, frame=9, time_s=0.0, **{**place, **values})


def result(frame, *events, phase=Phase.LIVE):
    return FrameResult(
        frame=frame,
        time_s=0.0,
        phase=phase,
        disposition="scored",
        events=events,
        warm_up_done=frame + 1,
        warm_up_frames=12,
    )


def ended(**values):
    ledger = {"received": 9, "warm_up": 3, "scored": 4, "skipped": 2}
    names = ("missing", "invalid", "suspect", "duplicate", "late", "pending")
    default = {
        "reason": "source_ended",
        "ledger": ledger | dict.fromkeys(names, 0),
        "latency_ms": {"p50": 5.0, "p95": 9.0, "max": 30.0},
    }
    return notice("run_ended", **(default | values))


SENTENCES = {
    "defect": (defect(kind="half_vacancy", confidence=0.8), "half vacancy, 80 % sure"),
    "position": (defect(), "x 12.3, y 5.0 px"),
    "first seen": (defect(), "first seen in frame 8"),
    "in the warm-up": (defect(during_warm_up=True), "during warm-up"),
    "of a region": (defect(region_id=2), "in frame 8, marks region 2"),
    "without a score": (defect(score=None), "defect 4"),
    "healed": (defect("defect_healed"), "defect 4 healed"),
    "moved": (defect("defect_migrated"), "moved to x 12.3"),
    "gap": (notice("gap", first_missing=3, missing_frames=6, reason="missing"), "6 frames from 3"),
    "rejected": (notice("frame_rejected", reason="suspect", message="saturated"), "saturated"),
    "rejected without a message": (notice("frame_rejected", reason="invalid"), "invalid"),
    "another size": (
        notice("source_changed", reason="new scan", shape=[[512, 256], [128, 64]]),
        "new scan): size 256 × 512 became 64 × 128 px",
    ),
    "another pixel size": (
        notice("source_changed", reason="new scan", pixel_size_nm=[None, 0.02]),
        "pixel size nm unknown became 0.02",
    ),
    "alarm": (
        notice("alarm", rule="region_area", limit=5.0, value=6.5, action="stop_scan"),
        "region area 6.5 reached the limit 5 (action: stop scan)",
    ),
    "command": (notice("command", name="rebaseline", error=None), "command rebaseline"),
    "refused": (notice("command", name="roi", error="no numbers"), "refused: no numbers"),
    "restart": (notice("source_restarted", reason="new epoch"), "source restarted (new epoch)"),
    "unknown": (notice("something_new"), "something new"),
    "model": (
        notice("model_ready", frames_used=12, sites=99, lattice_nm=[[0.3, 0.0], [0.0, 0.4]]),
        "learnt from 12 frames, lattice 0.300 × 0.400 nm; 99 sites",
    ),
    "model that watches nothing": (
        notice("model_ready", frames_used=12, sites=0, lattice_nm=None),
        "warning: nothing is watched, check roi and exclude",
    ),
    "model without a lattice": (
        notice("model_ready", frames_used=12, sites=9, lattice_nm=None, fallback=True),
        "usual look of the frames, without a lattice, learnt from 12 frames; 9 sites",
    ),
    "model without a scale": (
        notice("model_ready", frames_used=12, sites=99, lattice_nm=None, warnings=["no lattice"]),
        "crystal learnt from 12 frames; 99 sites watched; warning: no lattice",
    ),
}


@pytest.mark.parametrize(("event", "words"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(event, words):
    assert sentence(event).startswith("Frame 9: ")
    assert words in sentence(event)


def test_regions_have_their_size_where_it_is_known():
    region = RegionEvent(
        event="region_confirmed",
        frame=9,
        time_s=0.0,
        region_id=2,
        kind="hole",
        polygon_px=(),
        area_nm2=1.5,
    )
    assert "region 2 (hole) of 1.50 nm²" in sentence(region)


@pytest.mark.parametrize("reason", ["skipped", "duplicate"])
def test_what_comes_in_masses_is_not_said_one_by_one(reason):
    assert sentence(notice("frame_rejected", reason=reason)) is None


def test_plain_lines_tell_phases_defects_and_the_end():
    stream = io.StringIO()
    console = PlainConsole(stream)
    console.on_event(notice("run_started", source="folder:x"))
    console.on_result(result(0, phase=Phase.WARMING_UP))
    console.on_result(result(1, phase=Phase.WARMING_UP))
    console.on_result(result(2, defect("defect_at_start"), defect("defect_at_start")))
    console.on_result(result(3, defect()))
    console.on_event(ended())
    console.close()
    lines = stream.getvalue().splitlines()
    assert lines[:3] == [
        "Watching folder:x",
        "Frame 0: warming up 1/12",
        "Frame 2: 2 defects were there from the start",
    ]
    assert lines[3] == "Frame 2: live"
    assert lines[4].startswith("Frame 9: defect 4")
    assert lines[5] == "The source ended after 9 frames: 3 for warm-up, 4 analysed."
    assert lines[6] == "Not analysed: 2 skipped to keep up."
    assert "5.0 ms (half" in lines[7]
    assert lines[8] == "Defects marked: 3 (2 from the start, 1 since)."


def test_frames_within_a_sum_are_told_at_the_end():
    values = ended().values
    summed = {**values, "ledger": {**values["ledger"], "integrated": 12}}
    assert ledger_lines(summed)[0].endswith("4 analysed, 12 summed up with them.")


def test_learning_is_told_before_it_begins():
    stream = io.StringIO()
    console = PlainConsole(stream)
    for number in range(12):
        console.on_result(result(number, phase=Phase.WARMING_UP))
    console.on_result(result(12))
    assert stream.getvalue().splitlines() == [
        "Frame 0: warming up 1/12",
        "Frame 10: warming up 11/12, then learning the crystal…",
        "Frame 12: live",
    ]


def test_a_status_line_comes_every_fifty_frames():
    stream = io.StringIO()
    console = PlainConsole(stream)
    for number in range(120):
        console.on_result(result(number))
        console.on_status(SessionStatus(frame=number, ledger={"missing": 2, "skipped": 1}))
    said = [line for line in stream.getvalue().splitlines() if line.startswith("frame ")]
    assert [line.split(",")[0] for line in said] == ["frame 50", "frame 100"]
    assert "dose unknown" in said[0]
    assert "lost 3" in said[0]


def rejected(frame, message):
    values = {"reason": "invalid", "message": message}
    event = NoticeEvent(event="frame_rejected", frame=frame, time_s=0.0, values=values)
    return dataclasses.replace(result(frame, event), disposition="invalid")


def test_frames_turned_away_for_the_same_reason_are_told_once_and_counted():
    stream = io.StringIO()
    console = PlainConsole(stream)
    for number in range(5):
        console.on_result(rejected(number, "32 x 32 px is too small"))
    console.on_result(rejected(5, "no numbers"))
    console.on_result(result(6))
    console.on_result(rejected(7, "no numbers"))
    console.on_event(ended())
    said = [line for line in stream.getvalue().splitlines() if "small" in line or "more" in line]
    assert said == [
        "Frame 0: not analysed, invalid: 32 x 32 px is too small",
        "And 4 more frames for the same reason",
    ]
    # after a good frame it is news again
    assert stream.getvalue().count("no numbers") == 2


def test_an_end_without_frames_has_no_latency():
    stream = io.StringIO()
    PlainConsole(stream).on_event(ended(latency_ms={"p50": None, "p95": None, "max": None}))
    assert " ms" not in stream.getvalue()


def test_a_terminal_gets_a_live_status_that_goes_away():
    terminal = Terminal()
    console = console_sink(terminal)
    assert isinstance(console, LiveConsole)
    console.on_result(result(5, defect()))
    console.on_status(SessionStatus(frame=5, phase=Phase.LIVE, alarm=True, alarm_value=12.0))
    console.on_event(ended())
    console.close()
    written = terminal.getvalue()
    assert "defect 4" in written
    assert "ALARM" in written
    assert written.endswith("Defects marked: 1.\n")


def test_while_the_crystal_is_learnt_the_terminal_says_so_once(monkeypatch):
    terminal = Terminal()
    console = console_sink(terminal)
    monkeypatch.setattr("livedetect.stream.sinks.console._REFRESH_S", 3600.0)
    for number in range(11):  # faster than the status is drawn otherwise
        console.on_result(result(number, phase=Phase.WARMING_UP))
        console.on_status(SessionStatus(frame=number))
    before = terminal.getvalue()
    for _ in range(3):  # while it is learnt nothing changes, and nothing is drawn anew
        console.on_status(SessionStatus(frame=10))
    assert terminal.getvalue() == before
    console.close()
    status = before.rpartition("Frame 10: ")[2].partition("\n")[2]
    assert "learning the crystal…" in status


def test_the_status_keeps_to_one_line_where_the_terminal_is_narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    console = console_sink(terminal)
    console.on_result(result(5))
    console.on_status(SessionStatus(frame=5, alarm=True, alarm_value=12.0, frames_per_s=29.9))
    status = terminal.getvalue().rpartition("live")[2]
    assert "ALARM" in status
    assert "\n" not in status
    assert "…" in status
    console.close()


def test_elsewhere_lines_are_plain():
    assert type(console_sink(io.StringIO())) is PlainConsole
