"""Streams made of real frames; skipped where the data are not there."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from livedetect import Detector, Frame
from livedetect.bench.score import score

DATA = Path(os.environ.get("LIVEDETECT_DATA", Path(__file__).parents[2].parent / "shared" / "data"))

pytestmark = pytest.mark.skipif(
    not (DATA / "wse2_null").is_dir(), reason=f"no microscope data (LIVEDETECT_DATA): {DATA.name}"
)
FLOORS = {"wse2_births_normal": 0.95, "wse2_births_low": 0.88, "wse2_preexisting": 0.93}


def events_of(case: Path) -> list[dict[str, object]]:
    detector = Detector()
    pixel_size_nm = json.loads((case / "meta.json").read_text())["pixel_size_nm"]
    stream = np.load(case / "frames.npy", mmap_mode="r")
    return [
        event.as_dict()
        for index, data in enumerate(stream)
        for event in detector.step(
            Frame.from_array(data, index=index, pixel_size_nm=pixel_size_nm)
        ).events
    ]


@pytest.mark.parametrize("case", FLOORS)
def test_defects_in_real_frames(case: str) -> None:
    found = score(DATA / case, events_of(DATA / case), fit_frames=12)
    assert found.f1 is not None
    assert found.f1 >= FLOORS[case]
    assert found.false_events <= 1


def test_real_frames_without_births_stay_without_markers() -> None:
    found = score(DATA / "wse2_null", events_of(DATA / "wse2_null"), fit_frames=12)
    assert found.false_events <= 3


def test_the_lattice_of_a_real_crystal_is_the_published_one() -> None:
    with (DATA / "1028_25_labels.csv").open() as file:
        assert "x_px" in next(csv.reader(file))
    ready = [e for e in events_of(DATA / "wse2_births_normal") if e["event"] == "model_ready"]
    lengths = np.hypot(*np.array(ready[0]["lattice_nm"]).T)
    assert lengths == pytest.approx(0.328, rel=0.05)  # WSe2, nm
