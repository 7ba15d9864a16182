"""Every state of the live view, in a real window; each leaves a picture."""

import dataclasses

import imageio.v3
import numpy as np
import pytest

from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.queries import answer_query
from livedetect.types import Command, DefectEvent, Frame, NoticeEvent, Phase, RegionEvent, Track
from livedetect.viewer.display import display_problem
from tests import synthetic_engine as synthetic

pytestmark = pytest.mark.usefixtures("needs_display")

if display_problem() is None:
    from livedetect.viewer.app import make_room
    from livedetect.viewer.live_widget import LiveWidget

SIZE = 512
SENSITIVITY = {"vacancy": 1, "half_vacancy": 6, "displaced": None}
OUTLINE = ((300.0, 300.0), (380.0, 310.0), (370.0, 390.0), (290.0, 370.0))


class Microscope:
    """Publishes what a test wants an operator to see."""

    def __init__(self) -> None:
        self.publisher = ResultsPublisher("tcp://127.0.0.1:0")
        self.publisher.tell_recording(lambda: {"state": "on", "free_bytes": 66.2e9})
        self.showing = synthetic.Showing(SIZE)
        self.dismissed: set[int] = set()
        self.obeyed: list[Command] = []
        self.phases: list[dict] = []
        values = {"session_id": "0", "source": "synthetic", "version": "0", "settings": {}}
        self.publisher.on_event(self.event("run_started", 0, values))

    def event(self, name: str, frame: int, values: dict) -> NoticeEvent:
        return NoticeEvent(event=name, frame=frame, time_s=frame / 4, values=values)

    def show(self, frame: int, phase: Phase | None = None, **status) -> None:
        """One frame, its result and the session's status."""
        result = synthetic.result(SIZE, frame, frame / 4)
        held = [t for t in result.active_tracks if t.defect_id not in self.dismissed]
        gone = [t for t in result.active_tracks if t.defect_id in self.dismissed]
        events = [self.with_sensitivity(event) for event in result.events]
        if frame >= 60:
            dy, dx = np.subtract(synthetic.drift_px(frame), synthetic.drift_px(60))
            held.append(region_track(frame, 335 + dx, 345 + dy))
        if frame == 60:
            events += region_events(frame)
        result = dataclasses.replace(
            result,
            phase=phase or result.phase,
            events=tuple(events),
            active_tracks=tuple(held),
            dismissed_tracks=tuple(gone),
            watched=synthetic.watched(SIZE) if frame >= 12 else None,
        )
        self.showing.frame = frame
        image = synthetic.picture(SIZE, frame)
        self.publisher.on_frame(Frame.from_array(image, index=frame, pixel_size_nm=0.02))
        self.publisher.on_result(result)
        self.tell(frame, result.phase, **status)

    def with_sensitivity(self, event):
        if event.event != "model_ready":
            return event
        budget = {"false_markers_per_1000_frames": 1.0, "sensitivity": SENSITIVITY}
        view = {"phases": self.phases, "drift_px": synthetic.drift_px(event.frame)[::-1]}
        return dataclasses.replace(event, values={**event.values, **budget, **view})

    def tell(self, frame: int, phase: Phase, **status) -> None:
        """The session's word on itself."""
        told = synthetic.status(frame, 4.0)
        self.publisher.on_status(dataclasses.replace(told, phase=phase, **status))

    def serve(self) -> None:
        """Answer and obey what has come."""
        for query in self.publisher.queries():
            answer_query(query, self.showing)
        for command in self.publisher.poll():
            self.obeyed.append(command)
            if command.name == "dismiss":
                self.dismissed.add(command.args["defect_id"])
            values = {"name": command.name, "args": dict(command.args), "ok": True}
            self.publisher.on_event(self.event("command", self.showing.frame, values))


def region_track(frame: int, x_px: float, y_px: float) -> Track:
    return Track(
        defect_id=900,
        x_px=x_px,
        y_px=y_px,
        x_nm=None,
        y_nm=None,
        kind="unknown",
        confidence=0.0,
        score=9.0,
        first_seen_frame=60,
        confirmed_frame=60,
        last_seen_frame=frame,
        region_id=0,
    )


def region_events(frame: int) -> list:
    stamp = {"frame": frame, "time_s": frame / 4}
    region = RegionEvent(
        event="region_confirmed", region_id=0, kind="hole", polygon_px=OUTLINE, area_nm2=2.2,
        **stamp,
    )  # fmt: skip
    inside = DefectEvent(
        event="defect_confirmed", defect_id=900, first_seen_frame=60, x_px=335.0, y_px=345.0,
        region_id=0, **stamp,
    )  # fmt: skip
    return [region, inside]


@pytest.fixture
def microscope():
    made = Microscope()
    yield made
    made.publisher.close()


@pytest.fixture
def scene(microscope, make_napari_viewer, show_until, screenshots):
    """(viewer, widget, shown): shown(frame, condition) publishes until a condition holds."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    widget = LiveWidget(viewer, microscope.publisher.endpoint)
    viewer.window.add_dock_widget(widget, name="Live defects", area="right", tabify=False)
    make_room(widget)

    def shown(name: str, condition) -> None:
        def served() -> bool:
            microscope.serve()
            return condition()

        show_until(served, 60.0)
        picture = viewer.screenshot(canvas_only=False, flash=False)
        assert picture[..., :3].std() > 5
        imageio.v3.imwrite(screenshots / f"state_{name}.png", picture)

    return viewer, widget, shown


def drawn(widget, frame: int) -> bool:
    return widget.session.drawn is not None and widget.session.drawn.header["frame"] == frame


def test_every_state_is_shown(microscope, scene):
    viewer, widget, shown = scene
    shown("waiting", lambda: widget.texts()["banner"] == "WAITING for the first frame")
    microscope.show(6)
    shown("warming_up", lambda: drawn(widget, 6) and "WARMING UP" in widget.texts()["banner"])
    for frame in range(11, 61):
        microscope.show(frame)
    shown("live", lambda: drawn(widget, 60) and len(widget.plot.curve()[0]) >= 50)
    assert widget.texts()["banner"] == "LIVE"
    assert "recording · 66.2 GB free" in widget.texts()["recording"]
    assert "half vacancy within 6 frames" in widget.texts()["note"]
    assert {"live image", "not watched", "regions", "defects"} == {x.name for x in viewer.layers}
    widget.alarm_form.choose("count", 5.0, "blank")
    widget.perform("alarm")
    shown("alarm_rule", lambda: widget.alarm_form.outcome == "Would have blanked at frame 40.")
    microscope.show(61, alarm=True, alarm_value=10.0)
    shown("alarm", lambda: drawn(widget, 61) and widget.texts()["flags"] == "ALARM at 10")
    microscope.show(62, Phase.DRIFTED)
    shown("drifted", lambda: "DRIFTED" in widget.texts()["banner"])
    microscope.tell(62, Phase.LIVE, stale=True)
    shown("stale", lambda: "STALE" in widget.texts()["flags"])
    end = {"status": "success"}
    microscope.publisher.on_event(microscope.event("run_ended", 62, end))
    shown("ended", lambda: widget.texts()["banner"] == "ENDED")
    assert not widget.stop_button.isEnabled()
    widget.perform("help")
    shown("keys", lambda: True)


def test_operator_looks_at_defects_and_dismisses_one(microscope, scene):
    viewer, widget, shown = scene
    for frame in range(11, 50):
        microscope.show(frame)
    shown("before_choice", lambda: drawn(widget, 49) and widget.events.rowCount() >= 7)
    widget.events.choose_defect(2)
    shown("defect", lambda: widget.defect.words.startswith("Defect 2 at"))
    assert widget.session.inspections.get(2).frames_after == 8
    assert len(viewer.layers["defects"].data) == 7  # six, and the ring around the chosen one
    assert tuple(np.round(viewer.scene.camera.center[-2:], 1)) == pytest.approx(
        np.round(widget.session.place_of(2), 1)
    )
    widget.perform("dismiss")
    shown("dismissed", lambda: faint(viewer) == 1 or redraw(microscope))
    assert "(1 in " in widget.texts()["note"].partition("dismissed by you")[2]
    assert widget.session.selected == 2
    widget.perform("previous_defect")
    assert widget.session.selected == 1
    widget.perform("freeze")
    microscope.show(52)
    shown("frozen", lambda: "VIEW FROZEN" in widget.texts()["flags"])
    assert not drawn(widget, 52)
    widget.perform("freeze")
    shown("resumed", lambda: drawn(widget, 52))


def faint(viewer) -> int:
    """Number of markers that are drawn dimmed."""
    return int(np.isclose(viewer.layers["defects"].border_color[:, 3], 0.3).sum())


def redraw(microscope) -> bool:
    """The engine goes on."""
    frame = microscope.showing.frame
    if microscope.dismissed and frame < 51:
        microscope.show(frame + 1)
    return False


def test_regions_and_markers_move_with_the_specimen(microscope, scene, show_until):
    viewer, widget, _ = scene
    widget.perform("follow")
    for frame in (12, 60):
        microscope.show(frame)
    show_until(lambda: drawn(widget, 60))
    outline = viewer.layers["regions"].data[0] + viewer.layers["regions"].translate
    np.testing.assert_allclose(outline[0], OUTLINE[0][::-1], atol=0.01)
    camera = np.array(viewer.scene.camera.center[-2:])
    microscope.show(100)
    show_until(lambda: drawn(widget, 100))
    moved = np.subtract(synthetic.drift_px(100), synthetic.drift_px(60))
    outline = viewer.layers["regions"].data[0] + viewer.layers["regions"].translate
    np.testing.assert_allclose(outline[0], np.add(OUTLINE[0][::-1], moved), atol=0.01)
    np.testing.assert_allclose(np.array(viewer.scene.camera.center[-2:]) - camera, moved, atol=0.01)


DOMAIN = ((250.0, 24.0), (486.0, 24.0), (486.0, 486.0), (330.0, 486.0), (300.0, 280.0))


def lies_at(viewer, frame: int) -> bool:
    """The outline of the domain has moved with the specimen since the model was ready."""
    layer = viewer.layers["phases"]
    moved = np.subtract(synthetic.drift_px(frame), synthetic.drift_px(11))
    wanted = np.asarray(DOMAIN)[:, ::-1] + moved
    return np.allclose(layer.data[0] + layer.translate, wanted, atol=0.01)


def test_phases_in_view_are_outlined_and_hidden_with_a_key(microscope, scene, show_until):
    viewer, widget, shown = scene
    microscope.phases = [
        {"share": 0.6, "polygons_px": [[(24, 24), (250, 24), (330, 486), (24, 486)]]},
        {"share": 0.4, "polygons_px": [DOMAIN]},
    ]
    for frame in range(11, 61):
        microscope.show(frame)
    shown("phases", lambda: drawn(widget, 60) and "2&nbsp;phases" in widget.texts()["legend"])
    assert lies_at(viewer, 60)
    widget.perform("phases")
    assert not viewer.layers["phases"].visible
    widget.perform("phases")
    assert viewer.layers["phases"].visible
    # who comes late knows them, and where they were, from the snapshot
    widget.endpoint_field.setText("tcp://127.0.0.1:9")
    widget.attach()
    assert len(viewer.layers["phases"].data) == 0
    widget.endpoint_field.setText(microscope.publisher.endpoint)
    widget.attach()
    microscope.show(100)
    show_until(lambda: drawn(widget, 100) and len(viewer.layers["phases"].data) == 1)
    assert lies_at(viewer, 100)


def test_where_there_is_one_phase_its_key_says_so(microscope, scene, show_until):
    viewer, widget, _ = scene
    microscope.show(11)
    show_until(lambda: drawn(widget, 11))
    assert "phases" not in viewer.layers
    widget.perform("phases")
    assert "no phases to outline" in widget.session.complaint


def test_the_offer_to_return_to_an_area_is_taken_up(microscope, scene):
    _, widget, shown = scene
    for frame in range(11, 40):
        microscope.show(frame)
    offer = {"earlier_area": 0, "reason": "this looks like area 0", "overlap": 0.9}
    microscope.publisher.on_event(microscope.event("source_changed", 39, offer))
    shown("offer", widget.return_button.isVisible)
    assert widget.return_button.text().startswith("This looks like area 0 again")
    widget.return_button.click()
    shown("returned", lambda: not widget.return_button.isVisible())
    assert [(c.name, c.args) for c in microscope.obeyed] == [("return_to_area", {"area_id": 0})]


def test_another_engine_is_shown_without_what_was_drawn_before(microscope, scene, show_until):
    viewer, widget, _ = scene
    microscope.show(60)
    show_until(lambda: drawn(widget, 60) and "regions" in viewer.layers)
    widget.endpoint_field.setText("tcp://127.0.0.1:9")
    widget.attach()
    assert widget.session.drawn is None
    assert "live image" not in viewer.layers
    assert len(viewer.layers["regions"].data) == len(viewer.layers["defects"].data) == 0
    widget.endpoint_field.setText(microscope.publisher.endpoint)
    widget.attach()
    microscope.show(61)
    show_until(lambda: drawn(widget, 61))
    show_until(lambda: len(viewer.layers["regions"].data) == 1)  # known from the snapshot


def test_export_writes_what_other_programs_read(microscope, scene, show_until, tmp_path):
    import csv
    import json

    _, widget, _ = scene
    for frame in range(11, 45):
        microscope.show(frame)
    show_until(lambda: drawn(widget, 44))
    show_until(lambda: len(widget.session.events()) >= 6)
    widget.export(tmp_path)
    [folder] = tmp_path.iterdir()
    lines = (folder / "defects.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines))
    assert [int(row["defect_id"]) for row in rows] == [0, 1, 2, 3, 4]
    assert json.loads((folder / "events.json").read_text(encoding="utf-8"))["counts"]["total"] == 5
    markers = json.loads((folder / "markers.json").read_text(encoding="utf-8"))
    assert markers["units"] == "nm"
    assert len(markers["Points"]["offsets"]) == len(markers["Points"]["edgecolors"]) == 5
    assert (folder / "view.png").stat().st_size > 1000
