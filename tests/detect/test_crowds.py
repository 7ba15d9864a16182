"""Lost columns side by side wait until it is clear whether a hole opens."""

import numpy as np
import pytest

from livedetect.detect.crowds import OPENING_FRAMES, Crowds
from livedetect.detect.grid import Grid
from livedetect.detect.lattice import Lattice
from livedetect.detect.method import Candidate
from tests.detect.streams import watch

LATTICE = Lattice(
    basis_px=10 * np.eye(2), reciprocal=np.eye(2) / 10, indices=np.array([[1, 0], [0, 1]])
)
GRID = Grid.covering(LATTICE, (300, 300))
CELLS = np.array([[12, 12], [12, 13], [12, 14]])


def marker(cell: np.ndarray, kind: str) -> Candidate:
    return Candidate(
        position=10.0 * cell,
        score=20.0,
        p_value=1e-8,
        window_frames=1,
        sublattice=0,
        kind=kind,
        confidence=0.9,
    )


def silent(crowds: Crowds, kinds: list[str], new: list[bool]) -> list[bool]:
    """Of markers side by side, those that wait."""
    cells = CELLS[: len(kinds)]
    markers = [marker(cell, kind) for cell, kind in zip(cells, kinds, strict=True)]
    score = np.zeros(GRID.cells)
    score[tuple(cells.T)] = 20.0
    return crowds.silent(score, markers, cells, np.array(new)).tolist()


def crowds() -> Crowds:
    return Crowds(GRID, 10.0)


def test_the_third_of_a_chain_of_lost_columns_waits_for_a_while() -> None:
    known, kinds = crowds(), ["vacancy", "half_vacancy", "vacancy"]
    waits = [silent(known, kinds, [False, False, True])[2] for _ in range(OPENING_FRAMES + 1)]
    assert waits == OPENING_FRAMES * [True] + [False]


@pytest.mark.parametrize(
    "kinds", [["vacancy", "vacancy"], ["vacancy", "vacancy", "adatom"], ["adatom"] * 3]
)
def test_two_of_them_and_other_kinds_do_not(kinds: list[str]) -> None:
    new = [False] * (len(kinds) - 1) + [True]
    assert not any(silent(crowds(), kinds, new))


def test_a_faint_one_that_comes_and_goes_waits_no_longer() -> None:
    known, kinds, told = crowds(), ["vacancy", "vacancy", "vacancy"], []
    for frame in range(4 * OPENING_FRAMES):
        if frame % 6:
            told.append(not silent(known, kinds, [False, False, True])[2])
        else:
            silent(known, kinds[:2], [False, False])
    assert any(told)


def test_of_three_lost_at_once_the_first_is_told() -> None:
    known = crowds()
    apart = np.array([[12, 12], [12, 14], [12, 16]])
    markers = [marker(0.6 * cell, "vacancy") for cell in apart]
    score = np.zeros(GRID.cells)
    score[tuple(apart.T)] = 20.0
    waits = known.silent(score, markers, apart, np.ones(3, bool)).tolist()
    assert waits == [False, True, True]


@pytest.mark.parametrize("kind", ["unknown", "dark"])
def test_what_is_wide_has_one_marker_wherever_its_best_place_is(kind: str) -> None:
    """It was never told where that place changed from frame to frame."""
    known, told = crowds(), 0
    block = np.array([[row, col] for row in (11, 12, 13) for col in (11, 12, 13)])
    for frame in range(40):
        score = np.zeros(GRID.cells)
        score[tuple(block.T)] = 20.0
        cells = np.roll(block, frame, axis=0)[:3]
        markers = [marker(cell, kind) for cell in cells]
        told += (~known.silent(score, markers, cells, np.ones(3, bool))).sum()
    assert told == 1


def block_around(cells: np.ndarray, kinds: list[str]) -> list[bool]:
    """Of new markers in `cells` in the middle of 3 x 3 flagged ones, those that wait."""
    score = np.zeros(GRID.cells)
    score[11:14, 11:14] = 20.0
    markers = [marker(cell, kind) for cell, kind in zip(cells, kinds, strict=True)]
    return crowds().silent(score, markers, cells, np.ones(len(cells), bool)).tolist()


def test_two_columns_far_apart_are_nothing_wide() -> None:
    """What each flags around itself filled a block: they were told twelve frames later."""
    apart, near = np.array([[11, 11], [13, 13]]), np.array([[12, 12], [13, 13]])
    assert block_around(apart, ["vacancy", "vacancy"]) == [False, False]
    assert block_around(apart, ["vacancy", "unknown"]) == [True, True]
    assert block_around(near, ["vacancy", "vacancy"]) == [True, True]
    assert block_around(apart[:1], ["vacancy"]) == [True]


def test_a_wide_one_that_is_not_seen_when_it_is_due_is_told_later() -> None:
    known, told = crowds(), []
    block = np.array([[row, col] for row in (11, 12, 13) for col in (11, 12, 13)])
    for frame in range(24):
        score = np.zeros(GRID.cells)
        score[tuple(block.T)] = 20.0
        seen = block[4:5] if not 11 <= frame <= 15 else block[:0]
        markers = [marker(cell, "unknown") for cell in seen]
        told += (~known.silent(score, markers, seen, np.ones(len(seen), bool))).tolist()
    assert told.count(True) == 1


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_a_hole_that_opens_column_by_column_is_told_with_few_points(seed: int) -> None:
    run = watch(
        "mos2?size=384&frames=70&detected_e_per_px=2&max_defects=0&births_until=30"
        f"&holes=1&edge_barn=200&seed={seed}"
    )
    regions = [event for event in run.events if event.event == "region_confirmed"]
    assert [region.kind for region in regions] == ["hole"]
    points = [event for event in run.named("defect_confirmed") if event.region_id is None]
    assert len(points) <= 3
