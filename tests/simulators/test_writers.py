import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livedetect.errors import SettingsError
from livedetect_simulators.simulation import Simulation

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("LIVEDETECT_DATA", ROOT.parent / "shared" / "data"))
SCORE = DATA.parent / "score.py"
SPEC = "mos2?size=96&frames=30&damage=2&damage_from=5&seed=3"
HEADER = "frame,defect_id,x_px,y_px,kind,birth_frame,radius_px,snr2,extent_px,in_view"


@pytest.fixture(scope="module")
def frames():
    return np.stack([simulated.frame.data for simulated in Simulation(SPEC)])


@pytest.mark.parametrize("name", ["stack.npy", "stack.tif", "stack.ome.tiff", "deep/new/s.npy"])
def test_a_stack_holds_the_frames(tmp_path, frames, name):
    path = tmp_path / name
    Simulation(SPEC).write(path)
    read = np.load(path) if path.suffix == ".npy" else tifffile.imread(path)
    assert np.array_equal(read, frames)
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(
        [path.name, "meta.json", "truth.csv"]
    )


def test_a_folder_holds_one_calibrated_file_per_frame(tmp_path, frames):
    counted = []
    Simulation(SPEC).write(tmp_path / "run", progress=lambda *done: counted.append(done))
    files = sorted((tmp_path / "run").glob("*.tif"))
    assert np.array_equal(np.stack([tifffile.imread(path) for path in files]), frames)
    assert counted[-1] == (30, 30)
    with tifffile.TiffFile(files[0]) as tif:
        assert tif.imagej_metadata["unit"] == "nm"
        numerator, denominator = tif.pages[0].tags["XResolution"].value
        assert denominator / numerator == pytest.approx(0.316 / 16, rel=1e-6)


def test_a_stack_is_calibrated(tmp_path):
    Simulation("mos2?size=64&frames=2").write(tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert 'PhysicalSizeX="0.01975"' in tif.ome_metadata
        assert 'PhysicalSizeXUnit="nm"' in tif.ome_metadata
    Simulation("mos2?size=64&frames=2&bits=32&gain=0.3").write(tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert tif.imagej_metadata["unit"] == "nm"
        assert tif.series[0].axes == "TYX"
        assert tif.series[0].dtype == np.float32


def test_frames_are_never_mixed_with_older_ones(tmp_path):
    Simulation("mos2?size=64&frames=2").write(tmp_path)
    with pytest.raises(SettingsError, match="empty folder"):
        Simulation("mos2?size=64&frames=2").write(tmp_path)


def test_a_failed_stack_leaves_nothing(tmp_path):
    def fail(done, _total):
        if done == 2:
            raise RuntimeError("stop here")

    with pytest.raises(RuntimeError):
        Simulation(SPEC).write(tmp_path / "a.npy", progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_the_truth_has_the_agreed_form(tmp_path):
    Simulation(SPEC + "&preexisting=0.05").write(tmp_path / "a.npy")
    text = (tmp_path / "truth.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == HEADER
    rows = list(csv.DictReader(text.splitlines()))
    assert rows
    assert all(int(row["frame"]) >= int(row["birth_frame"]) >= 5 for row in rows)
    assert {row["in_view"] for row in rows} <= {"0", "1"}
    meta = json.loads((tmp_path / "meta.json").read_text(encoding="utf-8"))
    assert meta["nn_px"] == pytest.approx(16 / np.sqrt(3), abs=1e-3)
    assert meta["match_radius_px"] == pytest.approx(0.6 * 16 / np.sqrt(3), abs=1e-3)
    assert meta["first_birth_frame"] == min(int(row["birth_frame"]) for row in rows)
    assert meta["pixel_size_nm"] == pytest.approx(0.316 / 16)
    assert (meta["frames"], meta["seed"], meta["kind"]) == (30, 3, "points")


def test_a_domain_comes_with_its_region(tmp_path):
    Simulation("mos2?size=96&frames=12&domain=phase&domain_from=4").write(tmp_path / "a.npy")
    region = np.load(tmp_path / "region.npy")
    assert region.shape == (12, 24, 24)
    assert not region[3].any()
    assert region[4].any()


def score(case, events):
    path = case / "events.jsonl"
    path.write_text("\n".join(json.dumps(event) for event in events), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(SCORE), str(case), str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.skipif(not SCORE.exists(), reason="the scoring script is not on this computer")
@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        "ws2?size=160&frames=60&holes=1&lines=1&damage_from=5&seed=1",
        "mos2?size=96&frames=12&domain=inversion&domain_from=4",
        "mos2?size=96&frames=12&damage=0",
    ],
)
def test_the_scoring_script_reads_it(tmp_path, spec):
    Simulation(spec).write(tmp_path / "a.npy")
    rows = list(csv.DictReader((tmp_path / "truth.csv").read_text(encoding="utf-8").splitlines()))
    first = {row["defect_id"]: row for row in reversed(rows)}
    events = [
        {
            "event": "defect_confirmed",
            "frame": int(row["frame"]),
            "x_px": float(row["x_px"]),
            "y_px": float(row["y_px"]),
        }
        for row in first.values()
    ]
    result = score(tmp_path, events)
    assert result["matched"] == len(first) == result["n_defects"]
    assert result["false_events"] == 0
    assert not first or result["f1"] == 1


def test_the_scan_is_described_before_the_frames_come(tmp_path):
    described = []
    Simulation("square?size=64&frames=2").write(
        tmp_path, progress=lambda *_: described.append((tmp_path / "meta.json").exists())
    )
    assert described == [True, True]
