"""Rows of columns that change together are one line, told in time and in shape."""

import numpy as np
import pytest

from livedetect import Detector
from livedetect.bench.areas import TrueAreas, told_of
from livedetect.detect.rows import Row, RowSearch, _best_stretch, _has_company
from livedetect.stream.registry import open_simulator

LINE = "size=256&frames=44&max_defects=0&births_until=20&damage_from=14&lines=1&edge_barn=1000"


def test_the_likeliest_stretch_of_a_row() -> None:
    assert _best_stretch(np.array([-1.0, 2, 3, -1, 4, -6, 2])) == (1, 5)
    assert _best_stretch(np.array([-2.0, -1.0])) == (1, 2)


def test_a_marker_has_company_if_its_neighbours_changed_alike() -> None:
    row = np.array([0.2, -0.5, 4.0, 3.5, 4.5, 4.0, 0.1, -0.3])
    assert _has_company(row, 3)
    lonely = np.array([0.2, -0.5, 0.7, 9.0, 1.0, 0.4, 0.1, -0.3])
    assert not _has_company(lonely, 3)


@pytest.mark.parametrize(
    ("beside", "alone"),
    [(np.zeros(10), True), (np.full(10, 3.0), False), (np.tile([3.0, -3.0], 5), False)],
)
def test_a_row_is_no_line_if_the_rows_beside_it_have_changed(
    beside: np.ndarray, alone: bool
) -> None:
    """Those of another phase go up and down: their mean alone would not tell."""
    search = RowSearch.__new__(RowSearch)
    search._columns, search._steps = [0], [(1, 0), (0, 1)]
    search._waited = np.zeros((20, 20), np.int64)
    search._deviates = search._news = 0.5 * np.random.default_rng(1).normal(size=(1, 1, 20, 20))
    search._deviates[0, 0, 5:15, 10] += 4.0
    search._deviates[0, 0, 5:15, 9] += beside
    cells = np.column_stack([np.arange(5, 15), np.full(10, 10)])
    assert search._is_alone(Row(column=0, cells=cells, step=(1, 0))) == alone


def search_with(windows: list[dict[range, float]]) -> RowSearch:
    """One whose latest frame shows a row by stretches of changed columns, window by window."""
    search = RowSearch.__new__(RowSearch)
    search._columns, search._steps = [0], [(1, 0)]
    search._waited = np.zeros((30, 20), np.int64)
    search._deviates = np.zeros((len(windows), 1, 30, 20))
    for window, stretches in enumerate(windows):
        for columns, change in stretches.items():
            search._deviates[window, 0, list(columns), 10] = change
    return search


def test_a_row_has_the_ends_that_its_clearest_window_shows() -> None:
    search = search_with([{range(8, 20): 4.0}, {range(8, 20): 3.0, range(20, 22): 1.8}])
    row = search._extended(10, (1, 0), (0, 0, 9, 10))
    assert row is not None
    assert row.cells[:, 0].tolist() == list(range(8, 20))


def test_what_has_only_just_changed_lengthens_a_row() -> None:
    search = search_with([{range(8, 22): 3.0}, {range(8, 20): 4.0}])
    row = search._extended(10, (1, 0), (1, 0, 9, 10))
    assert row is not None
    assert row.cells[:, 0].tolist() == list(range(8, 22))


def test_a_row_that_no_window_alone_shows_is_none() -> None:
    search = search_with([{range(8, 13): 4.0}, {range(12, 19): 3.5}])
    assert search._extended(6, (1, 0), (0, 0, 8, 10)) is None


@pytest.mark.parametrize(("crystal", "seed"), [("ws2", 2), ("mos2", 3)])
def test_a_growing_line_is_one_event(crystal: str, seed: int) -> None:
    simulator = open_simulator(f"{crystal}?{LINE}&detected_e_per_px=3&seed={seed}")
    detector = Detector()
    events = [event for s in simulator for event in detector.step(s.frame).events]
    areas = TrueAreas(simulator=simulator, frames=44, cell_px2=16**2 * np.sqrt(3) / 2)
    told = told_of(areas, [event.as_dict() for event in events])
    assert told["kind"] == "line"
    assert told["confirmed"] <= told["due"] + 3
    assert told["iou"] > 0.55
    assert (told["regions"], told["elsewhere"], told["announced"]) == (1, 0, 1)
    assert told["points_at"] + told["points_away"] == 0
    assert told["points_before"] <= 2  # the first columns stood alone
