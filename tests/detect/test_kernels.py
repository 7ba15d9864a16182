"""The compiled arithmetic says what the plain one says, on every crystal."""

import subprocess
import sys

import numpy as np
import pytest

from livedetect.detect.baseline import Baseline
from livedetect.detect.kernels import COMPILED, PLAIN, form
from livedetect.detect.residual import FrontEnd
from tests.detect.streams import frames

CRYSTALS = ("graphene", "mos2", "ws2", "mowte2", "square", "zro2")
WARM_UP = 8
OPTIONS = "size=256&frames=20&damage_from=10&drift_px=0.6&seed=4"
TOLERANCE_Z = 1e-3
"""Of a quantity with unit noise; rounding to float32 alone gives 2e-5."""


def learnt(stream, kernels):
    """Front end and baseline after the first frames."""
    front = FrontEnd(stream[:WARM_UP], kernels)
    nothing = np.zeros(front.grid.shape, np.float32)
    known = nothing.astype(bool)
    residuals = [front.step(f, front.locate(f), nothing, known) for f in stream[:WARM_UP]]
    values = np.stack([residual.values for residual in residuals])
    covered = np.stack([residual.covered for residual in residuals])
    return front, Baseline(front.grid, values, covered, kernels)


def followed(front, baseline, stream):
    """Everything a frame leaves behind, frame by frame."""
    frozen = np.zeros(front.grid.shape, bool)
    frozen[100:110, 100:110] = True
    for frame in stream[WARM_UP:]:
        residual = front.step(frame, front.locate(frame), baseline.level, baseline.known)
        if residual.moved_cells != (0, 0):
            baseline.move(front.grid, residual.moved_cells)
        windows = baseline.windows(residual.values, residual.covered, frozen)
        yield {
            "z": np.stack([window.z for window in windows]),
            "valid": np.stack([window.valid for window in windows]),
            "largest": baseline.largest.copy(),
            "outliers": baseline.outlier_share,
            "gain": residual.gain,
            "jitter": residual.jitter_rms_px,
        }
        baseline.learn(front.settled, frozen)


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_both_forms_agree(crystal):
    stream = [frame.data.astype(np.float32) for frame in frames(f"{crystal}?{OPTIONS}")]
    results = [list(followed(*learnt(stream, name), stream)) for name in (PLAIN, COMPILED)]
    for plain, compiled in zip(*results, strict=True):
        assert (plain["valid"] == compiled["valid"]).all()
        assert np.abs(plain["z"] - compiled["z"]).max() < TOLERANCE_Z
        assert np.abs(plain["largest"] - compiled["largest"]).max() < TOLERANCE_Z
        assert plain["gain"] == pytest.approx(compiled["gain"], rel=1e-5)
        assert plain["jitter"] == pytest.approx(compiled["jitter"], abs=1e-5)
        assert plain["outliers"] == pytest.approx(compiled["outliers"], abs=1e-4)


def test_sites_and_markers_agree():
    rng = np.random.default_rng(3)
    mask = rng.random((90, 110)) > 0.05
    values = np.abs(rng.normal(size=mask.shape)).astype(np.float32)
    patches = rng.integers(0, mask.size, (500, 9)).astype(np.int32)
    chosen = rng.random(500) > 0.3
    positions = rng.uniform(-5, 115, (400, 2))
    field = rng.normal(size=(2, 23, 28)).astype(np.float32)
    said = []
    for kernels in (form(PLAIN), form(COMPILED)):
        blocks = np.zeros((12, 14), bool)
        kernels.mark_blocks(positions[:20], 8, blocks)
        said.append(
            (
                kernels.all_true(mask, patches),
                kernels.any_above(values, patches, chosen, 2.5),
                kernels.inside(positions, mask),
                blocks,
                kernels.keep_apart(positions, 9.0),
                kernels.place(positions, field, 4, np.array([1.5, -2.0]), np.array([0.5, 3.0])),
            )
        )
    *exact, places = zip(*said, strict=True)
    assert all(np.array_equal(plain, compiled) for plain, compiled in exact)
    assert np.abs(places[0] - places[1]).max() < 1e-4


@pytest.mark.parametrize("count", [1, 2, 7, 400])
def test_gain_and_offset_agree(count):
    rng = np.random.default_rng(count)
    model = rng.normal(size=count)
    data = 1.3 * model + 0.2 + rng.standard_t(2, count)
    plain, compiled = form(PLAIN).robust_line(model, data), form(COMPILED).robust_line(model, data)
    assert compiled == pytest.approx(plain, rel=1e-9, abs=1e-9)


def test_the_plain_form_stands_in_where_numba_is_missing():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "from livedetect.detect.kernels import COMPILED, form, is_available\n"
        "assert not is_available()\n"
        "assert form(COMPILED).__name__.endswith('plain')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
