"""The live view in a real napari window, fed by an engine in another process."""

import socket
import threading
import time

import imageio.v3
import numpy as np
import pytest

from livedetect.stream import follower
from livedetect.viewer.display import display_problem

pytestmark = pytest.mark.usefixtures("needs_display")

if display_problem() is None:
    from livedetect.viewer.live_session import session_of
    from livedetect.viewer.live_widget import LiveWidget


@pytest.fixture
def live(make_napari_viewer):
    """live(endpoint): a shown napari viewer with the docked live widget."""

    def show(endpoint: str):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1280, 800)
        widget = LiveWidget(viewer, endpoint)
        viewer.window.add_dock_widget(widget, name="Live defects", area="right")
        return viewer, widget

    return show


def expected_yx(frame: int, size: int) -> np.ndarray:
    """Where the synthetic engine's defects are."""
    per_row = int(size / 16) - 4
    places = [divmod((n * 37) % per_row**2, per_row) for n in range((frame - 20) // 5 + 1)]
    drift = (0.05 * frame, 0.1 * frame)
    return np.array([((r + 2) * 16 + drift[0], (c + 2) * 16 + drift[1]) for r, c in places])


def markers_at(viewer, frame: int, size: int = 256) -> bool:
    """The markers of `frame` are drawn."""
    if "defects" not in viewer.layers:
        return False
    wanted, drawn = expected_yx(frame, size), viewer.layers["defects"].data
    return drawn.shape == wanted.shape and np.allclose(drawn, wanted, atol=0.01)


def on_canvas(viewer, yx: np.ndarray, canvas: np.ndarray) -> np.ndarray:
    """Where points of the frame are on a picture of the canvas, (row, column)."""
    middle = np.array(canvas.shape[:2]) / 2 - 0.5
    return (yx - np.array(viewer.scene.camera.center[-2:])) * viewer.scene.camera.zoom + middle


def defects_and_new(widget) -> tuple[int, int]:
    """The two numbers of the banner."""
    words = widget.texts()["defects"].split()
    return int(words[0]), int(words[3])


def clients() -> int:
    return sum(thread.name == "livedetect-results-client" for thread in threading.enumerate())


def test_image_markers_and_panel_follow_the_engine(engine, live, show_until, screenshots):
    _, endpoint = engine(frames=60, fps=20)
    viewer, widget = live(endpoint)
    show_until(lambda: markers_at(viewer, 59))
    show_until(lambda: widget.texts().get("Received", "").startswith("60 "))
    show_until(lambda: len(widget.plot.curve()[0]) == 60)
    picture = viewer.screenshot(canvas_only=False, flash=False)
    imageio.v3.imwrite(screenshots / "live_view.png", picture)
    assert [layer.name for layer in viewer.layers] == ["live image", "defects"]
    texts = widget.texts()
    assert texts["defects"] == "8 defects · 8 new"
    assert texts["Lost"] == "2"
    assert texts["banner"] == "ENDED"
    assert "antisite&nbsp;1" in texts["legend"]
    x, total = widget.plot.curve()
    assert (x[-1], total[-1]) == (59, 8)


def test_rings_are_drawn_around_the_defects_and_leave_them_visible(engine, live, show_until):
    _, endpoint = engine(frames=30, fps=20)
    viewer, _ = live(endpoint)
    show_until(lambda: markers_at(viewer, 29))
    show_until(lambda: viewer.layers["defects"].size[0] == 24.0)
    canvas = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    assert canvas.std() > 10
    row, column = on_canvas(viewer, expected_yx(29, 256)[0], canvas)
    inner, outer = 8 * viewer.scene.camera.zoom, 14 * viewer.scene.camera.zoom
    y, x = np.indices(canvas.shape[:2])
    distance = np.hypot(y - row, x - column)
    coloured = canvas[..., 0] - canvas[..., 2] > 100  # orange: the ring of a vacancy
    ring = coloured & (distance < outer)
    assert ring.sum() > 50
    assert not (ring & (distance < inner)).any()
    seen_y, seen_x = np.nonzero(ring)
    assert abs(seen_y.mean() - row) < viewer.scene.camera.zoom
    assert abs(seen_x.mean() - column) < viewer.scene.camera.zoom


def test_viewer_waits_for_the_engine_and_attaches_when_it_comes(
    engine, live, show_until, monkeypatch
):
    monkeypatch.setattr(follower, "SILENCE_S", 1.5)
    first, endpoint = engine(frames=5)
    first.kill()
    first.wait()
    viewer, widget = live(endpoint)
    widget.pull()
    assert widget.texts()["banner"] == f"waiting for engine at {endpoint}"
    second, _ = engine(endpoint, frames=2000, fps=20)
    show_until(lambda: widget.session.drawn and widget.session.drawn.header["frame"] > 24)
    second.kill()
    show_until(lambda: widget.texts()["banner"].startswith("engine silent since frame"))
    engine(endpoint, frames=30, fps=20)
    show_until(lambda: markers_at(viewer, 29))
    assert len(viewer.layers) == 2


def test_buttons_reach_the_engine(engine, live, show_until):
    process, endpoint = engine(frames=2000, fps=25)
    _, widget = live(endpoint)
    show_until(lambda: "defects ·" in widget.texts()["defects"] and widget.session.images_drawn)
    show_until(lambda: defects_and_new(widget)[0] >= 3)
    widget.perform("baseline")
    show_until(lambda: defects_and_new(widget)[1] < defects_and_new(widget)[0])
    widget.session.command("set_alarm", rule="sometimes")
    show_until(lambda: "one of none, count" in widget.texts()["complaint"])
    widget.session.stop()
    assert show_until(lambda: process.poll() is not None)
    assert process.returncode == 0


def test_closing_the_viewer_detaches(engine, live, show_until):
    _, endpoint = engine(frames=400)
    viewer, widget = live(endpoint)
    session = widget.session
    show_until(lambda: session.images_drawn > 2)
    assert clients() == 1
    viewer.close()
    show_until(lambda: clients() == 0)


def test_dock_closed_and_opened_again_shows_the_same_run(engine, live, show_until):
    _, endpoint = engine(frames=40)
    viewer, widget = live(endpoint)
    show_until(lambda: markers_at(viewer, 39))
    viewer.window.remove_dock_widget(widget)
    again = LiveWidget(viewer)
    viewer.window.add_dock_widget(again, name="again", area="right")
    assert session_of(viewer).endpoint == endpoint
    show_until(lambda: again.texts()["defects"] == "4 defects · 4 new")
    assert len(viewer.layers) == 2
    assert clients() == 1


def test_removed_layer_comes_back(engine, live, show_until):
    _, endpoint = engine(frames=400)
    viewer, widget = live(endpoint)
    show_until(lambda: widget.session.images_drawn > 2)
    viewer.layers.remove("live image")
    show_until(lambda: "live image" in viewer.layers)


def test_malformed_endpoint_is_a_complaint(live, show_until):
    _, widget = live("tcp://127.0.0.1:1")
    widget.endpoint_field.setText("nonsense")
    widget.attach()
    show_until(lambda: "write it as tcp://" in widget.texts()["complaint"])


def test_display_does_not_fall_behind(engine, live, show_until):
    _, endpoint = engine(frames=2000, fps=60)
    viewer, widget = live(endpoint)
    session = widget.session
    show_until(lambda: session.images_drawn > 10)
    end_s = time.monotonic() + 10.0
    ages_s = {}

    def watch() -> bool:
        header = session.drawn.header
        ages_s.setdefault(header["frame"], time.monotonic() - header["time_s"])
        return time.monotonic() > end_s

    show_until(watch)
    ages = np.array(list(ages_s.values()))
    first, last = np.array_split(ages, 2)
    assert len(ages) > 30
    assert np.median(last) < np.median(first) + 0.1
    assert np.median(last) < 0.5
    assert len(viewer.layers) == 2


def test_engine_started_from_the_viewer_runs_and_stops(live, show_until, screenshots):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    viewer, widget = live(f"tcp://127.0.0.1:{port}")
    widget.source_field.setText("sim:mos2?size=256&fps=10&seed=1")
    widget.launch()
    show_until(lambda: widget.texts()["banner"] == "LIVE", 90.0)
    show_until(lambda: len(viewer.layers["defects"].data) >= 2, 60.0)
    picture = viewer.screenshot(canvas_only=False, flash=False)
    imageio.v3.imwrite(screenshots / "live_view_mos2.png", picture)
    widget.session.stop()
    show_until(lambda: widget.texts()["banner"].startswith("ENDED"))
    show_until(lambda: not widget.session.engine_running)


def test_source_that_does_not_exist_is_a_complaint(live, show_until):
    _, widget = live("tcp://127.0.0.1:1")
    widget.source_field.setText("folder:no/such/place")
    widget.launch()
    show_until(lambda: "no/such/place" in widget.texts()["complaint"], 60.0)
