import numpy as np
import pytest

from livedetect.bench.areas import TrueAreas, by_area, told_of

from .records import answered, record, rows


class GrowingSquare:
    """An area of 4 x 4 px blocks that grows by a row and a column of blocks per frame."""

    def altered_area(self, index):
        area = np.zeros((40, 40), bool)
        area[10 : 10 + index, 10 : 10 + index] = True
        return area


AREAS = TrueAreas(simulator=GrowingSquare(), frames=20, cell_px2=16.0)


def region(frame, low_px, high_px, number=0):
    corners = [(low_px, low_px), (high_px, low_px), (high_px, high_px), (low_px, high_px)]
    polygon = [list(corner) for corner in corners]
    return {
        "event": "region_confirmed",
        "frame": frame,
        "region_id": number,
        "kind": "hole",
        "polygon_px": polygon,
    }


def marker(frame, x_px, y_px, region_id=None):
    place = {"frame": frame, "x_px": x_px, "y_px": y_px, "region_id": region_id}
    return {"event": "defect_confirmed", **place}


def test_a_region_is_due_once_it_exceeds_twelve_cells():
    assert AREAS.due() == 4, "16 blocks of one cell each"


def test_a_good_region_holds():
    events = [region(6, 40, 64), marker(6, 50, 50, region_id=0)]
    told = told_of(AREAS, events)
    assert (told["due"], told["confirmed"], told["announced"]) == (4, 6, 1)
    assert told["iou"] > 0.95
    [row] = rows(by_area([answered(record(details={"area": told}))]))
    assert (row["delay / frames"], row["called"], row["holds"]) == ("2", "hole", "yes")


@pytest.mark.parametrize(
    "events",
    [
        [],
        [region(6, 40, 64)],
        [region(9, 40, 76), marker(9, 50, 50, region_id=0)],
        [region(6, 40, 90), marker(6, 50, 50, region_id=0)],
        [region(6, 40, 64), marker(6, 50, 50, region_id=0), marker(8, 50, 50)],
        [region(6, 40, 64), marker(6, 50, 50, region_id=0), marker(8, 150, 150)],
        [region(6, 40, 64), marker(6, 50, 50, region_id=0), region(8, 100, 120, number=1)],
    ],
    ids=["none", "unannounced", "late", "too large", "a point at it", "a point away", "another"],
)
def test_what_does_not_hold(events):
    told = told_of(AREAS, events)
    [row] = rows(by_area([answered(record(details={"area": told}))]))
    assert row["holds"] == "NO"
