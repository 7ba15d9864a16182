"""Streams made of real frames; skipped where the data are not there."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from livedetect import Detector, Frame
from livedetect.bench.score import score
from livedetect.detect.lattice import find_lattice

IRON = 400  # px along the edge of a view that drifts over the frame of a grain boundary
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


def iron_boundary(noise: float, seed: int, frames: int = 80, drift_px: float = 12.0) -> list[Frame]:
    """A view that drifts over one frame of two grains: jitter, flicker, a background that grows.

    `noise` is the standard deviation of a pixel of mean brightness, in units of the mean.
    """
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi)
    velocity = drift_px / frames * np.array([np.cos(angle), np.sin(angle)])
    still = np.load(DATA / "fe_grain_boundary.npy").astype(float)
    spline = ndimage.spline_filter(ndimage.gaussian_filter(still, 1.0))
    y, x = np.indices((IRON, IRON)).astype(float)
    thicker = ndimage.gaussian_filter(rng.normal(size=(IRON, IRON)), 60)
    thicker /= thicker.std()
    mean, found = still.mean(), []
    for index in range(frames):
        jitter = ndimage.gaussian_filter1d(rng.normal(0, 0.3, IRON), 1)[:, None]
        at = 56 + velocity * (index - frames / 2) + rng.normal(0, 0.1, 2)
        view = ndimage.map_coordinates(spline, [y + at[1], x + at[0] + jitter], prefilter=False)
        view = view * rng.normal(1, 0.02) + mean * 0.25 * index / 100 * (1 + 0.3 * thicker)
        scatter = noise * mean * np.sqrt(np.maximum(view, 0.2 * mean) / mean)
        counts = np.clip(20 * (view + rng.normal(0, 1, view.shape) * scatter), 0, 65535)
        found.append(Frame.from_array(counts.astype(np.uint16), index=index))
    return found


@pytest.mark.parametrize("noise", [0.08, 0.2])
def test_a_boundary_in_iron_is_told_once_and_leaves_no_markers_as_it_drifts(noise: float) -> None:
    false = 0
    for seed in (101, 103, 104):
        detector = Detector()
        stream = iron_boundary(noise, seed)
        events = [event for frame in stream for event in detector.step(frame).events]
        named = [event.event for event in events]
        assert named.count("region_confirmed") == 1
        assert "model_drifted" not in named
        false += named.count("defect_confirmed")
    assert false <= 1


@pytest.mark.parametrize(("x", "y", "size"), [(30, 30, 400), (58, 15, 440), (20, 60, 320)])
def test_two_grains_of_iron_are_not_taken_for_a_crystal_with_a_larger_cell(
    x: int, y: int, size: int
) -> None:
    still = np.load(DATA / "fe_grain_boundary.npy").astype(float)[y : y + size, x : x + size]
    for noise in (0.05, 0.1, 0.2):
        rng = np.random.default_rng(101)
        scatter = noise * np.sqrt(still.mean() * np.maximum(still, 0.2 * still.mean()))
        frames = [(still + rng.normal(0, 1, still.shape) * scatter) for _ in range(12)]
        lattice = find_lattice([frame.astype(np.float32) for frame in frames])
        assert abs(np.linalg.det(lattice.basis_px)) == pytest.approx(276, rel=0.05)
