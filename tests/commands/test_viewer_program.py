import sys

import pytest

from livedetect.commands import viewer_program
from livedetect.commands.simulate import with_option
from livedetect.commands.viewer_program import ViewerProgram, wants_view
from livedetect.errors import MissingExtraError


@pytest.fixture
def computer(monkeypatch):
    """computer(problem): what keeps windows from being shown, or None."""

    def set_up(problem):
        monkeypatch.setattr(viewer_program, "display_problem", lambda: problem)

    return set_up


@pytest.mark.parametrize(
    ("view", "problem", "wanted"),
    [(None, None, True), (None, "no display", False), (False, None, False), (True, None, True)],
)
def test_there_is_a_view_where_there_can_be_one(computer, view, problem, wanted):
    computer(problem)
    assert wants_view(view) is wanted


def test_a_wish_that_cannot_be_met_is_answered_with_what_is_missing(computer):
    computer("the display :4 does not answer")
    with pytest.raises(MissingExtraError, match="display :4 does not answer"):
        wants_view(True)


def script(code):
    return lambda *_: [sys.executable, "-c", code]


def test_closing_ends_the_viewer(monkeypatch, stop_event):
    code = "import threading; threading.Event().wait(60)"
    monkeypatch.setattr(viewer_program, "viewer_command", script(code))
    viewer = ViewerProgram("tcp://127.0.0.1:1")
    assert viewer.running
    assert viewer.wait_until_attached(lambda _: True, stop_event)
    viewer.close()
    assert not viewer.running
    viewer.close()


def test_nobody_waits_for_a_viewer_that_died(monkeypatch, stop_event):
    monkeypatch.setattr(viewer_program, "viewer_command", script("raise SystemExit(3)"))
    viewer = ViewerProgram("tcp://127.0.0.1:1")
    assert not viewer.wait_until_attached(stop_event.wait, stop_event)


@pytest.fixture
def stop_event():
    import threading

    return threading.Event()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("mos2", "mos2?frames=5"),
        ("mos2?frames=9", "mos2?frames=5"),
        ("mos2?seed=1&frames=9&size=64", "mos2?seed=1&size=64&frames=5"),
    ],
)
def test_the_number_of_frames_replaces_that_of_the_spec(spec, expected):
    assert with_option(spec, "frames", 5) == expected
