"""Frames that are noisier everywhere than expected."""

import dataclasses

import numpy as np
import pytest

from livedetect import Detector
from livedetect.detect.common_noise import LEAST_CELLS, CommonNoise
from tests.detect.streams import frames

SAMPLES = 100
NOISY = range(20, 60, 4)


def cells(ratio: float, count: int = 400) -> np.ndarray:
    """Sums over so many cells of fully valid samples whose z² has the mean `ratio`."""
    return np.stack([np.full((count, 1), SAMPLES), np.full((count, 1), 0.97 * ratio * SAMPLES)])


@pytest.mark.parametrize(("share", "everywhere"), [(0.25, False), (0.75, True)])
def test_a_place_is_not_everywhere(share: float, everywhere: bool) -> None:
    noise = CommonNoise(8)
    changed, quiet = cells(6.0, round(400 * share)), cells(1.0, round(400 * (1 - share)))
    noise.take_in(np.concatenate([changed, quiet], axis=1), SAMPLES)
    assert noise.is_everywhere == everywhere


def test_windows_share_the_excess_of_their_frames() -> None:
    noise = CommonNoise(8)
    noise.take_in(cells(2.0), SAMPLES)
    assert noise.excess(1) == pytest.approx(np.sqrt(2))
    assert noise.excess(4) == pytest.approx(np.sqrt(5 / 4))
    noise.take_in(cells(1.0), SAMPLES)
    assert noise.excess(1) == 1.0
    assert noise.excess(2) == pytest.approx(np.sqrt(3 / 2))


def test_what_changes_in_some_cells_is_no_noise() -> None:
    noise, changed = CommonNoise(8), cells(1.0)
    changed[1, :100] *= 9
    noise.take_in(changed, SAMPLES)
    assert noise.excess(1) == 1.0


def test_a_few_cells_tell_nothing_and_quiet_frames_are_not_made_louder() -> None:
    noise = CommonNoise(8)
    noise.take_in(cells(2.0, LEAST_CELLS - 1), SAMPLES)
    assert noise.excess(1) == 1.0
    noise.take_in(cells(0.5), SAMPLES)
    assert noise.excess(1) == 1.0


def test_frames_with_fewer_electrons_bring_no_markers() -> None:
    rng = np.random.default_rng(1)
    detector, marked = Detector(), []
    for frame in frames("mos2?size=384&frames=60&detected_e_per_px=5&damage=0&seed=1"):
        data = frame.data
        if frame.index in NOISY:
            data = (3 * rng.binomial(data.astype(int), 1 / 3)).astype(data.dtype)
        events = detector.step(dataclasses.replace(frame, data=data)).events
        marked += [event for event in events if event.event == "defect_confirmed"]
    assert not marked
