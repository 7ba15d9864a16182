import dataclasses

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import polygon2mask

from livedetect.detect.detector import Detector
from livedetect.detect.fringe import changed_themselves
from livedetect.detect.grid import Grid
from livedetect.detect.lattice import Lattice
from livedetect.detect.region_kinds import kind_of_change
from livedetect.detect.regions import Regions, is_extended
from livedetect.stream.registry import open_simulator
from livedetect.types import Frame, RegionEvent
from tests.detect.streams import frames, watch

GROWTH_PX = 2.2
"""Of the radius of a new phase, per frame."""
SQUARE = np.array([[16.0, 0.0], [0.0, 16.0]])
HEXAGONAL = np.array([[16.0, 0.0], [-8.0, 13.9]])


def test_what_is_a_region_and_what_is_not() -> None:
    cells = np.zeros((30, 30), bool)
    cells[10:14, 10:14] = True
    assert is_extended(cells, 1.0 * cells, SQUARE)
    neighbours = np.zeros((30, 30), bool)
    for row, col in ((5, 5), (7, 6), (6, 8), (8, 9)):
        neighbours[row : row + 2, col : col + 2] = True
    assert neighbours.sum() >= 12
    assert not is_extended(neighbours, 1.0 * neighbours, SQUARE)
    line = np.zeros((30, 30), bool)
    line[8, 5:20] = True
    assert is_extended(line, 1.0 * line, SQUARE)
    small = np.zeros((30, 30), bool)
    small[3:6, 3:6] = True
    assert not is_extended(small, 1.0 * small, SQUARE)


def test_a_round_change_is_a_region_on_an_oblique_lattice() -> None:
    """Its cells make an ellipse along a diagonal, in which there is no block of 3 x 3."""
    disc = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]], bool)
    assert is_extended(disc, 1.0 * disc, HEXAGONAL)
    assert not is_extended(disc, 1.0 * disc, SQUARE)
    assert not is_extended(disc, 0.0 * disc, HEXAGONAL)


@pytest.mark.parametrize("length", [2.5, 4.0])
def test_a_row_of_long_cells_is_no_block(length: float) -> None:
    cells = np.zeros((30, 30), bool)
    for row in range(5, 13, 2):
        cells[row, 5:8] = True
        cells[row + 1, 6] = True
    assert cells.sum() >= 12
    assert not is_extended(cells, 1.0 * cells, SQUARE)
    assert not is_extended(cells, 1.0 * cells, SQUARE * [[1.0], [length]])


def test_the_fringe_of_a_strong_defect_has_not_changed_itself() -> None:
    score = np.zeros((9, 9))
    score[3:6, 3:6], score[4, 4], score[0, 0] = 15.0, 200.0, 12.0
    assert np.argwhere(changed_themselves(score)).tolist() == [[0, 0], [4, 4]]
    assert not changed_themselves(np.zeros((9, 9))).any()


def square_regions() -> Regions:
    """No regions yet, of 30 x 30 cells of 10 px."""
    lattice = Lattice(
        basis_px=10 * np.eye(2), reciprocal=np.eye(2) / 10, indices=np.array([[1, 0], [0, 1]])
    )
    return Regions(Grid.covering(lattice, (300, 300)))


def test_what_is_much_fainter_than_a_region_does_not_join_it() -> None:
    """Contamination beside a hole: what it swallows is background no more."""
    regions = square_regions()
    score = np.zeros(regions.cells.shape)
    score[10:14, 10:14] = 200.0
    regions.grow(score > 0, score)
    score[14, 10:14], score[9, 10:14] = 15.0, 60.0
    regions.grow(score > 0, score)
    assert regions.cells[9, 10:14].all()
    assert not regions.cells[14].any()


def grown(regions: Regions, score: np.ndarray, frames: int = 10) -> list[int]:
    """Numbers told in so many frames that all show `score` (n1, n2)."""
    return [number for _ in range(frames) for number in regions.grow(score > 0, score)]


@pytest.mark.parametrize(("first", "fringe"), [(200.0, 22.0), (30.0, 12.0), (200.0, 12.0)])
def test_point_defects_beside_a_region_stay_what_they_are(first: float, fringe: float) -> None:
    """Through what each flags around itself they hung together, and the region went on to all."""
    regions = square_regions()
    score = np.zeros(regions.cells.shape)
    score[10:14, 10:14] = first
    grown(regions, score)
    for col in (15, 18, 21, 24):
        score[11:14, col - 1 : col + 2] = fringe
        score[12, col] = 300.0
    assert grown(regions, score) == []
    assert not regions.cells[:, 15:].any()


def test_a_region_takes_in_what_touches_it_and_what_touches_that() -> None:
    regions = square_regions()
    score = np.zeros(regions.cells.shape)
    score[10:14, 10:14] = 200.0
    grown(regions, score)
    score[11, 14:18] = 150.0
    score[12, 18], score[12, 20] = 30.0, 30.0  # changed with its neighbours, and one cell further
    regions.grow(score > 0, score)
    assert regions.cells[11, 14:18].all()
    assert regions.cells[12, 18]
    assert not regions.cells[12, 20]
    assert set(regions.number[regions.cells]) == {0}


def test_a_large_change_close_to_a_region_is_one_of_its_own() -> None:
    regions = square_regions()
    score = np.zeros(regions.cells.shape)
    score[10:14, 10:14] = 200.0
    assert grown(regions, score) == [0]
    score[8:18, 16:26] = 200.0
    assert grown(regions, score) == [1]
    assert set(regions.number[8:18, 16:26].ravel()) == {1}


def test_a_region_that_shows_nothing_for_a_frame_takes_in_nothing_faint() -> None:
    regions = square_regions()
    score = np.zeros(regions.cells.shape)
    score[10:14, 10:14] = 200.0
    grown(regions, score)
    score[10:14, 10:14], score[10:14, 14] = 0.0, 1.0
    grown(regions, score)
    assert not regions.cells[:, 14].any()


@pytest.mark.parametrize("rows", [(8, 18), (18, 8)])
def test_of_two_regions_that_meet_each_takes_in_what_lies_beside_it(rows: tuple[int, int]) -> None:
    regions = square_regions()
    strong, faint = (slice(row, row + 4) for row in rows)
    score = np.zeros(regions.cells.shape)
    score[strong, 8:12] = 200.0
    assert grown(regions, score) == [0]
    score[faint, 8:12] = 18.0
    assert grown(regions, score) == [1]
    score[12:18, 8:12] = 20.0  # what lies between
    score[faint, 12:16] = 18.0
    grown(regions, score)
    assert set(regions.number[12:18, 8:12].ravel()) == {0, 1}
    assert set(regions.number[faint, 12:16].ravel()) == {1}


def test_a_region_that_has_left_the_view_before_it_was_told_of_is_not() -> None:
    regions = square_regions()
    score = np.zeros(regions.cells.shape)
    score[1:5, 1:5] = 200.0
    assert regions.grow(score > 0, score) == []
    regions.move(regions._grid, (-20, 0))
    assert grown(regions, 0.0 * score) == []


def test_a_row_that_reaches_two_regions_takes_nothing_from_either() -> None:
    regions = square_regions()
    score = np.zeros(regions.cells.shape)
    score[4:8, 4:8] = score[4:8, 20:24] = 200.0
    assert grown(regions, score) == [0, 1]
    cells = np.array([[5, col] for col in range(6, 22)])
    assert regions.claim(cells, cells[:0]) == -1
    assert set(regions.number[4:8, 4:8].ravel()) == {0}
    assert set(regions.number[5, 8:24]) == {1}


def bumps(sign: float) -> np.ndarray:
    """A mean cell with one narrow column, bright or dark."""
    row, col = np.indices((10, 10)) - 4.5
    return sign * 100 * np.exp(-(row**2 + col**2) / 5)


def honeycomb(sign: float) -> np.ndarray:
    """A mean cell with two columns, in fractions of vectors 120° apart, bright or dark."""
    row, col = np.indices((12, 12)) / 12
    cell = np.zeros((12, 12))
    for first in (-1 / 3, 1 / 3):
        u, v = (((entry + 0.5) % 1) - 0.5 for entry in (row - first, col + first))
        for i, j in np.ndindex(3, 3):
            away = (u + i - 1) ** 2 + (v + j - 1) ** 2 - (u + i - 1) * (v + j - 1)
            cell += np.exp(-away / 2 / 0.21**2)
    return sign * 100 * cell


@pytest.mark.parametrize(
    ("template", "left", "shift", "kind"),
    [
        (bumps(1), 0.0, -25.0, "hole"),
        (bumps(-1), 0.3, 20.0, "hole"),  # dark columns leave a bright ground
        (bumps(1), 1.0, 40.0, "phase"),  # something on the crystal
        (bumps(-1), 1.0, 40.0, "phase"),
        (bumps(1), 0.2, 0.0, "domain"),
        (bumps(1), 0.2, 40.0, "domain"),
        (bumps(1), 0.2, 60.0, "domain"),  # something thick on it
        (bumps(1), 0.8, -25.0, "hole"),  # a small one: its rim still shows the crystal
        (honeycomb(1), 0.0, -80.0, "hole"),  # skewed like dark columns, and bright all the same
        (honeycomb(-1), 0.0, 80.0, "hole"),
        (honeycomb(1), 1.0, -80.0, "phase"),
        (honeycomb(1), 0.2, 0.0, "domain"),
    ],
)
def test_what_a_region_is_called(
    template: np.ndarray, left: float, shift: float, kind: str
) -> None:
    change = (left - 1) * (template - template.mean()) + shift
    for unit in (1.0, 1e-12):  # electrons, or ampere
        assert kind_of_change(unit * np.repeat(change[None], 20, axis=0), unit * template) == kind


@pytest.mark.parametrize("seed", [1, 2])
def test_a_growing_domain_is_one_event_and_no_shower(seed: int) -> None:
    spec = f"mos2?size=320&frames=40&domain=inversion&seed={seed}"
    run = watch(spec)
    regions = [event for event in run.events if isinstance(event, RegionEvent)]
    assert len(regions) == 1
    announcing = [e for e in run.named("defect_confirmed") if e.region_id is not None]
    assert [event.region_id for event in announcing] == [regions[0].region_id]
    assert len(run.named("defect_confirmed")) == 1
    assert outline_overlap(spec, regions[0]) > 0.55


def test_what_moves_into_the_view_is_a_domain_and_reaches_its_edge() -> None:
    spec = "zro2?size=320&frames=40&domain=twin&domain_px=2&detected_e_per_px=2&seed=1"
    run = watch(spec)
    regions = [event for event in run.events if isinstance(event, RegionEvent)]
    assert [region.kind for region in regions] == ["domain"]
    assert len(run.named("defect_confirmed")) <= 3  # one row of it shows at first
    assert outline_overlap(spec, regions[0]) > 0.55


def outline_overlap(spec: str, region: RegionEvent) -> float:
    """Intersection over union of the outline and the true region of that frame."""
    truth = next(s.region for s in open_simulator(spec) if s.frame.index == region.frame)
    assert truth is not None
    found = polygon2mask(truth.shape, np.array(region.polygon_px)[:, ::-1] / 4 - 0.375)
    return float((found & truth).sum() / (found | truth).sum())


def test_nothing_is_marked_outside_a_phase_that_fills_the_view() -> None:
    spec = "mos2?size=320&frames=50&domain=phase&domain_px=3&seed=3"
    run = watch(spec)
    regions = {s.frame.index: s.region for s in open_simulator(spec)}
    for event in run.named("defect_confirmed"):
        row, col = int(event.y_px) // 4, int(event.x_px) // 4
        near = regions[event.frame][max(row - 5, 0) : row + 6, max(col - 5, 0) : col + 6]
        assert near.any()
    assert len(run.named("defect_confirmed")) <= 8


@pytest.mark.parametrize(
    "spec", ["mos2?detected_e_per_px=5&seed=2", "square?detected_e_per_px=5&seed=1"]
)
def test_rows_of_the_crystal_beside_a_new_phase_stay_where_they_are(spec: str) -> None:
    """Before, the mirrored crystal in a row pulled at all of it: 2 to 10 false markers."""
    y, x = np.indices((320, 320))
    distance = np.hypot(x - 110, y - 150)
    detector, events = Detector(), []
    for frame in frames(f"{spec}&size=320&frames=60&damage=0&jitter_px=0.3"):
        new_phase = distance < GROWTH_PX * (frame.index - 14)
        data = np.where(new_phase, frame.data[:, ::-1], frame.data)
        events += detector.step(dataclasses.replace(frame, data=data)).events
    assert [event.event for event in events].count("region_confirmed") == 1
    far = [
        event
        for event in events
        if event.event == "defect_confirmed"
        and np.hypot(event.x_px - 110, event.y_px - 150) > GROWTH_PX * (event.frame - 14) + 25
    ]
    assert len(far) <= 1


@pytest.mark.parametrize("case", ["missing", "bright", "blurred"])
def test_what_one_frame_shows_in_a_part_of_it_is_no_region(case: str) -> None:
    """And what is born afterwards is told at once."""
    row, col = np.indices((192, 192))
    block = (abs(row - 80) < 34) & (abs(col - 100) < 34)
    spec = "graphene?size=192&frames=38&prescribed=6&damage_from=30&births_until=33&seed=4"
    detector, told, born = Detector(), [], {}
    for simulated in open_simulator(f"{spec}&detected_e_per_px=5"):
        data, index = simulated.frame.data.astype(float), simulated.frame.index
        if index == 22:
            other = {
                "missing": 0.0 * data,
                "bright": data + data.mean() * np.exp(-((row - 80) ** 2 + (col - 100) ** 2) / 450),
                "blurred": ndimage.gaussian_filter(data, 3),
            }
            data = np.where(block, other[case], data)
        told += detector.step(Frame.from_array(data.astype(np.uint16), index=index)).events
        born.update({defect.defect_id: defect for defect in simulated.truth})
    assert not [event for event in told if event.event == "region_confirmed"]
    births = [event for event in told if event.event == "defect_confirmed"]
    assert births
    assert all(event.frame >= 30 for event in births)
    assert len(births) >= len(born) - 2
