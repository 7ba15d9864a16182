"""Results never replace what livedetect did not write: it may be what was acquired."""

import json
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from livedetect.cli import app
from livedetect.commands.overwriting import spare_all_but_events, spare_all_but_logs
from livedetect.errors import SettingsError

SPEC = "sim:square?size=64&frames=3"


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments), "--publish", "none"])


def write_tiff(path):
    tifffile.imwrite(path, np.ones((3, 64, 64), np.uint16), photometric="minisblack")


def write_database(path):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE events (body TEXT)")
    database.close()


FOREIGN = {
    "a stack": write_tiff,
    "an array": lambda path: path.write_bytes(np.lib.format.magic(1, 0) + bytes(200)),
    "a database": write_database,
    "settings": lambda path: path.write_text("warm_up_frames = 9\n", encoding="utf-8"),
    "another table": lambda path: path.write_text('{"pixel_size_nm": 1}\n', encoding="utf-8"),
    "other values": lambda path: path.write_text("[1, 2]\n", encoding="utf-8"),
    "nested without end": lambda path: path.write_text("[" * 200_000, encoding="utf-8"),
    "an empty line": lambda path: path.write_text("\nnotes\n", encoding="utf-8"),
}


@pytest.mark.parametrize("write", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("spare", [spare_all_but_events, spare_all_but_logs])
def test_what_livedetect_did_not_write_is_spared(write, spare, tmp_path):
    path = tmp_path / "kept"
    write(path)
    with pytest.raises(SettingsError, match="new file"):
        spare(path)


@pytest.mark.parametrize("option", ["--events", "--log"])
def test_a_source_named_by_mistake_is_left_as_it_is(option, tmp_path):
    source = tmp_path / "src.tif"
    write_tiff(source)
    before = source.read_bytes()
    done = run("replay", source, option, source)
    assert isinstance(done.exception, SettingsError)
    assert option in str(done.exception)
    assert source.read_bytes() == before


def test_the_files_of_a_session_are_left_as_they_are(tmp_path):
    assert run("run", SPEC, "--record", tmp_path / "s").exit_code == 0
    for name in ("events.sqlite", "session.json", "END.json"):
        before = (tmp_path / "s" / name).read_bytes()
        done = run("replay", tmp_path / "s", "--events", tmp_path / "s" / name)
        assert isinstance(done.exception, SettingsError)
        assert (tmp_path / "s" / name).read_bytes() == before


def test_the_events_of_an_earlier_run_are_replaced(tmp_path):
    events = tmp_path / "e.jsonl"
    for _ in range(2):
        assert run("run", SPEC, "--events", events).exit_code == 0
    names = [json.loads(line)["event"] for line in events.read_text("utf-8").splitlines()]
    assert names.count("run_started") == 1


def test_the_log_of_an_earlier_run_is_known(tmp_path):
    log = tmp_path / "run.log"
    code = """
import logging, pathlib, sys
from livedetect.commands.options import RunOptions
RunOptions(log=pathlib.Path(sys.argv[1])).start_log()
logging.getLogger("livedetect").warning("something")
"""
    subprocess.run([sys.executable, "-c", code, log], check=True)
    assert log.stat().st_size
    spare_all_but_logs(log)


def test_new_and_empty_files_are_taken(tmp_path):
    (tmp_path / "empty").touch()
    for spare in (spare_all_but_events, spare_all_but_logs):
        spare(tmp_path / "empty")
        spare(tmp_path / "new")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    spare_all_but_events(tmp_path / "pipe")


def test_a_file_that_cannot_be_looked_at_is_spared(tmp_path, monkeypatch):
    write_tiff(tmp_path / "kept")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(SettingsError, match="cannot be read"):
        spare_all_but_events(tmp_path / "kept")
