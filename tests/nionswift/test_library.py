"""Files of the real Nion Swift, read without it."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

import livedetect
from livedetect.errors import SourceError

WRITER = Path(__file__).with_name("write_library.py")
IMAGES = np.arange(4 * 40 * 24, dtype=np.float32).reshape(4, 40, 24)


@pytest.fixture(scope="module")
def folder(swift_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("swift")
    done = subprocess.run(
        [swift_python, WRITER, folder],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def library(folder):
    (path,) = folder.rglob("*.nsproj")
    return path


def check(frames, images):
    np.testing.assert_array_equal([frame.data for frame in frames], images)
    for frame in frames:
        assert frame.calibration.pixel_size_nm == pytest.approx(0.02)
        assert frame.calibration.dwell_us == 2
        assert frame.calibration.high_tension_kv == 60
        assert frame.stream == "swift/HAADF"


@pytest.mark.parametrize(("item", "count"), [("Record", 3), ("Sequence", 4), ("Tiles", 4)])
def test_every_item_of_a_library(library, item, count):
    check(list(livedetect.open_source(f"{library}?item={item}", live=False)), IMAGES[:count])


def test_the_items_are_listed(library):
    with pytest.raises(SourceError, match=r"(?s)3 items.*Record.* 3 × .*Sequence.* 4 × .*Tiles"):
        livedetect.open_source(library)


@pytest.mark.parametrize("suffix", ["ndata1", "nhdf", "npy"])
def test_every_export(folder, suffix):
    check(list(livedetect.open_source(folder / f"tiles.{suffix}", live=False)), IMAGES)
