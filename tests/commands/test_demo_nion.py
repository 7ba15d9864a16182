"""``livedetect demo --nion``: finding Swift, and what is told of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from livedetect.commands import nion_environment
from livedetect.commands.demo_nion import Told
from livedetect.commands.nion_environment import (
    VARIABLE,
    made,
    nion_environment_variables,
    nion_python,
    window_command,
)
from livedetect.errors import MissingExtraError


def reports(**changes):
    return {"markers": 0, "action": "", "alarm": "armed", "defects": 0, **changes}


def said(*lines):
    told = Told()
    return [text for line in lines for text in told.news(line)], told.done


def test_only_what_is_new_is_told():
    texts, done = said(
        reports(),
        reports(markers=2),
        reports(markers=2),
        reports(markers=3, action="12:00:00 alarm armed"),
    )
    assert texts == [
        "2 defects marked on the live image",
        "12:00:00 alarm armed",
        "3 defects marked on the live image",
    ]
    assert not done


def test_it_ends_when_the_dark_has_shown_that_nothing_grows():
    dark = reports(alarm="beam blanked by the alarm", defects=7)
    texts, done = said(*[dark] * 6)
    assert texts == ["beam off: 0 new defects since, the crystal keeps its 7"]
    assert done


def test_trouble_is_told():
    assert said(reports(trouble="address in use"))[0] == ["address in use"]


def test_a_python_without_swift_says_how_to_install_it(monkeypatch):
    monkeypatch.setenv(VARIABLE, sys.executable)
    with pytest.raises(MissingExtraError, match="pip install"):
        nion_python(lambda _: None)


def test_a_python_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(MissingExtraError, match="nowhere"):
        nion_python(lambda _: None)


def test_a_window_needs_the_qt_of_swift(tmp_path):
    with pytest.raises(MissingExtraError, match="nionswift-tool"):
        window_command(tmp_path / "python", lambda _: None)


def test_two_processes_do_not_install_into_one_environment_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(nion_environment, "_INSTALL_S", 0.2)
    with (
        FileLock(tmp_path / "swift.lock"),
        pytest.raises(MissingExtraError, match=r"holds swift\.lock"),
    ):
        made(tmp_path / "swift", lambda _: None)
    assert not (tmp_path / "swift").exists()


def test_swift_gets_the_simulator_of_the_checkout():
    variables = nion_environment_variables(LIVEDETECT_LATTICE="mos2")
    paths = variables["PYTHONPATH"].split(os.pathsep)
    assert any((Path(path) / "livedetect_simulators").is_dir() for path in paths)
    assert variables["LIVEDETECT_LATTICE"] == "mos2"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_demo_ends_by_itself(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    command = [sys.executable, "-m", "livedetect", "demo", "--nion", "--events", "events.jsonl"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "beam off: 0 new defects" in done.stderr
    lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    names = [json.loads(line)["event"] for line in lines]
    assert "alarm" in names
    assert (tmp_path / "livedetect-demo" / "report.html").exists()
