import numpy as np
import pytest
from scipy.special import pdtr

from livedetect_simulators.counting import poisson
from livedetect_simulators.detector import detect, saturation_value
from livedetect_simulators.spec import parse_spec

FLAT = np.full((300, 300), 6.0, np.float32)


def frame(query, expected=FLAT):
    return detect(expected, parse_spec(f"mos2?flicker=0&{query}"), 3)


@pytest.mark.parametrize("mean", [0.004, 0.7, 5.01, 31.9, 33.0, 400.0])
def test_counts_follow_the_poisson_law(mean):
    counts = poisson(np.full((1000, 1000), mean, np.float32), np.random.default_rng(5))
    steps = np.arange(int(mean + 8 * np.sqrt(mean)) + 3)
    shares = np.bincount(counts.ravel(), minlength=len(steps))[: len(steps)].cumsum() / 1e6
    assert np.abs(shares - pdtr(steps, mean)).max() < 2e-3
    assert counts.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean) / 1000)


def test_counts_are_independent_of_their_neighbours():
    counts = poisson(FLAT, np.random.default_rng(5)) - 6.0
    assert abs((counts[:, 1:] * counts[:, :-1]).mean()) < 0.1


def test_counts_are_the_default():
    data = frame("")
    assert data.dtype == np.uint16
    assert data.var() == pytest.approx(6, rel=0.05)


def test_gain_offset_and_excess_noise():
    data = frame("gain=20&offset=300&excess_noise=0.5&read_noise=10").astype(float)
    assert data.mean() == pytest.approx(300 + 20 * 6, rel=0.01)
    assert data.var() == pytest.approx(20**2 * 6 * 1.5 + 100, rel=0.05)


def test_a_low_black_level_cuts_the_dark():
    data = frame("gain=20&offset=-100")
    assert data.min() == 0
    assert (data == 0).mean() > 0.2


def test_saturation_and_quantisation():
    bright = frame("gain=20&clip=150")
    assert bright.max() == 150
    coarse = frame("bits=3")
    assert coarse.dtype == np.uint8
    assert coarse.max() == 7
    assert saturation_value(parse_spec("mos2?bits=12")) == 4095


def test_float_data_is_not_quantised():
    data = frame("bits=32&gain=0.1&read_noise=0.01&offset=-3")
    assert data.dtype == np.float32
    assert data.min() < -2
    assert len(np.unique(data)) > 10_000
    assert saturation_value(parse_spec("mos2?bits=32")) is None


def test_flicker_changes_whole_frames():
    settings = parse_spec("mos2?flicker=0.1")
    means = [detect(FLAT, settings, k).mean() / 6 for k in range(60)]
    assert np.std(means) == pytest.approx(0.1, rel=0.3)
