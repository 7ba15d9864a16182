"""Frames that are running averages are recognised, said, and not believed too much."""

import numpy as np
import pytest

from livedetect import Detector, Frame
from livedetect.detect.independence import (
    are_dependent,
    averaged_frames,
    excess_variance,
    frame_correlations,
)
from livedetect.stream.registry import open_simulator

SPEC = "mos2?size=192&frames=60&damage=0&seed={}"


def averaged(frames: list[np.ndarray], length: int) -> list[np.ndarray]:
    starts = range(len(frames) - length + 1)
    return [np.mean(frames[start : start + length], axis=0, dtype=np.float32) for start in starts]


def residuals(length: int) -> tuple[np.ndarray, np.ndarray]:
    static = np.random.default_rng(1).normal(size=(60, 60)) * 3
    noise = list(np.random.default_rng(2).normal(size=(12 + length - 1, 60, 60)))
    values = np.stack(averaged(noise, length)) + static
    return values.astype(np.float32), np.ones(values.shape, bool)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_the_length_of_a_running_mean_is_found(length: int) -> None:
    correlations = frame_correlations(*residuals(length))
    assert are_dependent(correlations) == (length > 1)
    assert averaged_frames(correlations) == length
    assert excess_variance(correlations, 8) == pytest.approx(length, rel=0.25)


def test_a_birth_is_no_correlation() -> None:
    values, covered = residuals(1)
    values[5:, 20:24, 20:24] += 30
    assert not are_dependent(frame_correlations(values, covered))


@pytest.mark.parametrize("length", [1, 3])
def test_averaged_frames_are_said_and_flood_nothing(length: int) -> None:
    frames = [simulated.frame.data for simulated in open_simulator(SPEC.format(1))]
    detector, events = Detector(), []
    for index, data in enumerate(averaged(frames, length)):
        events += detector.step(Frame.from_array(data, index=index)).events
    ready = next(event.as_dict() for event in events if event.event == "model_ready")
    assert (ready["frame_correlation"] > 0.1) == (length > 1)
    assert any("running means" in text for text in ready["warnings"]) == (length > 1)
    assert sum(event.event == "defect_confirmed" for event in events) <= 1
