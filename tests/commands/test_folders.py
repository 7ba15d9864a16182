import errno
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livedetect.cli import app
from livedetect.commands.folders import make_folder_to_fill
from livedetect.errors import SettingsError


def ignore(_):
    pass


def test_a_folder_is_made_and_left_empty(tmp_path):
    make_folder_to_fill(tmp_path / "a" / "b", "--report", ignore)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_that_is_full_of_files_stays_so(tmp_path):
    (tmp_path / "report.html").write_text("earlier", encoding="utf-8")
    make_folder_to_fill(tmp_path, "--report", ignore)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "earlier"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(SettingsError, match=r"--report .* cannot be written"):
        make_folder_to_fill(tmp_path / "x", "--report", ignore)


def refuse(*_, **__):
    raise PermissionError(errno.EACCES, "Permission denied")


def test_a_report_without_a_place_is_refused_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    words = ["replay", "sim:square?size=64&frames=3", "--publish", "none"]
    done = CliRunner().invoke(app, [*words, "--report", str(tmp_path / "page")])
    assert isinstance(done.exception, SettingsError)
    assert "Permission denied; name a folder" in str(done.exception)
    assert "Watching" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that not even root can write to")
def test_a_folder_that_takes_no_files():
    with pytest.raises(SettingsError, match="cannot be written"):
        make_folder_to_fill(Path("/proc/self"), "--report", ignore)
