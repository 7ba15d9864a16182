"""Recorded sessions as users meet them: real processes, kills, sockets, other programs' files."""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import h5py
import numpy as np
import pytest
import tifffile

from livedetect.cli import main
from livedetect.stream.client import ResultsClient
from livedetect.stream.recording import Recording

SPEC = "sim:square?size=128&frames=40&damage_from=14&current_pA=20"
FOR_THE_RUN = ("session_id", "source", "latency_ms", "duration_s")
WINDOWS = sys.platform == "win32"


def environment():
    hidden = {"DISPLAY", "WAYLAND_DISPLAY"}
    return {key: value for key, value in os.environ.items() if key not in hidden}


def command(*arguments):
    return [sys.executable, "-m", "livedetect", *map(str, arguments)]


@dataclass
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


def livedetect(*arguments):
    """Run the program as its console script does, here: starting Python takes longer than most."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["livedetect", *map(str, arguments)])
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            patch.delenv(name, raising=False)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def started(*arguments):
    # a group of its own, so that nothing of it can be left
    return subprocess.Popen(
        command(*arguments), env=environment(), encoding="utf-8", start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def until(holds, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
    return value


def rows(session):
    return Recording(session).count() if (session / "events.sqlite").exists() else 0


def events_of(text):
    return [
        {key: value for key, value in json.loads(line).items() if key not in FOR_THE_RUN}
        for line in text.splitlines()
    ]


def replayed(session, *options):
    done = livedetect("replay", session, "--events", "-", *options)
    assert done.returncode == 0, done.stderr
    return events_of(done.stdout)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A recorded run and its events."""
    folder = tmp_path_factory.mktemp("recorded")
    done = livedetect(
        "run", SPEC, "--record", folder / "s", "--events", folder / "e.jsonl",
        "--set", "warm_up_frames=10", "--publish", "none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "room for" in done.stderr
    return folder / "s"


def test_a_replay_gives_equal_events_again_and_again(session):
    recorded = events_of((session.parent / "e.jsonl").read_text(encoding="utf-8"))
    assert sum(event["event"] == "defect_confirmed" for event in recorded) > 1
    assert replayed(session) == recorded
    again = session.parent / "again"
    assert replayed(session, "--record", again) == recorded
    assert replayed(again) == recorded


def test_other_settings_can_be_tried_on_a_session(session):
    events = replayed(session, "--set", "warm_up_frames=12", "--all")
    (ready,) = [event for event in events if event["event"] == "model_ready"]
    assert ready["frames_used"] == 12


def test_a_recording_is_never_written_over(session):
    done = livedetect("replay", session, "--record", session)
    assert done.returncode == 2
    assert "never written over" in done.stderr
    assert "Traceback" not in done.stderr


def test_all_is_for_sessions(tmp_path):
    np.save(tmp_path / "f.npy", np.ones((3, 64, 64)))
    done = livedetect("replay", tmp_path / "f.npy", "--all")
    assert done.returncode == 2
    assert "--all" in done.stderr


def test_info_says_what_there_is(session):
    lines = livedetect("info", session).stdout
    for word in ("sim:square", "success", "scored: 30", "warm_up: 10", "warm_up_frames: 10"):
        assert word in lines
    told = json.loads(livedetect("info", session, "--json").stdout)
    assert told["frames"] == 40
    assert told["arrays"] == {"frames-0001.zarr": "40 frames of 128 × 128 px, uint16"}


def test_a_report_can_be_made_afterwards(session):
    done = livedetect("report", session, "--to", session.parent / "page")
    assert done.returncode == 0, done.stderr
    page = (session.parent / "page" / "report.html").read_text(encoding="utf-8")
    assert "sim:square" in page or str(session) in page


def test_packed_as_tiff_it_keeps_frames_and_scale(session, tmp_path):
    assert livedetect("pack", session, "--to", tmp_path / "f.tif").returncode == 0
    with tifffile.TiffFile(tmp_path / "f.tif") as file:
        assert file.is_bigtiff
        assert file.series[0].axes == "TYX"
        frames = file.asarray()
        assert 'PhysicalSizeXUnit="nm"' in file.ome_metadata
        numerator, denominator = file.pages[0].tags["XResolution"].value
    recording = Recording(session)
    (pixel_nm,) = {row.calibration.pixel_size_nm for row in recording.rows()}
    assert 1e7 * denominator / numerator == pytest.approx(pixel_nm, rel=1e-3)
    for row, frame in zip(recording.rows(), frames, strict=True):
        np.testing.assert_array_equal(recording.pixels(row), frame)
    assert list(tmp_path.iterdir()) == [tmp_path / "f.tif"]
    # as HyperSpy reads it
    reader = pytest.importorskip("rsciio.tiff")
    signal = reader.file_reader(tmp_path / "f.tif", force_read_resolution=True)[0]
    assert signal["data"].shape == frames.shape
    width = next(axis for axis in signal["axes"] if axis["name"] == "width")
    to_nm = {"cm": 1e7, "µm": 1e3, "nm": 1}[width["units"]]
    assert width["scale"] * to_nm == pytest.approx(pixel_nm, rel=1e-3)


def test_packed_as_hdf5_others_find_data_and_axes(session, tmp_path):
    assert livedetect("pack", session, "--to", tmp_path / "f.h5").returncode == 0
    with h5py.File(tmp_path / "f.h5") as file:
        data = file[file.attrs["default"]]
        data = data[data.attrs["default"]]
        assert list(data.attrs["axes"]) == ["time", "y", "x"]
        assert data[data.attrs["signal"]].shape == (40, 128, 128)
        assert data["x"].attrs["units"] == "nm"
    nexus = pytest.importorskip("rsciio.nexus")
    signal = nexus.file_reader(tmp_path / "f.h5")[0]
    assert signal["data"].shape == (40, 128, 128)
    assert [axis["name"] for axis in signal["axes"]] == ["time", "y", "x"]


def test_packing_needs_a_known_suffix(session, tmp_path):
    done = livedetect("pack", session, "--to", tmp_path / "f.avi")
    assert done.returncode == 2
    assert ".tif" in done.stderr


def test_compare_a_session_with_another_method(session, tmp_path):
    other = tmp_path / "p.jsonl"
    done = livedetect("replay", session, "--set", "method=patterson", "--events", other)
    assert done.returncode == 0, done.stderr
    same = livedetect("compare", session, session.parent / "e.jsonl")
    assert "Only in A: 0. Only in B: 0." in same.stdout
    found = json.loads(livedetect("compare", session, other, "--json").stdout)
    confirmed = [e for e in Recording(session).events() if e["event"].startswith("defect_")]
    assert len(found["common"]) + len(found["only_a"]) == len(confirmed)
    assert found["common"]


NO_SESSION = [
    *((name, "garbage") for name in ("info", "recover", "report", "replay", "pack", "compare")),
    ("recover", "nothing"),
    ("report", "folder"),
]


@pytest.mark.parametrize(("name", "what"), NO_SESSION)
def test_what_is_no_session_is_told_without_a_traceback(name, what, tmp_path):
    place = tmp_path / "s"
    if what != "nothing":
        place.mkdir()
    if what == "garbage":
        (place / "session.json").write_bytes(b"\x00garbage")
    more = {"pack": ["--to", tmp_path / "f.tif"], "compare": [place]}.get(name, [])
    done = livedetect(name, place, *more)
    assert done.returncode == 1, done.stderr
    assert str(place) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(WINDOWS, reason="SIGKILL is POSIX's")
def test_a_killed_run_loses_nothing_that_was_acknowledged(tmp_path):
    session = tmp_path / "s"
    with started(
        "run", f"{SPEC}&frames=4000&fps=60", "--record", session, "--publish", "none"
    ) as run:
        until(lambda: rows(session) > 40)
        refused = livedetect("recover", session)
        assert refused.returncode == 1
        assert "still being recorded" in refused.stderr
        known = rows(session)
        run.send_signal(signal.SIGKILL)
    assert not (session / "END.json").exists()
    assert "not closed" in livedetect("info", session).stdout
    done = livedetect("recover", session)
    assert done.returncode == 0, done.stderr
    end = json.loads((session / "END.json").read_text())
    assert end["status"] == "recovered"
    assert end["frames_not_recorded"] == 0
    assert end["frames_recorded"] >= known
    recording = Recording(session)
    ((array, count),) = recording.arrays().items()
    assert recording.frames.length(array) == count == end["frames_recorded"]
    before = [e for e in recording.events() if e["event"] not in ("run_started", "run_ended")]
    assert before
    after = [e for e in replayed(session) if e["event"] not in ("run_started", "run_ended")]
    assert after == before
    assert "was in order already" in livedetect("recover", session).stderr


@pytest.mark.skipif(WINDOWS, reason="SIGTERM is POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_recording_is_closed_within_two_seconds(number, tmp_path):
    session = tmp_path / "s"
    spec = f"{SPEC}&frames=4000&fps=200"
    with started("run", spec, "--record", session, "--publish", "none") as run:
        until(lambda: rows(session) > 60)
        begun = time.monotonic()
        run.send_signal(number)
        until((session / "END.json").exists)
        assert time.monotonic() - begun < 2
        assert run.wait(30) == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)
    recording = Recording(session)
    assert recording.end["status"] == "abort"
    ledger = recording.end["ledger"]
    counts = recording.dispositions()
    assert all(counts.get(fate, 0) == ledger[fate] for fate in ("warm_up", "scored", "pending"))
    assert not list(session.glob("events.sqlite-*"))
    assert replayed(session)[-1]["status"] == "success"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_orders_from_a_viewer_come_back_at_their_frames(tmp_path):
    session, endpoint = tmp_path / "s", f"tcp://127.0.0.1:{free_port()}"
    spec = "sim:mos2?size=192&frames=4000&damage_from=14&fps=20&current_pA=20"
    with started("run", spec, "--record", session, "--publish", endpoint) as run:
        client = ResultsClient(endpoint)
        until(lambda: said(client, "defect_confirmed"))
        client.request("dismiss", defect_id=0)
        client.request("rebaseline")
        until(lambda: said(client, "model_ready") == 2)
        client.request("stop")
        assert run.wait(60) == 0
        client.close()
    recorded = [
        {key: value for key, value in event.items() if key not in FOR_THE_RUN}
        for event in Recording(session).events()
    ]
    orders = [event["name"] for event in recorded if event["event"] == "command"]
    assert orders == ["dismiss", "rebaseline", "stop"]
    assert sum(event["event"] == "model_ready" for event in recorded) == 2
    # frames that came after the order to stop were not analysed, and are not played
    assert replayed(session)[:-1] == recorded[:-1]


def said(client, name):
    return sum(event["event"] == name for event in client.history()["events"])


def test_speed_paces_a_session(tmp_path):
    spec = "sim:square?size=128&frames=6&dwell_us=12"
    assert livedetect("run", spec, "--record", tmp_path / "s").returncode == 0
    times = [row.time_s for row in Recording(tmp_path / "s").rows()]
    fast = seconds(lambda: livedetect("replay", tmp_path / "s"))
    slow = seconds(lambda: livedetect("replay", tmp_path / "s", "--speed", "0.5x"))
    assert slow - fast > times[-1] / 0.5 - 0.7


def seconds(action):
    begun = time.monotonic()
    action()
    return time.monotonic() - begun
