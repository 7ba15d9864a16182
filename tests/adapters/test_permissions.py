"""Files and folders that may not be read: one line that says so, never a traceback."""

import os
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

import livedetect
from livedetect.commands.recorded import recorded
from livedetect.errors import SourceError
from livedetect.stream.permissions import forbidden, was_forbidden
from livedetect.types import Rejection

FRAMES = np.random.default_rng(0).poisson(9, (3, 16, 16)).astype("u2")


def write_h5(path):
    with h5py.File(path, "w") as file:
        file["data"] = FRAMES


WRITERS = {
    "x.npy": lambda path: np.save(path, FRAMES),
    "x.npz": lambda path: np.savez(path, data=FRAMES),
    "x.tif": lambda path: tifffile.imwrite(path, FRAMES, photometric="minisblack"),
    "x.h5": write_h5,
}


@contextmanager
def locked(path):
    """`path` without any rights, where that means something."""
    before = path.stat().st_mode
    path.chmod(0)
    try:
        if os.access(path, os.R_OK):
            pytest.skip("root may read everything, and Windows knows no such modes")
        yield
    finally:
        path.chmod(before)


@pytest.fixture
def forbid(monkeypatch):
    """Takes a path that the system then lets nobody open or list."""

    def refusing(usual, path):
        def refuse(asked, *arguments, **options):
            if asked == path:
                raise PermissionError(13, "Permission denied")
            return usual(asked, *arguments, **options)

        return refuse

    def forbid(path):
        for name in ("open", "iterdir"):
            monkeypatch.setattr(Path, name, refusing(getattr(Path, name), path))

    return forbid


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("name", ["x.npy", "x.tif", "x.h5"])
def test_a_file_that_may_not_be_read(name, live, tmp_path, forbid):
    (tmp_path / name).touch()
    os.utime(tmp_path / name, (0, 0))
    forbid(tmp_path / name)
    with pytest.raises(SourceError, match=r"permission .* is missing") as caught:
        livedetect.open_source(tmp_path / name, live=live)
    assert "export" not in str(caught.value)


@pytest.mark.parametrize("live", [True, False])
def test_a_folder_that_may_not_be_listed(live, tmp_path, forbid):
    forbid(tmp_path)
    with pytest.raises(SourceError, match=r"permission .* is missing"):
        livedetect.open_source(tmp_path, live=live)


@pytest.mark.parametrize("name", WRITERS)
def test_a_locked_file(name, tmp_path):
    WRITERS[name](tmp_path / name)
    os.utime(tmp_path / name, (0, 0))
    with locked(tmp_path / name), pytest.raises(SourceError, match=r"permission .* is missing"):
        livedetect.open_source(tmp_path / name)


@pytest.mark.parametrize("live", [True, False])
def test_a_locked_folder_and_what_is_in_it(live, tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    np.save(folder / "x.npy", FRAMES)
    with locked(folder):
        for source in (folder, str(folder), folder / "x.npy", str(folder / "x.npy")):
            with pytest.raises(SourceError, match=r"permission .* is missing"):
                livedetect.open_source(source, live=live)
            assert recorded(str(source)) is None


def test_a_file_among_others_that_may_not_be_read_is_turned_away_alone(tmp_path, forbid):
    np.save(tmp_path / "a1.npy", FRAMES[0])
    write_h5(tmp_path / "a2.h5")
    forbid(tmp_path / "a2.h5")
    items = list(livedetect.open_source(f"folder:{tmp_path}?give_up_s=0.1", live=False))
    (turned_away,) = [item for item in items if isinstance(item, Rejection)]
    assert "Permission denied" in turned_away.message
    assert len(items) == 2


def test_what_an_error_goes_back_to():
    error = SourceError("x")
    assert not was_forbidden(error)
    error.__cause__ = PermissionError(13, "Permission denied")
    assert was_forbidden(error)
    assert "x.npy cannot be read" in str(forbidden("x.npy"))
