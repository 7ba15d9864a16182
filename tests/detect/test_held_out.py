"""Warm-up frames judged by the others, and the order statistics behind their noise."""

import numpy as np
import pytest
from scipy import ndimage

from livedetect.detect.held_out import HeldOut, some_of
from livedetect.detect.kernels import COMPILED
from livedetect.detect.kernels.maps import WINDOWS, WarmUp
from livedetect.detect.lattice import _medians
from livedetect.detect.noise import variance_of_steps
from livedetect.detect.readiness import Pixels
from livedetect.types import Frame

FRAMES, SHAPE = 12, (20, 30)


@pytest.fixture
def warm_up() -> WarmUp:
    rng = np.random.default_rng(5)
    covered = rng.random((FRAMES, *SHAPE)) > 0.02
    return WarmUp(
        values=rng.normal(size=covered.shape).astype(np.float32),
        covered=covered,
        variance=np.full(SHAPE, 1.3, np.float32),
        systematic=rng.random(SHAPE).astype(np.float32),
    )


def judged(warm_up: WarmUp) -> HeldOut:
    inflation = np.linspace(1, 1.5, len(WINDOWS)).astype(np.float32)
    return HeldOut(warm_up, inflation, np.ones(1), COMPILED)


def test_some_places_are_judged_as_they_are_among_all(warm_up: WarmUp) -> None:
    places = np.random.default_rng(6).integers(0, SHAPE[0] * SHAPE[1], (7, 5))
    everywhere = list(judged(warm_up).windows())
    here = list(judged(some_of(warm_up, places)).windows())
    assert [window.frames for window in here] == [1] * 12 + [2] * 6 + [4] * 3
    for large, small in zip(everywhere, here, strict=True):
        assert np.allclose(large.z.ravel()[places], small.z, atol=1e-6)
        assert np.array_equal(large.valid.ravel()[places], small.valid)


@pytest.mark.parametrize("first", [3, 6, 11])
def test_a_step_in_time_has_unit_variance(warm_up: WarmUp, first: int) -> None:
    window = judged(warm_up).since(first)
    before, after = warm_up.values[:first].mean(axis=0), warm_up.values[first:].mean(axis=0)
    variance = warm_up.variance * (1 / first + 1 / (FRAMES - first)) + warm_up.systematic
    row = max(i for i, length in enumerate(WINDOWS) if length <= min(first, FRAMES - first))
    inflation = np.linspace(1, 1.5, len(WINDOWS))[row]
    everywhere = warm_up.covered.all(axis=0)
    expected = (after - before) / np.sqrt(variance) / inflation
    assert window.frames == FRAMES - first
    assert np.array_equal(window.valid, everywhere)
    assert np.allclose(window.z, np.where(everywhere, expected, 0), atol=1e-5)


@pytest.mark.parametrize("frames", [2, 3, 6, 12, 13])
def test_the_noise_of_steps_is_that_of_their_median(frames: int) -> None:
    values = np.random.default_rng(7).normal(size=(frames, 9, 11)).astype(np.float32)
    expected = np.median(np.diff(values, axis=0) ** 2, axis=0) / (2 * 0.4549)
    found = variance_of_steps(values, np.ones(values.shape, bool))
    assert np.allclose(found, expected, rtol=1e-6)


def test_medians_of_bins_are_those_of_scipy() -> None:
    rng = np.random.default_rng(8)
    power = rng.exponential(1e6, (40, 33)).astype(np.float32)
    bins = rng.integers(0, 25, power.shape).astype(np.int32)
    expected = ndimage.median(power, bins, np.arange(25))
    assert np.allclose(_medians(power, bins), expected, rtol=1e-6)


def test_frames_become_pixels_when_they_are_asked_for() -> None:
    frames = [Frame.from_array(np.full((4, 5), i, np.uint16), index=i) for i in range(5)]
    pixels = Pixels(frames)
    assert [float(frame[0, 0]) for frame in pixels] == [0, 1, 2, 3, 4]
    assert pixels[-1].dtype == np.float32
    assert [float(frame[0, 0]) for frame in pixels[1::2]] == [1, 3]
    assert len(pixels[:3]) == 3
