"""Publishing simulated frames: the first of them wait for somebody to see them."""

import errno
import subprocess
import sys
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

import livedetect
from livedetect.cli import app
from livedetect.commands.simulate import write
from livedetect.errors import RecordingError
from livedetect.types import Frame, PartialFrame


@contextmanager
def microscope(*arguments):
    command = [sys.executable, "-m", "livedetect", "simulate", "square?size=64&frames=4&fps=50"]
    with subprocess.Popen(
        [*command, "--to", "tcp://127.0.0.1:0", *arguments],
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        yield process, process.stderr.readline().split()[-1]


def test_a_listener_that_comes_after_the_start_gets_the_first_frame():
    with microscope() as (process, address):
        assert process.stderr.readline().startswith("Waiting up to 5 s for a first listener")
        frames = [item for item in livedetect.open_source(address) if isinstance(item, Frame)]
        assert [frame.index for frame in frames] == [0, 1, 2, 3]
        assert process.wait(30) == 0


def test_with_nobody_there_it_says_so_and_goes_on():
    with microscope("--wait", "0.3") as (process, _):
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "up to 0.3 s" in err
        assert "Nobody listens" in err
        assert "4 frames published" in err


def test_without_a_wait_it_starts_at_once():
    with microscope("--wait", "0") as (process, _):
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert err.splitlines() == ["4 frames published."]


def test_a_wait_makes_no_sense_for_a_folder(tmp_path):
    command = [sys.executable, "-m", "livedetect", "simulate", "square?size=64&frames=4"]
    done = subprocess.run(
        [*command, "--to", str(tmp_path / "out"), "--wait", "3"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert "--wait is for addresses" in done.stderr
    assert not (tmp_path / "out").exists()


def test_frames_can_be_sent_in_blocks_of_rows():
    with microscope("--row-blocks", "4") as (process, address):
        source = livedetect.open_source(address)
        source.give_rows()
        items = list(source)
        assert process.wait(30) == 0
    frames = [item for item in items if isinstance(item, Frame)]
    assert [(frame.index, frame.data.shape) for frame in frames] == [
        (k, (64, 64)) for k in range(4)
    ]
    done = [item.rows_done for item in items if isinstance(item, PartialFrame) and item.index == 0]
    assert done == [16, 32, 48]


def test_blocks_of_rows_make_no_sense_for_a_folder(tmp_path):
    command = [sys.executable, "-m", "livedetect", "simulate", "square?size=64&frames=4"]
    done = subprocess.run(
        [*command, "--to", str(tmp_path / "out"), "--row-blocks", "3"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert "--row-blocks is for addresses" in done.stderr


@pytest.mark.parametrize("name", ["sub", "sub/f.npy", "f.tif"])
def test_a_place_that_cannot_be_written_to_is_told(name, tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / name
    done = CliRunner().invoke(app, ["simulate", "square?size=64&frames=2", "--to", str(place)])
    assert isinstance(done.exception, RecordingError)
    assert f"--to {place} cannot be written" in str(done.exception)


def test_frames_that_find_no_room_are_told(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tifffile.imwrite", full)
    with pytest.raises(RecordingError, match="No space left"):
        write("square?size=64&frames=2", tmp_path / "f.tif")
