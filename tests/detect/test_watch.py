"""What the user leaves out of a frame says nothing of the model either."""

import numpy as np
import pytest

from livedetect import Detector, Settings
from livedetect.detect.watch import WatchedArea
from livedetect.stream.registry import open_simulator
from livedetect.types import Frame

LOST_FROM = 24
SIZE = 256
LEFT_OUT = (80, 80, 200, 200)
LOST = (96, 96, 184, 184)
"""Rectangle in which the crystal is lost between one frame and the next."""


def test_what_is_wanted_reaches_the_edges_of_the_frame() -> None:
    area = WatchedArea.wanted(Settings(roi=(0, 0, 30, 40), exclude=(5, 6, 7, 9)), (50, 60))
    assert area.mask.sum() == 30 * 40 - 2 * 3
    assert not area.mask[6:9, 5:7].any()
    assert WatchedArea.wanted(Settings(), (50, 60)).mask.all()


def test_a_rectangle_outside_the_frame_is_told() -> None:
    source = open_simulator("graphene?size=128&frames=12&damage=0&seed=1")
    partly, outside = (90, 0, 140, 20), (128, 0, 148, 20)
    detector = Detector(Settings(exclude=(partly, outside)))
    events = [event for frame in source for event in detector.step(frame.frame).events]
    (warning,) = events[0].values["warnings"]
    assert str(list(outside)) in warning
    assert "128 x 128 px" in warning


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("settings", [{"exclude": LEFT_OUT}, {"roi": (0, 200, SIZE, SIZE)}])
def test_births_are_told_while_much_changes_in_what_is_left_out(settings: dict, seed: int) -> None:
    spec = f"graphene?size=256&frames=38&prescribed=20&damage_from=26&births_until=30&seed={seed}"
    source, detector = open_simulator(f"{spec}&drift_px=0.1"), Detector(Settings(**settings))
    rng = np.random.default_rng(seed)
    x0, y0, x1, y1 = LOST
    told, born = [], {}
    for simulated in source:
        frame, data = simulated.frame, simulated.frame.data.copy()
        if frame.index >= LOST_FROM:
            data[y0:y1, x0:x1] = rng.poisson(data.mean(), (y1 - y0, x1 - x0))
        told += detector.step(Frame.from_array(data, index=frame.index)).events
        for defect in simulated.truth:
            born.setdefault(defect.defect_id, (frame.index, defect.x_px, defect.y_px))
    confirmed = [event for event in told if event.event == "defect_confirmed"]
    watched = [birth for birth in born.values() if inside(birth, settings)]
    assert len(watched) >= 1
    for frame_index, x, y in watched:
        near = [e for e in confirmed if np.hypot(e.x_px - x, e.y_px - y) < source.meta["nn_px"]]
        assert near, f"at {x:.0f}, {y:.0f}"
        assert near[0].frame <= frame_index + 2
    assert not any(event.event == "model_drifted" for event in told)


def test_noise_in_what_is_left_out_is_not_that_of_the_frame() -> None:
    """Three quarters of the view are left out, and their contrast changes everywhere."""
    detector = Detector(Settings(roi=(0, 200, SIZE, SIZE)))
    for simulated in open_simulator(f"graphene?size={SIZE}&frames=32&damage=0&seed=1"):
        data = simulated.frame.data.astype(float)
        if simulated.frame.index >= LOST_FROM:
            blocks = np.random.default_rng(0).uniform(0.7, 1.3, (20, SIZE // 8))
            data[:160] *= np.kron(blocks, np.ones((8, 8)))
        detector.step(Frame.from_array(data.astype(np.float32), index=simulated.frame.index))
    method = detector._model.method
    assert method._baseline.common_noise.excess(1) < 1.2


def inside(birth: tuple[int, float, float], settings: dict) -> bool:
    """Whether a birth lies well within what is watched."""
    mask = WatchedArea.from_settings(Settings(**settings), (SIZE, SIZE), 24.0, None).mask
    _, x, y = birth
    return bool(mask[round(y), round(x)])
