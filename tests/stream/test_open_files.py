"""What Windows forbids while a file is open, played by errors such as Windows raises them."""

import subprocess

import numpy as np
import pytest
import zarr

from livedetect.errors import SettingsError
from livedetect.stream import curve, open_files
from livedetect.stream.frame_store import GROWTH_FRAMES, FrameStore, StoredFrames
from livedetect.stream.open_files import despite_readers
from livedetect.stream.session_files import read_json, write_json
from livedetect.types import Frame

SHARING_VIOLATION = 32


class HeldError(PermissionError):
    """As Windows raises it while another program has the file open."""

    winerror = SHARING_VIOLATION


class Held:
    """Refuses what it stands before, a number of times."""

    def __init__(self, change, times, error=HeldError):
        self.change, self.left, self.error = change, times, error

    def __call__(self, *args, **kwargs):
        if self.left:
            self.left -= 1
            raise self.error("another program uses the file")
        return self.change(*args, **kwargs)

    def method(self):
        """To be put in a class: it gets the object as its first argument."""

        def call(*args, **kwargs):
            return self(*args, **kwargs)

        return call


def test_it_is_tried_again_until_the_reader_is_done():
    assert despite_readers(Held(lambda: "done", 3)) == "done"


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError, ValueError])
def test_anything_else_is_told_at_once(error):
    change = Held(lambda: None, 1, error)
    with pytest.raises(error):
        despite_readers(change)
    assert change.left == 0


def test_patience_ends(monkeypatch):
    monkeypatch.setattr(open_files, "PATIENCE_S", 0.1)
    with pytest.raises(HeldError):
        despite_readers(Held(lambda: None, 10**9))


def test_a_recording_goes_on_while_somebody_reads_its_arrays(tmp_path, monkeypatch):
    store = FrameStore(tmp_path)
    frames = [Frame.from_array(np.full((4, 4), n, "u2"), index=n) for n in range(GROWTH_FRAMES + 2)]
    store.add(frames[0])
    held = Held(zarr.Array.resize, 2)
    monkeypatch.setattr(zarr.Array, "resize", held.method())
    for frame in frames[1:]:
        store.add(frame)
    store.close()
    assert held.left == 0
    read = StoredFrames(tmp_path)
    assert read.length("frames-0001.zarr") == len(frames)
    assert read.read("frames-0001.zarr", GROWTH_FRAMES + 1)[0, 0] == GROWTH_FRAMES + 1


def test_a_small_file_is_replaced_under_its_reader(tmp_path, monkeypatch):
    path = tmp_path / "END.json"
    held = Held(type(path).replace, 2)
    monkeypatch.setattr(type(path), "replace", held.method())
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}


def test_keys_that_cannot_be_protected_are_not_left_behind(tmp_path, monkeypatch):
    path = tmp_path / "producer.key"
    path.write_text("secret", encoding="ascii")

    def refuse(command, **_):
        raise subprocess.CalledProcessError(1332, command)

    monkeypatch.setattr(curve.subprocess, "run", refuse)
    with pytest.raises(SettingsError, match="NTFS"):
        curve._restrict_to_owner(path)
    assert not path.exists()
