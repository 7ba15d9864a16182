"""What the operator reads, without any window."""

import pytest

from livedetect.stream.client import Link
from livedetect.viewer.panel import AlarmLine, Displayed, panel_of

ENDPOINT = "tcp://127.0.0.1:5591"


def state(**latest):
    counts = {"active": 3, "total": 5, "new": 2}
    return {"latest": latest, "counts": counts, "run": {}, "model": {}, "end": {}}


def panel(link: Link = Link.ATTACHED, message: str = "", **latest):
    return panel_of(link, message, ENDPOINT, state(**latest), Displayed(images=7, per_s=9.5))


@pytest.mark.parametrize(
    ("link", "latest", "banner"),
    [
        (Link.WAITING, {}, f"waiting for engine at {ENDPOINT}"),
        (Link.ATTACHED, {"phase": "waiting"}, "WAITING for the first frame"),
        (
            Link.ATTACHED,
            {"phase": "warming_up", "warm_up": {"done": 5, "wanted": 12}},
            "WARMING UP 5 / 12",
        ),
        (Link.ATTACHED, {"phase": "live"}, "LIVE"),
        (Link.ATTACHED, {"phase": "drifted"}, "DRIFTED · set a new baseline"),
        (Link.SILENT, {"phase": "live", "frame": 9}, f"engine silent since frame 9 · {ENDPOINT}"),
    ],
)
def test_banner_tells_phase_or_link(link, latest, banner):
    assert panel(link, **latest).banner == banner


@pytest.mark.parametrize("link", [Link.ATTACHED, Link.SILENT])
@pytest.mark.parametrize(
    ("end", "banner", "tone"),
    [
        ({"status": "success"}, "ENDED", "idle"),
        ({"status": "abort"}, "ENDED · interrupted", "warning"),
        ({"status": "fail", "message": "disk gone"}, "FAILED · disk gone", "bad"),
    ],
)
def test_end_of_the_run_stays_readable_after_the_engine_has_gone(link, end, banner, tone):
    shown = panel_of(link, "", ENDPOINT, state(phase="live") | {"end": end}, Displayed())
    assert (shown.banner, shown.tone) == (banner, tone)


def test_other_version_is_said_as_it_is():
    shown = panel(Link.INCOMPATIBLE, "version 2, here 1")
    assert (shown.banner, shown.tone) == ("version 2, here 1", "bad")


def test_flags_are_independent_of_the_phase():
    flags = {"alarm": True, "stale": True}
    shown = panel(phase="live", flags=flags, alarm_value=12.0)
    assert shown.flags == "ALARM at 12 · STALE · no frame is coming"
    assert shown.banner == "LIVE"


def test_lost_frames_are_apart_from_skipped_images():
    rows = dict(
        panel(
            ledger={"received": 40, "skipped": 3, "invalid": 1},
            rates={"frames_per_s": 29.9},
            lost_frames=2,
            latency_ms={},
        ).rows
    )
    assert rows["Received"] == "40 · 29.9 /s"
    assert rows["Displayed"] == "7 · 9.5 /s"
    assert rows["Not analysed"] == "4"
    assert rows["Lost"] == "2"
    assert rows["Latency"] == "–"
    assert rows["Dose"] == "unknown"


def test_counts_total_and_new():
    assert panel().defects == "5 defects · 2 new"


def test_warnings_of_the_model_come_before_its_budget():
    values = state()
    values["model"] = {"warnings": ["no lattice found"], "false_markers_per_1000_frames": 1.0}
    shown = panel_of(Link.ATTACHED, "", ENDPOINT, values, Displayed())
    assert shown.note == "no lattice found"
    values["model"]["warnings"] = []
    shown = panel_of(Link.ATTACHED, "", ENDPOINT, values, Displayed())
    assert shown.note == "False markers in 1000 frames: budget 1; dismissed by you 0"
    values["latest"]["ledger"] = {"scored": 5000}
    shown = panel_of(Link.ATTACHED, "", ENDPOINT, values, Displayed(dismissed=2))
    assert shown.note.endswith("budget 1; dismissed by you 0.4 (2 in 5000)")


def test_alarm_line_follows_settings_and_accepted_commands():
    line = AlarmLine()
    assert line.count is None
    settings = {"alarm": {"rule": "count", "limit": 10.0}}
    line.follow([{"event": "run_started", "settings": settings}])
    assert line.count == 10.0
    line.follow([{"event": "command", "name": "set_alarm", "ok": True, "args": {"limit": 4}}])
    line.follow([{"event": "command", "name": "set_alarm", "ok": False, "args": {"limit": 1}}])
    assert line.count == 4.0
    line.follow([{"event": "command", "name": "set_alarm", "args": {"rule": "density"}}])
    assert line.count is None


def test_what_can_be_seen_at_this_signal_is_said():
    values = state()
    values["model"] = {
        "sensitivity": {"vacancy": 1, "half_vacancy": 6, "displaced": None, "adatom": 1}
    }
    shown = panel_of(Link.ATTACHED, "", ENDPOINT, values, Displayed())
    assert shown.note == (
        "Seen at this signal: vacancy, adatom within 1 frame; half vacancy within 6 frames; "
        "displaced not reliably"
    )


@pytest.mark.parametrize(
    ("link", "latest", "lamps"),
    [
        (Link.WAITING, {}, ("no engine", "not recording")),
        (Link.ATTACHED, {"frame": -1}, ("no frame yet", "not recording")),
        (
            Link.ATTACHED,
            {"frame": 3, "recording": {"state": "on", "free_bytes": 66.2e9}},
            ("frames coming", "recording · 66.2 GB free"),
        ),
        (
            Link.ATTACHED,
            {"frame": 3, "flags": {"stale": True}, "recording": {"state": "stopped"}},
            ("no frames", "RECORDING STOPPED"),
        ),
        (Link.SILENT, {"frame": 3}, ("engine silent", "not recording")),
    ],
)
def test_lamps_of_source_and_recording(link, latest, lamps):
    assert tuple(text for text, _ in panel(link, **latest).lamps) == lamps


def test_little_room_on_the_disk_is_a_warning():
    told = {"state": "on", "free_bytes": 1e9}
    assert panel(frame=3, recording=told).lamps[1] == ("recording · 1 GB free", "warning")


def test_a_frozen_view_is_said_and_the_legend_is_that_of_the_image():
    displayed = Displayed(frozen_at=7, kinds=("vacancy",))
    shown = panel_of(Link.ATTACHED, "", ENDPOINT, state(tracks={"kind": ["adatom"]}), displayed)
    assert shown.flags == "VIEW FROZEN at frame 7 · F resumes"
    assert "vacancy" in shown.legend
    assert "adatom" not in shown.legend


def test_commands_go_to_a_running_engine_only():
    assert panel(phase="live").running
    assert not panel(Link.SILENT, phase="live").running
    ended = panel_of(Link.ATTACHED, "", ENDPOINT, state() | {"end": {"status": "x"}}, Displayed())
    assert not ended.running
