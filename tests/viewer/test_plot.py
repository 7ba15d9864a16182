"""The plot of defects: choosing a frame by a click, and the line at the frame looked at."""

import pytest

from livedetect.viewer.display import display_problem

pytestmark = pytest.mark.usefixtures("needs_display")

if display_problem() is None:
    from qtpy.QtCore import QPoint, Qt

    from livedetect.viewer.plot import DefectPlot

SERIES = {
    "frame": [0, 1, 2, 5, 6],
    "dose_e_per_A2": [10.0, 20.0, None, 60.0, 70.0],
    "time_s": [0.0, 0.5, 1.0, 2.5, 3.0],
    "total": [0, 1, 1, 4, 5],
    "new": [0, 1, 1, 4, 5],
    "active": [0, 1, 1, 4, 5],
}


@pytest.fixture
def plot(needs_display, qtbot):  # noqa: ARG001 - the display has to come first
    plot = DefectPlot()
    qtbot.addWidget(plot)
    plot.resize(400, 300)
    plot.show_series(SERIES, None)
    return plot


@pytest.mark.parametrize(("x", "frame"), [(0.4, 0), (3.0, 2), (4.0, 5), (99.0, 6)])
def test_the_nearest_frame_is_chosen(plot, qtbot, x, frame):
    with qtbot.waitSignal(plot.frame_chosen) as chosen:
        plot.choose_at(x)
    assert chosen.args == [frame]


def test_a_click_on_the_curve_chooses_its_frame(plot, qtbot):
    plot.show()
    qtbot.waitExposed(plot)
    canvas = plot.canvas
    box = canvas.getViewBox()
    qtbot.waitUntil(lambda: box.sceneBoundingRect().width() > 50)
    at = box.mapViewToScene(box.viewRect().center())
    middle = round(box.mapSceneToView(at).x())
    with qtbot.waitSignal(plot.frame_chosen) as chosen:
        qtbot.mouseClick(
            canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(round(at.x()), round(at.y()))
        )
    assert abs(chosen.args[0] - middle) <= 1


def test_the_line_stands_at_the_frame_along_any_axis(plot):
    plot.show_cursor(5)
    assert plot.cursor_at() == 5.0
    plot.set_axis("dose_e_per_A2")
    assert plot.cursor_at() == 60.0
    plot.set_axis("time_s")
    assert plot.cursor_at() == 2.5
    plot.show_cursor(None)
    assert plot.cursor_at() is None


def test_without_a_dose_there_is_nothing_to_choose(plot, qtbot):
    plot.show_series({**SERIES, "dose_e_per_A2": [None] * 5}, None)
    plot.set_axis("dose_e_per_A2")
    with qtbot.assertNotEmitted(plot.frame_chosen):
        plot.choose_at(20.0)
    plot.show_cursor(5)
    assert plot.cursor_at() is None
