"""Many point defects stay many point defects; a hole around one of them is still a hole."""

import numpy as np
import pytest

from livedetect.detect.grid import Grid
from livedetect.detect.lattice import Lattice
from livedetect.detect.solitary import OWN_FRAMES, Solitary
from livedetect.types import RegionEvent, TrueDefect
from tests.detect.streams import watch

LATTICE = Lattice(
    basis_px=10 * np.eye(2), reciprocal=np.eye(2) / 10, indices=np.array([[1, 0], [0, 1]])
)
BORDER_PX = 24
SPEC = "mos2?size=448&frames=100&prescribed=150&detected_e_per_px=5&damage_from=14"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_tenth_of_the_cells_is_no_region_that_swallows_the_rest(seed: int) -> None:
    run = watch(f"{SPEC}&seed={seed}")
    assert not [event for event in run.events if isinstance(event, RegionEvent)]
    delays, false = run.matched(0.6 * 16 / np.sqrt(3))
    born = {d.defect_id: d for now in reversed(run.truth.values()) for d in now.values()}
    due = [i for i, d in born.items() if d.birth_frame < 94 and is_judged(d)]
    assert len(due) >= 80
    assert len(set(due) & set(delays)) >= 0.95 * len(due)
    assert len(false) <= 1


def is_judged(defect: TrueDefect) -> bool:
    """What forms nearer to the edge comes into view with it: nobody has seen it form."""
    return all(BORDER_PX < place < 448 - BORDER_PX for place in (defect.x_px, defect.y_px))


def solitary_with(positions: np.ndarray, frames: int) -> Solitary:
    """One that has known points at cells (n, 2) of 10 px for so many frames."""
    known = Solitary(Grid.covering(LATTICE, (300, 300)), 10.0)
    for _ in range(frames):
        known.follow(positions, positions * 10.0)
    return known


def test_a_lone_point_accounts_for_its_cells_after_a_while() -> None:
    point = np.array([[12, 12]])
    flagged = np.zeros(solitary_with(point, 0).cells.shape, bool)
    flagged[11:14, 11:14] = True
    score = np.where(flagged, 8.0, 0.0)
    score[12, 12] = 100.0
    assert solitary_with(point, OWN_FRAMES - 1).without(flagged, score).sum() == 9
    assert solitary_with(point, OWN_FRAMES).without(flagged, score).sum() == 0


@pytest.mark.parametrize(("around", "left"), [(8.0, 0), (40.0, 15)])
def test_what_is_wider_than_the_fringe_of_a_point_is_not_its_own(around: float, left: int) -> None:
    point = np.array([[12, 12]])
    score = np.zeros(solitary_with(point, 0).cells.shape)
    score[11:14, 10:15] = around
    score[12, 12] = 100.0
    found = solitary_with(point, OWN_FRAMES).without(score > 0, score)
    assert found[11:14, 11:14].any() == (left > 0)
    assert found.sum() >= left


def test_points_side_by_side_are_something_larger() -> None:
    row = np.array([[12, 12], [12, 13], [12, 14]])
    flagged = np.zeros(solitary_with(row, 0).cells.shape, bool)
    flagged[11:14, 11:16] = True
    left = solitary_with(row, OWN_FRAMES).without(flagged, np.where(flagged, 8.0, 0.0))
    assert left[12, 13]


def test_a_change_that_comes_around_a_point_takes_it_in() -> None:
    point = np.array([[12, 12]])
    flagged = np.zeros(solitary_with(point, 0).cells.shape, bool)
    flagged[9:16, 9:16] = True
    weak = np.where(flagged, 8.0, 0.0)
    weak[12, 12] = 100.0
    assert (solitary_with(point, OWN_FRAMES).without(flagged, weak) == flagged).all()
