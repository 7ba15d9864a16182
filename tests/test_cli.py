"""The command line as users and scripts meet it: real processes, exit codes, clean streams."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

SPEC = "square?size=128&frames=30&damage_from=14"
WINDOWS = sys.platform == "win32"
NEW_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


def environment():
    hidden = {"DISPLAY", "WAYLAND_DISPLAY"}
    return {key: value for key, value in os.environ.items() if key not in hidden}


def command(*arguments):
    return [sys.executable, "-m", "livedetect", *map(str, arguments)]


def livedetect(*arguments, cwd=None):
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        env=environment(),
        timeout=120,
        check=False,
    )


def events_of(text):
    return [json.loads(line) for line in text.splitlines()]


def without_the_run_itself(events):
    return [e for e in events if e["event"] not in ("run_started", "run_ended")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One complete run with everything that can be asked for."""
    folder = tmp_path_factory.mktemp("run")
    done = livedetect(
        "run", f"sim:{SPEC}", "--events", "e.jsonl", "--report", "page", "--log", "run.log",
        "--publish", "tcp://127.0.0.1:0", "--set", "alarm.rule=count", "--set", "alarm.limit=1",
        cwd=folder,
    )  # fmt: skip
    return done, folder


def test_a_pipe_gets_utf8_whatever_the_locale():
    narrow = environment() | {"PYTHONIOENCODING": "cp437", "PYTHONUTF8": "0"}
    done = subprocess.run(command("sources"), capture_output=True, env=narrow, check=True)
    assert "µs" in done.stdout.decode("utf-8")


def test_help_comes_at_once():
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        done = livedetect("--help")
        seconds.append(time.perf_counter() - begun)
    assert done.returncode == 0
    assert min(seconds) < 0.7


def test_help_lists_what_there_is_and_nothing_else():
    words = livedetect("--help").stdout.split()
    for name in (
        "demo",
        "run",
        "replay",
        "info",
        "report",
        "compare",
        "pack",
        "recover",
        "simulate",
        "view",
        "score",
        "sources",
        "keys",
        "doctor",
        "bench",
    ):
        assert name in words
    assert "record" not in words


def test_the_console_script_and_the_module_are_one():
    script = [os.path.join(os.path.dirname(sys.executable), "livedetect"), "--version"]  # noqa: PTH118, PTH120
    version = subprocess.run(script, capture_output=True, encoding="utf-8", check=True).stdout
    assert version.startswith("livedetect ")
    assert livedetect("--version").stdout == version


USAGE = {
    "no source": (["run"], "SOURCE"),
    "unknown command": (["frobnicate"], "frobnicate"),
    "unknown option": (["run", "x", "--colour", "red"], "--colour"),
    "unknown setting": (["run", "sim:square", "--set", "mehtod=lattice"], "method"),
    "setting without a value": (["run", "sim:square", "--set", "method"], "key=value"),
    "value that is not allowed": (
        ["run", "sim:square", "--set", "method=magic"],
        "lattice, patterson, semantic",
    ),
    "value out of its limits": (["run", "sim:square", "--set", "warm_up_frames=1"], ">= 3"),
    "nested setting": (["replay", "x", "--set", "alarm.action=shout"], "alarm.action"),
    "settings file missing": (["run", "sim:square", "--config", "none.toml"], "none.toml"),
    "speed": (["replay", "x.npy", "--speed", "fast"], "1x"),
    "no frames": (["run", "sim:square", "--frames", "0"], "--frames"),
    "simulator's key": (["run", "sim:square?sized=128"], "size"),
    "events nowhere": (["run", "sim:square", "--events", "/"], "--events"),
    "report nowhere": (["run", "sim:square", "--report", f"{sys.executable}/x"], "--report"),
    "log nowhere": (["run", "sim:square", "--log", "/"], "--log"),
    "publishing to the world": (["run", "sim:square", "--publish", "tcp://0.0.0.0:5591"], "tcp://"),
    "simulating to the world": (["simulate", "mos2", "--to", "tcp://0.0.0.0:0"], "livedetect keys"),
    "waiting for a folder": (["simulate", "mos2", "--to", "x", "--wait", "1"], "--wait"),
    "a malformed address of frames": (["run", "tcp://127.0.0.1"], "tcp://"),
    "an option of frames": (["run", "tcp://127.0.0.1:5590?chanel=x"], "stream"),
    "unknown crystal to measure": (["bench", "quality", "--crystal", "gold"], "graphene"),
    "malformed endpoint": (["view", "localhost"], "tcp://"),
}


@pytest.mark.parametrize(("arguments", "named"), USAGE.values(), ids=USAGE)
def test_wrong_usage_is_2_and_says_what_is_allowed(arguments, named, tmp_path):
    done = livedetect(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


FAILURES = {
    "no such file": (["run", "nothing.npy"], "nothing.npy does not exist"),
    "no such scheme": (["run", "foldr:x"], "folder"),
    "not a stack": (["replay", "text.npy"], "text.npy"),
    "an empty stack": (["replay", "empty.npy"], ""),
    "an empty folder": (["replay", "hollow"], "holds no frames"),
    "no display": (["run", "sim:square", "--view"], "display"),
    "nothing to view on": (["view"], "display"),
    "events not there": (["score", "hollow", "none.jsonl"], "none.jsonl"),
    "no truth there": (["score", "hollow", "none.txt"], "truth.csv"),
}


@pytest.mark.parametrize(("arguments", "named"), FAILURES.values(), ids=FAILURES)
def test_a_source_that_fails_is_1_and_says_why(arguments, named, tmp_path):
    (tmp_path / "hollow").mkdir()
    (tmp_path / "none.txt").touch()
    (tmp_path / "text.npy").write_text("no numbers here", encoding="utf-8")
    np.save(tmp_path / "empty.npy", np.zeros((0, 64, 64), dtype=np.uint8))
    done = livedetect(*arguments, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_run_leaves_events_from_start_to_end(finished):
    done, folder = finished
    assert done.returncode == 0, done.stderr
    events = events_of((folder / "e.jsonl").read_text(encoding="utf-8"))
    names = [event["event"] for event in events]
    assert names[0] == "run_started"
    assert names[-1] == "run_ended"
    assert {"model_ready", "defect_confirmed", "alarm"} <= set(names)
    ledger = events[-1]["ledger"]
    assert (ledger["received"], ledger["warm_up"], ledger["scored"]) == (30, 12, 18)
    for event in events:
        assert {"frame", "time_s", "area_id", "segment_id", "dose_e_per_A2"} <= set(event)


def test_a_run_tells_the_microscopist_on_standard_error_only(finished):
    done, _ = finished
    assert done.stdout == ""
    assert "warming up 1/12" in done.stderr
    assert "ALARM" in done.stderr
    assert "Defects marked: " in done.stderr
    assert "30 frames: 12 for warm-up, 18 analysed" in done.stderr


def test_a_run_leaves_its_report_and_says_where(finished):
    done, folder = finished
    page = (folder / "page" / "report.html").read_text(encoding="utf-8")
    assert "<html" in page
    assert "report.html" in done.stderr


def test_events_on_standard_output_are_all_there_is_and_the_same(finished):
    _, folder = finished
    done = livedetect("replay", f"sim:{SPEC}", "--events", "-")
    assert done.returncode == 0, done.stderr
    events = without_the_run_itself(events_of(done.stdout))
    kept = events_of((folder / "e.jsonl").read_text(encoding="utf-8"))
    assert events == [e for e in without_the_run_itself(kept) if e["event"] != "alarm"]


def test_simulate_replay_score_go_together(tmp_path):
    case = tmp_path / "case"
    case.mkdir()
    assert livedetect("simulate", SPEC, "--to", case / "f.npy", "--frames", 25).returncode == 0
    assert np.load(case / "f.npy").shape == (25, 128, 128)
    events = tmp_path / "e.jsonl"
    done = livedetect("replay", case / "f.npy", "--events", events, "--no-view")
    assert done.returncode == 0, done.stderr
    table = livedetect("score", case, events, "--fit-frames", 12)
    assert table.returncode == 0, table.stderr
    assert table.stdout.startswith("| stream")
    (row,) = json.loads(livedetect("score", case, events, "--json").stdout)
    assert row["frames"] == 25


def test_too_few_frames_are_no_failure_but_said(tmp_path):
    done = livedetect("run", f"sim:{SPEC}", "--frames", 5, "--events", tmp_path / "e.jsonl")
    assert done.returncode == 0
    assert "5 of the 12 warm-up frames" in done.stderr
    assert (
        events_of((tmp_path / "e.jsonl").read_text(encoding="utf-8"))[-1]["ledger"]["received"] == 5
    )


def test_folders_for_results_are_made_and_told(tmp_path):
    asked = {
        "--events": Path("results") / "e.jsonl",
        "--record": Path("rec") / "today" / "monday",
        "--report": Path("pages") / "monday",
        "--log": Path("logs") / "run.log",
    }
    words = [str(word) for pair in asked.items() for word in pair]
    done = livedetect("replay", f"sim:{SPEC}", "--frames", 1, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for option, path in asked.items():
        assert (tmp_path / path).exists()
        assert f"{option}: the folder {path.parent} did not exist and was made" in done.stderr
    again = livedetect(
        "replay", f"sim:{SPEC}", "--frames", 1, "--events", asked["--events"], cwd=tmp_path
    )
    assert "did not exist" not in again.stderr


def test_settings_come_from_the_file_and_then_from_set(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(
        'method = "patterson"\nwarm_up_frames = 9\n[alarm]\nlimit = 3\n', encoding="utf-8"
    )
    done = livedetect(
        "run", f"sim:{SPEC}", "--frames", 1, "--config", config, "--set", "warm_up_frames=8",
        "--events", "-",
    )  # fmt: skip
    settings = events_of(done.stdout)[0]["settings"]
    assert (settings["method"], settings["warm_up_frames"]) == ("patterson", 8)
    assert settings["alarm"]["limit"] == 3


def test_a_live_run_to_which_no_frame_came_has_failed_and_says_so(tmp_path):
    done = livedetect("run", tmp_path, "--idle-timeout", 1, "--events", "-", "--no-view")
    assert done.returncode == 1
    (started, ended) = events_of(done.stdout)
    assert started["event"] == "run_started"
    assert (ended["status"], ended["reason"]) == ("fail", "idle_timeout")
    assert "No frame came within the idle time" in done.stderr
    assert "details of a fault" not in done.stderr


INTERRUPTIONS = [signal.CTRL_BREAK_EVENT] if WINDOWS else [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", INTERRUPTIONS, ids=lambda number: number.name)
def test_an_interrupted_run_is_closed_properly_within_two_seconds(number, tmp_path):
    assert livedetect("simulate", SPEC, "--to", tmp_path / "in", "--frames", 16).returncode == 0
    events = tmp_path / "e.jsonl"
    program = subprocess.Popen(
        command("run", tmp_path / "in", "--events", events, "--no-view"),
        env=environment(),
        stderr=subprocess.PIPE,
        encoding="utf-8",
        creationflags=NEW_GROUP,
    )
    watchdog = threading.Timer(90, program.kill)  # or a run that never gets live blocks the suite
    watchdog.start()
    with program:
        wait_for_line(program.stderr, "live")
        watchdog.cancel()
        begun = time.monotonic()
        program.send_signal(number)
        said = program.stderr.read()
        assert program.wait(30) == 130
    assert time.monotonic() - begun < 2
    ended = events_of(events.read_text(encoding="utf-8"))[-1]
    assert (ended["event"], ended["status"]) == ("run_ended", "abort")
    ledger = ended["ledger"]
    fates = ("warm_up", "scored", "invalid", "suspect", "duplicate", "late", "skipped", "pending")
    assert ledger["received"] == sum(ledger[fate] for fate in fates)
    assert "Interrupted" in said
    assert "Traceback" not in said


def wait_for_line(stream, ending):
    for line in stream:
        if line.rstrip().endswith(ending):
            return
    pytest.fail(f"no line ending in {ending!r}")


@pytest.mark.skipif(WINDOWS, reason="consoles of Windows have no head")
def test_a_reader_that_leaves_is_no_fault():
    with subprocess.Popen(
        command("replay", f"sim:{SPEC}", "--events", "-"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(),
    ) as program:
        program.stdout.readline()
        program.stdout.close()
        said = program.stderr.read()
    assert program.returncode == 0
    assert "Broken" not in said
    assert "Traceback" not in said


def test_a_disturbed_source_keeps_what_was_analysed(tmp_path):
    stack = tmp_path / "f.npy"
    np.save(stack, np.full((3, 64, 64), np.nan, dtype=np.float32))
    done = livedetect("replay", stack, "--events", "-")
    events = events_of(done.stdout)
    assert [e["event"] for e in events[1:-1]] == ["frame_rejected"] * 3
    assert events[-1]["ledger"]["invalid"] == 3
    assert "3 unreadable" in done.stderr


def test_too_few_frames_are_no_failure_and_what_to_do_is_said():
    few = "sim:square?size=128&frames=8"
    done = livedetect("run", few, "--events", "-")
    assert done.returncode == 0, done.stderr
    ended = events_of(done.stdout)[-1]
    assert (ended["status"], ended["ledger"]["scored"]) == ("success", 0)
    assert "8 of the 12 warm-up frames" in ended["message"]
    advice = re.search(r"--set (warm_up_frames=\d+) leaves (\d+)", done.stderr)
    followed = livedetect("run", few, "--events", "-", "--set", advice[1])
    assert events_of(followed.stdout)[-1]["ledger"]["scored"] == int(advice[2])


def test_the_demo_ends_by_itself_and_leaves_a_report(tmp_path):
    done = livedetect("demo", "--frames", 3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "livedetect-demo" / "report.html").exists()
    assert list((tmp_path / "livedetect-demo").glob("*.png"))
    assert "livedetect-demo" in done.stderr


def test_doctor_names_versions_and_what_is_missing():
    done = livedetect("doctor")
    assert done.returncode == 0, done.stderr
    for word in ("livedetect", "Python", "cores", "display", "numpy", "pyzmq", "[viewer]"):
        assert word in done.stdout


def test_sources_lists_schemes_options_and_suffixes():
    done = livedetect("sources")
    assert done.returncode == 0, done.stderr
    for word in ("folder:", "sim:", "stack:", "detected_e_per_px", ".npy", ".tif"):
        assert word in done.stdout
    assert "cannot be used" not in done.stdout
