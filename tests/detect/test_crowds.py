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
