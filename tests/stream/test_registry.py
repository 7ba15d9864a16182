import threading
from pathlib import Path

import numpy as np
import pytest

import livedetect
from livedetect.errors import SettingsError, SourceError
from livedetect.stream import registry


@pytest.fixture
def stack(tmp_path):
    path = tmp_path / "frames.npy"
    np.save(path, np.ones((3, 8, 9), "u2"))
    return path


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("sim:mos2?seed=1&fps=30", ("sim", "mos2", {"seed": "1", "fps": "30"})),
        ("SIM:mos2", ("sim", "mos2", {})),
        (
            "tcp://127.0.0.1:5590?stream=swift/HAADF",
            ("tcp", "127.0.0.1:5590", {"stream": "swift/HAADF"}),
        ),
        ("ipc:///run/x", ("ipc", "/run/x", {})),
        ("folder:data/a b?pattern=%2A.tif", ("folder", "data/a b", {"pattern": "*.tif"})),
        ("folder:C:\\data", ("folder", "C:\\data", {})),
        ("sim:mos2?drift_px=+1", ("sim", "mos2", {"drift_px": "+1"})),
    ],
)
def test_schemes(text, resolved):
    assert registry.resolve(text) == resolved


def test_paths(stack, tmp_path):
    assert registry.resolve(str(stack)) == ("stack", str(stack), {})
    assert registry.resolve(f"{stack}?idle_s=3") == ("stack", str(stack), {"idle_s": "3"})
    assert registry.resolve(tmp_path) == ("folder", str(tmp_path), {})
    (tmp_path / "session.json").write_text("{}", encoding="utf-8")
    assert registry.resolve(tmp_path)[0] == "session"
    (tmp_path / "x.zarr").mkdir()
    assert registry.resolve(tmp_path / "x.zarr")[0] == "stack"


@pytest.mark.parametrize("name", ["odd?name=1.npy", "12:30.npy", "run:30.npy"])
def test_existing_files_with_odd_names(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / name, np.ones((2, 8, 9)))
    assert registry.resolve(name) == ("stack", name, {})


@pytest.mark.parametrize("text", ["C:\\nowhere\\x.npy", "C:/nowhere/x.npy", "nowhere.npy"])
def test_a_drive_letter_is_no_scheme(text):
    with pytest.raises(SourceError, match="does not exist"):
        livedetect.open_source(text)


def test_unknown_scheme_lists_what_exists():
    with pytest.raises(SourceError, match=r"did you mean folder:\? installed are .*folder.*stack"):
        livedetect.open_source("fodler:x")


def test_unknown_suffix_lists_what_is_understood(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"1")
    with pytest.raises(SourceError, match=r"\.dm4.*\.npy.*\.tif"):
        livedetect.open_source(tmp_path / "x.jpg")


@pytest.mark.parametrize("options", ["?idle_s", "?idle_s=-1", "?other=3"])
def test_wrong_options_are_usage_errors(stack, options):
    with pytest.raises(SettingsError, match="idle_s"):
        livedetect.open_source(f"{stack}{options}")


def test_iterated_and_used_as_context(stack):
    assert [frame.index for frame in livedetect.open_source(str(stack))] == [0, 1, 2]
    with livedetect.open_source(stack) as source:
        assert source.info.frame_count == 3
        assert next(iter(source)).data.shape == (8, 9)
    source.close()


def test_operators_values_and_stop_reach_the_source(stack):
    stop = threading.Event()
    settings = livedetect.Settings(pixel_size_nm=0.02)
    frames = iter(livedetect.open_source(stack, settings, stop=stop))
    assert next(frames).calibration.pixel_size_nm == 0.02
    stop.set()
    assert list(frames) == []


def test_every_reader_has_suffixes_of_its_own():
    suffixes = [suffix for reader in registry.readers().values() for suffix in reader.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)


def test_readers_by_suffix_whatever_the_case():
    readers = registry.readers()
    assert registry.reader_for(Path("A.NPY")) is readers["npy"]
    assert registry.reader_for(Path("a.ome.tif")) is readers["tiff"]
    assert registry.reader_for(Path("a.ndata1")) is readers["nion"]


def test_sources_are_described():
    described = {source.scheme: source for source in registry.list_sources()}
    assert {"folder", "stack"} <= set(described)
    assert described["folder"].summary.endswith(".")
    assert "pattern" in described["folder"].options


def test_no_such_simulator():
    with pytest.raises(SourceError, match="no simulator 'other'"):
        registry.open_simulator("other:mos2")
