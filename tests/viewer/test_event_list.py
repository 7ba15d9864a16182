"""The list of events: order, sorting, stepping, choosing."""

import numpy as np
import pytest

from livedetect.inspection import Inspection
from livedetect.viewer.display import display_problem

pytestmark = pytest.mark.usefixtures("needs_display")

if display_problem() is None:
    from livedetect.viewer.defect_view import DefectView, diverging, gray
    from livedetect.viewer.event_list import EventList, told_of

EVENTS = [
    {"event": "run_started", "frame": 0},
    {"event": "model_ready", "frame": 11},
    *(
        {"event": "defect_confirmed", "frame": at, "defect_id": at, "kind": "vacancy", "score": s}
        for at, s in ((20, 9.0), (100, 80.0), (30, 700.0))
    ),
]


def picture(defect_id: int) -> Inspection:
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    return Inspection(
        defect_id=defect_id, frame=9, x_px=1.0, y_px=2.0, edge_px=64.0, before=ramp, after=ramp,
        residual=None, frames_before=12, frames_after=8, window_frames=1,
    )  # fmt: skip


@pytest.fixture
def listed(qtbot):
    made = EventList()
    qtbot.addWidget(made)
    made.show_events(EVENTS)
    chosen = []
    made.chosen.connect(chosen.append)
    return made, chosen


def frames(made) -> list[int]:
    return [made.event_at(row)["frame"] for row in range(made.rowCount())]


def test_newest_is_on_top_and_a_head_sorts_by_number(listed):
    from qtpy.QtCore import Qt

    made, _ = listed
    assert frames(made) == [100, 30, 20, 11]
    made.sortByColumn(4, Qt.SortOrder.DescendingOrder)
    assert [made.item(row, 4).text() for row in range(3)] == ["700", "80", "9"]


def test_steps_go_through_time_however_it_is_sorted(listed):
    made, chosen = listed
    for direction in (1, 1, -1, -1, -1, -1, 1):  # the first shows the newest
        made.step(direction)
    assert [event["frame"] for event in chosen] == [100, 100, 30, 20, 11, 11, 20]


def test_added_events_keep_the_choice(listed):
    made, chosen = listed
    made.choose_defect(30)
    made.add_events([{"event": "alarm", "frame": 200, "rule": "count"}])
    assert frames(made)[0] == 200
    made.step(1)
    assert [event["frame"] for event in chosen] == [30, 100]


def test_frames_between_events_mean_the_nearest(listed):
    made, chosen = listed
    made.choose_frame(90)
    assert chosen[-1]["defect_id"] == 100


def test_thumbnails_stand_before_their_defects(listed):
    made, _ = listed
    made.show_thumbnails({30: picture(30)})
    icons = [not made.item(row, 0).icon().isNull() for row in range(made.rowCount())]
    assert icons == [False, True, False, False]


def test_pictures_of_a_defect_share_one_contrast(qtbot):
    view = DefectView()
    qtbot.addWidget(view)
    view.show_defect(picture(3), None)
    assert gray(np.array([[0.0, 1.0, np.nan]], np.float32), 0.0, 1.0)[0, :2, 0].tolist() == [0, 255]
    z = diverging(np.array([[8.0, -8.0, 0.0]], np.float32))
    assert z[0, 0, 0] > z[0, 0, 2]
    assert z[0, 1, 2] > z[0, 1, 0]
    assert not z[0, 2].any()


def test_an_event_without_a_place_is_told_in_words():
    assert told_of({"event": "model_ready", "frame": 3}) == "model ready."
    moved = {"event": "source_changed", "frame": 3, "reason": "a new area"}
    assert told_of(moved) == "new settings · a new area."
