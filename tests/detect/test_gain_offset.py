"""Gain and offset of frames whose levels, background and noise are known."""

import numpy as np
import pytest

from livedetect.detect.gain_offset import LEVEL_FRAMES, GainOffset
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.maps import Expected

CELLS, SAMPLES = (24, 24), (6, 6)
SHAPE = (CELLS[0] * SAMPLES[0], CELLS[1] * SAMPLES[1])
EVERYWHERE = np.ones(SHAPE, bool)
NONE = np.zeros(CELLS, bool)
GAIN, OFFSET = 1.3, -4.0


def spread(cells: np.ndarray) -> np.ndarray:
    return np.kron(cells, np.ones(SAMPLES)).astype(np.float32)


def specimen(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Template (m1, m2), levels (P, Q) and background (n1, n2); the last two go together."""
    rng = np.random.default_rng(seed)
    template = rng.normal(size=SAMPLES).astype(np.float32)
    smooth = 2 * np.cos(np.arange(CELLS[1]) / 4) * np.ones(CELLS)
    level = 0.3 * rng.normal(size=SHAPE) + spread(0.5 * smooth)
    return template, level.astype(np.float32), smooth.astype(np.float32)


def ground(level: np.ndarray, cells: np.ndarray, known: np.ndarray = EVERYWHERE) -> Expected:
    return Expected(level=level, known=known, cells=cells, ignored=NONE)


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_a_background_like_the_levels_does_not_enter_the_gain(seed: int) -> None:
    template, level, smooth = specimen(seed)
    crystal = np.tile(template, CELLS) + level + spread(smooth)
    frame = (OFFSET + GAIN * crystal).astype(np.float32)
    expected = ground(level, smooth)
    fitted = GainOffset(COMPILED)
    # what levels have in common with the template is followed: here they have hardly anything
    found = fitted.fit(frame, EVERYWHERE, template, expected, NONE)
    assert found == pytest.approx((GAIN, OFFSET), rel=0.01)


def test_what_the_levels_take_of_the_template_comes_back_to_the_gain_little_by_little() -> None:
    template, level, smooth = specimen(104)
    crystal = np.tile(template, CELLS)
    taken = (level + 0.2 * crystal).astype(np.float32)
    frame = (OFFSET + GAIN * (crystal + taken + spread(smooth))).astype(np.float32)
    fitted = GainOffset(COMPILED)
    gains = [
        fitted.fit(frame, EVERYWHERE, template, ground(taken, smooth), NONE)[0]
        for _ in range(4 * LEVEL_FRAMES)
    ]
    assert np.abs(np.diff(gains)).max() < 0.02 * GAIN
    assert gains[0] == pytest.approx(GAIN, rel=0.02)
    assert gains[-1] == pytest.approx(1.2 * GAIN, rel=0.02)


def test_phases_that_differ_from_the_start_are_no_creeping() -> None:
    template, level, smooth = specimen(105)
    taken = (level + 0.2 * np.tile(template, CELLS)).astype(np.float32)
    crystal = np.tile(template, CELLS) + taken + spread(smooth)
    frame = (OFFSET + GAIN * crystal).astype(np.float32)
    phases = np.zeros(CELLS, bool)
    phases[:4] = True
    fitted = GainOffset(COMPILED)
    for _ in range(2 * LEVEL_FRAMES):
        gain, _ = fitted.fit(frame, EVERYWHERE, template, ground(taken, smooth), phases)
    assert gain == pytest.approx(GAIN, rel=0.01)


def test_while_nothing_is_known_the_template_alone_is_fitted() -> None:
    template, level, smooth = specimen(106)
    frame = (OFFSET + GAIN * np.tile(template, CELLS)).astype(np.float32)
    expected = ground(level, smooth, known=np.zeros(SHAPE, bool))
    found = GainOffset(COMPILED).fit(frame, EVERYWHERE, template, expected, NONE)
    assert found == pytest.approx((GAIN, OFFSET), rel=1e-3)


@pytest.mark.parametrize("share", [0.7, 1.0, 1.6])
def test_what_the_background_has_grown_by_is_no_change_of_gain(share: float) -> None:
    """Nor is a flicker of the crystal that the background does not take part in."""
    template, level, smooth = specimen(106)
    crystal = np.tile(template, CELLS) + level
    frame = (OFFSET + GAIN * crystal).astype(np.float32)
    form(COMPILED).subtract_cells(frame, EVERYWHERE, -GAIN * share * 3 * smooth)
    expected = ground(level, 3 * smooth)
    gain, _ = GainOffset(COMPILED).fit(frame, EVERYWHERE, template, expected, NONE)
    assert gain == pytest.approx(GAIN, rel=0.02)


def test_a_phase_beside_hardly_any_background_does_not_pull_at_the_gain() -> None:
    template, level, smooth = specimen(107)
    crystal = np.tile(template, CELLS) + level
    frame = (OFFSET + GAIN * crystal).astype(np.float32)
    frame[:60, :60] -= 3.0 * np.tile(template, CELLS)[:60, :60]
    expected = ground(level, 0.001 * smooth)
    gain, _ = GainOffset(COMPILED).fit(frame, EVERYWHERE, template, expected, NONE)
    assert gain == pytest.approx(GAIN, rel=0.03)


def test_a_frame_without_data_has_no_gain() -> None:
    template, level, smooth = specimen(108)
    nothing = np.zeros(SHAPE, bool)
    expected = ground(level, smooth, nothing)
    found = GainOffset(COMPILED).fit(np.zeros(SHAPE, np.float32), nothing, template, expected, NONE)
    assert found == (0.0, 0.0)
