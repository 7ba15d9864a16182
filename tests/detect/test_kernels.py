"""The compiled arithmetic says what the plain one says, on every crystal."""

import subprocess
import sys

import numpy as np
import pytest

from livedetect import Detector, Settings
from livedetect.detect.baseline import Baseline
from livedetect.detect.frame_rows import FrameRows
from livedetect.detect.kernels import COMPILED, PLAIN, form
from livedetect.detect.kernels.experts import Experts, Looked, Matched, Novelty
from livedetect.detect.kernels.maps import Around, FilterScratch, Placement, Standardised, WarmUp
from livedetect.detect.residual import FrontEnd
from livedetect.detect.warm_up import first_residuals
from tests.detect.streams import frames

CRYSTALS = ("graphene", "mos2", "ws2", "mowte2", "square", "zro2")
WARM_UP = 8
OPTIONS = "size=256&frames=20&damage_from=10&drift_px=0.6&seed=4"
TOLERANCE_Z = 1e-3
"""Of a quantity with unit noise; rounding to float32 alone gives 2e-5."""
ONE_SAMPLE = 2e-4
"""Of some thousand that are judged."""
NEARLY_ALL = 0.9999
"""Of the samples; rounding may put the others on either side of a limit."""


def learnt(stream, kernels):
    """Front end and baseline after the first frames."""
    front = FrontEnd(stream[:WARM_UP], kernels)
    values, covered, _ = first_residuals(front, stream[:WARM_UP])
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
            "notable": baseline.notable.copy(),
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
        assert (plain["notable"] == compiled["notable"]).mean() > NEARLY_ALL
        assert plain["gain"] == pytest.approx(compiled["gain"], rel=1e-5)
        assert plain["jitter"] == pytest.approx(compiled["jitter"], abs=1e-5)
        assert plain["outliers"] == pytest.approx(compiled["outliers"], abs=ONE_SAMPLE)


def patches_in(rng, size, count):
    """Some of nine samples in a map of so many."""
    offsets = rng.integers(-300, 300, 9)
    centres = rng.integers(300, size - 300, count)
    return Around(centres.astype(np.int32), offsets.astype(np.int32))


def test_sites_and_markers_agree():
    rng = np.random.default_rng(3)
    mask = rng.random((90, 110)) > 0.05
    mask[16:40, 24:80] = True
    whole = np.zeros((12, 14), bool)
    whole[2:5, 3:10] = True
    bits = rng.integers(0, 64, mask.shape).astype(np.uint8) * (rng.random(mask.shape) < 0.1)
    patches = patches_in(rng, mask.size, 500)
    chosen = rng.random(500) > 0.3
    positions = rng.uniform(-5, 115, (400, 2))
    field = rng.normal(size=(2, 23, 28)).astype(np.float32)
    cells, sites = rng.integers(-2, 10, (400, 2)), rng.uniform(-5, 115, (3 * 8 * 9, 2))
    said = []
    placement = Placement(field=field, block_px=4, shift=np.array([0.5, 3.0]))
    for kernels in (form(PLAIN), form(COMPILED)):
        inside, shown = chosen[:400].copy(), np.zeros((12, 14), bool)
        kernels.keep_inside(positions, placement, (mask, whole), inside, (8, shown))
        assert 0 < inside.sum() < chosen[:400].sum()
        blocks = np.zeros((12, 14), bool)
        kernels.mark_blocks(positions[:20], 8, blocks)
        said.append(
            (
                kernels.all_true(mask, patches),
                kernels.any_bits(bits, patches, chosen),
                kernels.inside(positions, mask),
                inside,
                shown,
                blocks,
                kernels.keep_apart(positions, 9.0),
                kernels.nearest_site(positions, cells, sites, (8, 9)),
                kernels.place(positions, field, 4, np.array([0.5, 3.0])),
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


@pytest.mark.parametrize("offset", [0, 3000])
def test_statistics_of_rows_agree(offset):
    frame = frames("mos2?size=128&frames=1")[0].data.astype(np.float32) + offset
    plain, compiled = (FrameRows.of(frame, name) for name in (PLAIN, COMPILED))
    for name in ("low", "high", "mean", "square", "product", "ends", "at_top"):
        assert np.allclose(getattr(plain, name), getattr(compiled, name), rtol=2e-4, atol=2e-3)
    assert plain.sharpness() == pytest.approx(compiled.sharpness(), rel=1e-3)


def made_experts(rng):
    """Learners of nothing in particular: 3 sites, 9 samples, 5 components, 4 filters."""

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    weights = rng.random(70).astype(np.float32)
    filters = normal(3, 4, 9)
    return Experts(
        novelty=Novelty(
            mean=0.1 * normal(9),
            whitening=0.4 * normal(9, 5),
            vectors=2 * normal(70, 5),
            weights=weights / weights.sum(),
            gamma=0.02,
        ),
        matched=Matched(
            filters=filters / np.linalg.norm(filters, axis=2, keepdims=True),
            skewness=0.3 * normal(3, 4),
            sign=np.array([1, 0, -1], np.float32),
        ),
        law=np.array([[0.3, -2.0], [1.1, 0.5], [0.9, 1.0]]),
        deviates=np.array([2.0, 2.0]),
        lowest=7.0,
    )


def test_experts_agree_and_nothing_that_matters_is_skipped():
    rng = np.random.default_rng(5)
    experts = made_experts(rng)
    z = rng.normal(size=(3, 40, 50)).astype(np.float32)
    z[:, 10:13, 20:23] += 4
    looked = Looked(
        z=z,
        frames=np.array([1, 2, 8]),
        patches=rng.integers(0, 2000, (900, 9)).astype(np.int32),
        sublattice=np.sort(rng.integers(0, 3, 900)),  # as sites are; batches of 64 fill
        notable=rng.integers(0, 8, 900).astype(np.uint8),
    )
    (score, row), (compiled, compiled_row) = (
        form(name).most_novel(looked, experts) for name in (PLAIN, COMPILED)
    )
    found = np.isfinite(score)
    assert 20 < found.sum() < 800
    assert (found == np.isfinite(compiled)).all()
    assert np.allclose(score[found], compiled[found], rtol=1e-4)
    assert (row[found] == compiled_row[found]).mean() > 0.99
    patches, frames_of = 3 * z[0].reshape(-1)[looked.patches], np.full(900, 2)
    said = [form(kind).novelty(patches, experts.novelty) for kind in (PLAIN, COMPILED)]
    assert np.allclose(*said, rtol=1e-4, atol=1e-3)
    said = [
        form(kind).matched(patches, looked.sublattice, frames_of, experts.matched)
        for kind in (PLAIN, COMPILED)
    ]
    assert np.allclose(*said, rtol=1e-4, atol=1e-4)
    filters = experts.matched.filters
    said = [form(kind).filtered(patches, looked.sublattice, filters) for kind in (PLAIN, COMPILED)]
    assert np.allclose(*said, rtol=1e-4, atol=1e-4)
    assert np.allclose(said[0][7], filters[looked.sublattice[7]] @ patches[7], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("first", [(3, 5), (-7, 2), (40, -9), (70, 70)])
def test_running_means_agree(first):
    rng = np.random.default_rng(8)
    frame = rng.normal(5, 2, (66, 91)).astype(np.float32)
    said = []
    for kernels in (form(PLAIN), form(COMPILED)):
        mean, count = np.zeros((60, 64), np.float32), np.full((60, 64), 7, np.uint8)
        for _ in range(3):
            small = kernels.binned(frame, 2)
            assert kernels.mean_and_spread(small) == pytest.approx(
                (small.mean(dtype=float), small.std(dtype=float)), rel=1e-6
            )
            assert np.allclose(kernels.binned(frame, 3)[0, 0], frame[:3, :3].mean())
            fraction = np.array([0.3, 0.8])
            kernels.blend(small, np.array([5, 0.5]), fraction, np.array(first), (mean, count), 8)
        said.append((small, mean, count))
    for plain, compiled in zip(*said, strict=True):
        assert np.allclose(plain, compiled, atol=1e-5)


def test_marked_samples_agree():
    rng = np.random.default_rng(9)
    centres, offsets = rng.integers(-5, 60, (30, 2)), rng.integers(-4, 5, (20, 2))
    said = []
    for kernels in (form(PLAIN), form(COMPILED)):
        mask = np.zeros((50, 40), bool)
        kernels.mark_samples(centres, offsets, mask)
        said.append(mask)
    assert said[0].any()
    assert np.array_equal(*said)


def test_sums_along_rows_agree():
    rng = np.random.default_rng(11)
    steps = [(1, 0), (0, 1), (1, -1), (1, 1)]
    values = np.clip(rng.normal(size=(3, 2, 30, 34)), -3, 3).astype(np.float32)
    values[1, 1, np.arange(10, 20), 25 - np.arange(10)] -= 1.5
    plain, compiled = (form(name).strongest_row(values, steps) for name in (PLAIN, COMPILED))
    assert plain[2] == (1, -1)
    assert plain[1:] == compiled[1:]
    assert plain[0] == pytest.approx(compiled[0], rel=1e-5)
    patches, chosen = patches_in(rng, 1000, 50), rng.random(50) > 0.4
    weights = rng.normal(size=9)
    said = [form(k).weighted(values[0], patches, weights, chosen) for k in (PLAIN, COMPILED)]
    assert np.allclose(*said, atol=1e-5)


def test_noise_by_place_agrees():
    rng = np.random.default_rng(13)
    latest = Standardised.empty((24, 200), (4, 20))
    latest.z[0] = 2 * rng.normal(size=(24, 200))
    latest.unbroken[:, 30:150] = rng.integers(0, 3, (24, 120))
    frozen, phase = rng.random((24, 200)) > 0.8, np.ones((6, 10), np.float32)
    plain, compiled = (form(name).by_place(latest, frozen, phase) for name in (PLAIN, COMPILED))
    assert plain[0].min() > 0
    assert np.allclose(plain, compiled, rtol=1e-5)


def test_frames_judged_by_others_agree():
    rng = np.random.default_rng(12)
    covered = rng.random((9, 20, 30)) > 0.05
    warm_up = WarmUp(
        values=rng.normal(size=covered.shape).astype(np.float32),
        covered=covered,
        variance=np.full((20, 30), 1.3, np.float32),
        systematic=rng.random((20, 30)).astype(np.float32),
    )
    inside, others = np.zeros(9, bool), np.ones(9, bool)
    inside[2:4], others[1:5] = True, False
    said = [form(name).held_out(warm_up, inside, others, 4, 1.1) for name in (PLAIN, COMPILED)]
    assert np.array_equal(said[0][1], said[1][1])
    assert said[0][1].any()
    assert np.allclose(said[0][0], said[1][0], atol=1e-5)


@pytest.mark.parametrize("kernels", ["auto", "plain"])
def test_the_setting_decides_and_slow_kernels_are_told(kernels):
    detector = Detector(Settings(kernels=kernels))
    for frame in frames("square?size=128&frames=13&damage=0"):
        events = detector.step(frame).events
        ready = [event for event in events if event.event == "model_ready"]
        if ready:
            slow = [warning for warning in ready[0].values["warnings"] if "ten times" in warning]
            assert bool(slow) == (kernels == "plain")
            return
    pytest.fail("the model was never ready")


def test_frames_of_several_strips_agree():
    rng = np.random.default_rng(17)
    frame = rng.poisson(5, (300, 530)).astype(np.float32)
    by = rng.uniform(-1.5, 1.5, 300).astype(np.float32)
    scratch = FilterScratch.empty(frame.shape)
    plain, compiled = (
        form(name).spline_of_smoothed(frame, by, 2.3, scratch) for name in (PLAIN, COMPILED)
    )
    assert np.abs(plain - compiled).max() < 1e-3


def test_nothing_is_left_of_windows_that_were_forgotten():
    """Else what lay elsewhere would be judged where the view has not come to yet."""
    stream = [f.data.astype(np.float32) for f in frames(f"mos2?{OPTIONS}")]
    front, baseline = learnt(stream, COMPILED)
    for _ in followed(front, baseline, stream):
        pass
    assert baseline.notable.any()
    baseline.forget_recent()
    assert not baseline.notable.any()
    assert not np.any(baseline.z)


@pytest.mark.parametrize("kernels", [PLAIN, COMPILED])
def test_of_a_background_that_slopes_nothing_is_left_within_the_cells(kernels: str) -> None:
    cells, samples = (9, 12), (5, 7)
    place = [(np.arange(n * m) + 0.5) / m - 0.5 for n, m in zip(cells, samples, strict=True)]
    sloping = (3.0 + 0.4 * place[0][:, None] - 0.7 * place[1]).astype(np.float32)
    means = sloping.reshape(9, 5, 12, 7).mean(axis=(1, 3))
    covered = np.random.default_rng(1).random(sloping.shape) < 0.8
    left = sloping.copy()
    form(kernels).subtract_cells(left, covered, means)
    assert np.abs(left[covered]).max() < 1e-4
    assert (left == sloping)[~covered].all()
