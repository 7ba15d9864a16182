"""The session view in a real napari window: slider, markers, plot, list, comparison."""

import json
import shutil

import imageio.v3
import numpy as np
import pytest

from livedetect.detect.detector import Detector
from livedetect.stream.record import Recorder
from livedetect.stream.recording import Recording
from livedetect.stream.registry import open_source
from livedetect.viewer.display import display_problem

pytestmark = pytest.mark.usefixtures("needs_display")

if display_problem() is None:
    from livedetect.viewer.recorded_program import docked, show_session
    from livedetect.viewer.recorded_view import view_of
    from livedetect.viewer.recorded_widget import RecordedWidget

MARKERS, OTHER = "recorded defects", "other analysis"


@pytest.fixture
def shown(make_napari_viewer, show_until):
    """shown(session, other): a window of 1280 x 800 with the session, and its dock."""

    def show(session, other=None):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1280, 800)
        dock = show_session(viewer, str(session), other and str(other))
        show_until(lambda: dock.texts()["title"])
        return viewer, dock

    return show


@pytest.fixture
def other_events(recorded, tmp_path):
    """The events of another analysis: one defect missed, one moved far away, one found late."""
    events = list(Recording(recorded[0]).events())
    defects = [event for event in events if event["event"] == "defect_confirmed"]
    missed, moved, late = (event["defect_id"] for event in defects[:3])
    kept = [event for event in events if event.get("defect_id") != missed]
    for event in kept:
        if event.get("defect_id") == moved:
            event["x_px"] = 160.0 - event["x_px"]
        if event.get("defect_id") == late and event["event"] == "defect_confirmed":
            event["frame"] += 2
    path = tmp_path / "other.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in kept))
    return path


def image(viewer):
    """The image layer that is visible."""
    [layer] = [x for x in viewer.layers if x.visible and x.data.ndim == 3]
    return layer


def test_the_slider_shows_frames_and_the_markers_known_then(
    recorded, shown, show_until, screenshots
):
    folder, results = recorded
    viewer, dock = shown(folder)
    dock.view.go_to_step(55)
    show_until(lambda: dock.texts()["title"] == "Frame 57 · analysed")
    wanted = {(t.defect_id, round(t.y_px), round(t.x_px)) for t in results[55].active_tracks}
    points = viewer.layers[MARKERS]
    ids = points.features["defect_id"]
    drawn = {(n, round(y), round(x)) for n, (y, x) in zip(ids, points.data, strict=True)}
    assert {n for n, _, _ in wanted} <= {n for n, _, _ in drawn}
    near = [abs(a[1] - b[1]) + abs(a[2] - b[2]) for a in wanted for b in drawn if a[0] == b[0]]
    assert max(near) <= 3
    pixels = Recording(folder).frame(dock.view.session.timeline.steps[55].row).data
    assert np.array_equal(image(viewer).data[55], pixels)
    canvas = viewer.screenshot(canvas_only=True, flash=False)[..., :3]
    assert canvas.std() > 10
    picture = viewer.screenshot(canvas_only=False, flash=False)
    imageio.v3.imwrite(screenshots / "replay.png", picture)


def test_what_became_of_each_frame_is_said(recorded, shown, show_until):
    _, dock = shown(recorded[0])
    said = {}
    for step in (0, 20, 30, 38):
        dock.view.go_to_step(step)
        show_until(lambda step=step: dock.view.step == step)
        said[step] = dock.texts()
    assert said[0]["title"].startswith("Frame 0 · warm-up")
    assert said[20]["title"] == "Frame 20 · analysed"
    assert said[30]["title"] == "Frames 30 to 32 · missing, never received"
    assert "empty" in said[30]["notes"]
    assert said[38]["title"].startswith("Frame 40 · ")
    assert "not analysed" in said[38]["title"]
    assert said[38]["notes"]
    assert said[20]["summary"].startswith("Complete.")


def test_frames_of_another_scan_have_their_own_shape(recorded, shown, show_until):
    viewer, dock = shown(recorded[0])
    assert image(viewer).data.shape[1:] == (128, 128)
    dock.view.go_to_step(20)
    show_until(lambda: image(viewer).data.shape[1:] == (192, 192))
    dock.view.go_to_frame(67)
    show_until(lambda: image(viewer).data.shape[1:] == (128, 128))
    assert len(viewer.layers[MARKERS].data) == 0


def test_plot_and_list_lead_to_the_frame(recorded, shown, show_until):
    _, dock = shown(recorded[0])
    dock.plot.choose_at(44.0)
    show_until(lambda: dock.texts()["title"].startswith("Frame 44 "))
    assert dock.plot.cursor_at() == 44.0
    row = next(
        row for row in range(dock.events.rowCount()) if dock.events.item(row, 1).text() == "gap"
    )
    dock.events.cellClicked.emit(row, 0)
    show_until(lambda: dock.texts()["title"].startswith("Frames 30 to 32"))
    dock.view.go_to_event(1)
    show_until(lambda: not dock.texts()["title"].startswith("Frames 30"))
    later = dock.view.step
    dock.view.go_to_event(-1)
    show_until(lambda: dock.view.step < later)


def test_dismissed_markers_are_faint(recorded, shown, show_until):
    viewer, dock = shown(recorded[0])
    step = dock.view.session.timeline.step_of(35)
    dock.view.go_to_step(step)
    show_until(lambda: dock.view.step == step)
    points = viewer.layers[MARKERS]
    [dismissed] = dock.view.session.timeline.dismissed_at(step)
    alpha = dict(zip(points.features["defect_id"], points.border_color[:, 3], strict=True))
    assert alpha[dismissed] < 0.5
    assert min(value for n, value in alpha.items() if n != dismissed) > 0.5


def test_two_analyses_are_laid_over_each_other(
    recorded, other_events, shown, show_until, screenshots
):
    viewer, dock = shown(recorded[0], other_events)
    found = ("defect_confirmed", "defect_at_start")
    early = (e for e in Recording(recorded[0]).events() if e["frame"] <= 60)
    total = sum(event["event"] in found for event in early)
    dock.view.go_to_frame(60)
    show_until(lambda: dock.texts()["title"].startswith("Frame 60 "))
    both = len([n for n in dock.texts()["agreement"].split() if n.isdigit()])
    assert both == 3
    assert "only session 2 · only other 1" in dock.texts()["agreement"]
    assert dock.texts()["agreement"].startswith(f"both {total - 2} ")
    symbols = {str(s) for s in viewer.layers[MARKERS].symbol}
    others = {str(s) for s in viewer.layers[OTHER].symbol}
    assert len(symbols) == len(others) == 1
    assert symbols != others
    picture = viewer.screenshot(canvas_only=False, flash=False)
    imageio.v3.imwrite(screenshots / "replay_compared.png", picture)
    dock.compare(None)
    show_until(lambda: not dock.texts()["agreement"])
    assert len(viewer.layers[OTHER].data) == 0


def test_a_session_in_the_making_grows_under_the_slider(recorded, shown, show_until, tmp_path):
    growing = half(recorded[0], tmp_path, rows=40)
    viewer, dock = shown(growing)
    assert dock.view.step == 39
    assert "livedetect recover" in dock.texts()["summary"]
    shutil.copy(recorded[0] / "events.sqlite", growing / "events.sqlite")
    shutil.copytree(recorded[0], growing, dirs_exist_ok=True)
    show_until(lambda: dock.view.step == len(recorded[1]) - 1)
    assert image(viewer).data.shape[0] == len(recorded[1])
    show_until(lambda: dock.texts()["summary"].startswith("Complete."))


def half(session, tmp_path, rows):
    """A copy of the session as it was after so many rows, not closed."""
    import sqlite3

    copy = tmp_path / "growing"
    shutil.copytree(session, copy)
    (copy / "END.json").unlink()
    database = sqlite3.connect(copy / "events.sqlite")
    with database:
        database.execute("DELETE FROM frames WHERE position >= ?", (rows,))
        database.execute("DELETE FROM events WHERE after_items > ?", (rows,))
        database.execute("DELETE FROM commands WHERE after_items > ?", (rows,))
    database.close()
    return copy


def test_the_reader_opens_a_dropped_session(recorded, make_napari_viewer, show_until):
    viewer = make_napari_viewer(show=True)
    viewer.open(str(recorded[0]), plugin="livedetect")
    assert len([layer for layer in viewer.layers if layer.data.ndim == 3]) == 2
    dock = show_until(lambda: docked(viewer))
    show_until(lambda: dock.texts()["title"].startswith("Frame 68"))
    assert len([layer for layer in viewer.layers if layer.data.ndim == 3]) == 2
    assert dock.complaint() == ""


def test_a_broken_session_is_a_complaint_that_says_what_to_do(recorded, shown, tmp_path):
    _, dock = shown(recorded[0])
    broken = tmp_path / "broken"
    shutil.copytree(recorded[0], broken)
    (broken / "events.sqlite").write_bytes(b"no database")
    assert not dock.open(str(broken))
    assert "damaged" in dock.complaint()
    assert not dock.open(str(tmp_path / "nowhere"))
    assert "no session" in dock.complaint()
    assert dock.texts()["title"].startswith("Frame")


def test_a_frame_whose_pixels_are_gone_is_said_so(recorded, shown, show_until, tmp_path):
    torn = tmp_path / "torn"
    shutil.copytree(recorded[0], torn)
    shutil.rmtree(torn / "frames-0001.zarr" / "c" / "21")
    _, dock = shown(torn)
    dock.view.go_to_step(21)
    show_until(lambda: dock.view.step == 21)
    show_until(lambda: "missing" in dock.texts()["notes"])
    assert "livedetect recover" in dock.texts()["notes"]


def test_a_dock_opened_again_shows_the_same_session(recorded, shown, show_until):
    viewer, dock = shown(recorded[0])
    dock.view.go_to_step(20)
    viewer.window.remove_dock_widget(dock)
    assert docked(viewer) is None
    again = show_session(viewer)
    show_until(lambda: again.texts()["title"] == "Frame 20 · analysed")
    again.view.go_to_step(21)
    show_until(lambda: again.texts()["title"] == "Frame 21 · analysed")
    assert view_of(viewer) is again.view


def test_without_a_session_the_dock_asks_for_one(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    dock = RecordedWidget(viewer)
    viewer.window.add_dock_widget(dock, name="recorded", area="right")
    assert dock.texts()["title"] == "Open the directory of a recorded session"
    dock.view.go_to_event(1)
    dock.view.go_to_frame(3)
    assert not dock.view.update()


def test_a_click_on_an_event_shows_the_defect_before_and_after(
    recorded, shown, show_until, screenshots
):
    viewer, dock = shown(recorded[0])
    row = next(
        row
        for row in range(dock.events.rowCount())
        if dock.events.item(row, 1).text() == "confirmed"
    )
    defect_id = dock.events.item(row, 0).data(256)
    dock.events.cellClicked.emit(row, 0)
    show_until(lambda: dock.defect.words.startswith(f"Defect {defect_id} at"))
    assert dock.view.selected == defect_id
    points = viewer.layers[MARKERS]
    assert list(points.features["defect_id"]).count(defect_id) == 2  # the marker and its ring
    imageio.v3.imwrite(
        screenshots / "replay_defect.png", viewer.screenshot(canvas_only=False, flash=False)
    )
    y, x = points.data[list(points.features["defect_id"]).index(defect_id)]
    assert dock.view.defect_at(y, x) == defect_id
    dock.events.step(1)
    assert dock.view.selected != defect_id
    dock.events.step(-1)
    assert dock.view.selected == defect_id


def test_phases_are_outlined_where_the_specimen_has_taken_them(tmp_path, shown, show_until):
    spec = "sim:mos2?size=192&frames=20&damage=0&detected_e_per_px=5&twin=1&drift_px=0.6&seed=1"
    recorder, engine = Recorder(tmp_path / "twin"), Detector()
    for item in open_source(spec):
        recorder.on_frame(item)
        recorder.on_result(engine.step(item))
    recorder.close()
    (ready,) = [e for e in Recording(tmp_path / "twin").events() if e["event"] == "model_ready"]
    viewer, dock = shown(tmp_path / "twin")
    dock.view.go_to_step(18)
    show_until(lambda: "recorded phases" in viewer.layers)
    told = np.asarray(ready["phases"][1]["polygons_px"][0])
    layer = viewer.layers["recorded phases"]
    moved = np.subtract(dock.view.session.timeline.drift_at(18), ready["drift_px"])
    drawn = (layer.data[0] + layer.translate)[:, ::-1]
    np.testing.assert_allclose(drawn, told + moved, atol=0.01)
    assert np.hypot(*moved) > 1
    assert "2&nbsp;phases" in dock.texts()["legend"]
    dock.view.go_to_step(3)  # nothing is known yet
    show_until(lambda: len(layer.data) == 0)
