"""What is no longer this crystal pulls neither at the drift nor at the rows."""

import numpy as np
import pytest
from scipy import ndimage

from livedetect.detect.left_out import block_centres, boxes_around, what_remains
from livedetect.detect.registration import Drift
from livedetect.detect.residual import FrontEnd
from tests.detect.streams import frames

SHAPE = (96, 128)
VECTORS = np.array([[0.1, 0.0], [0.02, 0.09]])


def test_boxes_hold_what_they_are_around_and_little_else() -> None:
    places = np.array([[40.0, 30.0], [60.0, 34.0], [100.0, 80.0], [-30.0, 50.0]])
    left_out = np.zeros(SHAPE, bool)
    for down, along in boxes_around(places, np.array([8.0, 5.0]), SHAPE):
        assert not left_out[down, along].any()
        left_out[down, along] = True
    assert left_out[26:35, 33:47].all()
    assert left_out[76:84, 93:107].all()
    assert not left_out[42:74].any()
    assert left_out.mean() < 0.15
    assert boxes_around(places[:0], np.array([8.0, 5.0]), SHAPE) == []


def test_of_a_straight_crystal_the_window_alone_says_what_remains() -> None:
    straight = np.zeros((2, *block_centres(SHAPE)[0].shape))
    all_of_it = what_remains([], straight, VECTORS, SHAPE)
    assert all_of_it.share == pytest.approx(np.ones(2))
    assert all_of_it.turn == pytest.approx(np.zeros(2))
    half = what_remains([(slice(0, 48), slice(0, 128))], straight, VECTORS, SHAPE)
    assert half.share == pytest.approx(0.5 * np.ones(2), abs=0.01)
    assert half.inertia < 0.5 * all_of_it.inertia


Y, X = np.indices((256, 256), float)
GONE = {
    "a hole in the middle": np.hypot(Y - 128, X - 128) < 64,
    "a hole beside it": np.hypot(Y - 80, X - 140) < 60,
    "the upper rows": Y < 150,
    "all but a strip": (Y < 60) | (Y > 140),
}


def located(swing: tuple[float, float], warp_px: int, gone: np.ndarray) -> Drift:
    """A frame stretched by `swing` px along its rows, without what is `gone` of the crystal."""
    spec = f"mos2?size=256&damage=0&frames=13&walk_px=0&drift_px=0&background=0&warp_px={warp_px}"
    stream = [frame.data.astype(np.float32) for frame in frames(spec)]
    front = FrontEnd(stream[:12])
    down = (Y + 0.5) / 256 - 0.5
    moved = ndimage.map_coordinates(stream[12], [Y - swing[1] * down, X - swing[0] * down], order=3)
    moved[gone] = 0
    cells = front.to_frame(front.grid.cell_centres(), np.zeros(2))
    rim = ndimage.binary_dilation(gone, iterations=8)
    column, row = np.clip(np.rint(cells), 0, 255).astype(int).T
    front.ignored_cells = rim[row, column].reshape(front.grid.cells)
    front.registration.restart(np.zeros(2))
    return front.locate(moved)


@pytest.mark.parametrize("warp_px", [0, 2])
@pytest.mark.parametrize("gone", list(GONE))
def test_a_part_that_is_gone_is_no_swing(gone: str, warp_px: int) -> None:
    drift = located((0.0, 0.0), warp_px, GONE[gone])
    assert not drift.swing.any()
    assert np.abs(drift.shift).max() < 0.2


@pytest.mark.parametrize("warp_px", [0, 2])
@pytest.mark.parametrize("gone", ["a hole in the middle", "a hole beside it"])
def test_a_hole_hides_no_swing(gone: str, warp_px: int) -> None:
    drift = located((2.0, -2.5), warp_px, GONE[gone])
    assert drift.swing == pytest.approx((2.0, -2.5), abs=0.3)
    assert np.abs(drift.shift).max() < 0.35


def test_a_moved_part_of_the_same_lattice_does_not_pull_at_the_drift() -> None:
    spec = "mos2?size=256&damage=0&frames=14&jitter_px=0&walk_px=0&seed=3&detected_e_per_px=20"
    stream = [frame.data.astype(np.float32) for frame in frames(spec)]
    front = FrontEnd(stream[:12])
    true = front.locate(stream[12]).shift
    front.registration.shift = np.zeros(2)
    front.registration.reset_velocity()
    moved = stream[12].copy()
    moved[:, 150:] = np.roll(stream[12], 5, axis=1)[:, 150:]
    front.registration.restart(true)
    pulled = front.locate(moved).shift
    x, _ = front.to_frame(front.grid.cell_centres(), true).T
    front.ignored_cells = (x > 140).reshape(front.grid.cells)
    front.registration.restart(true)
    held = front.locate(moved).shift
    assert np.hypot(*(pulled - true)) > 0.3
    assert np.hypot(*(held - true)) < 0.1
