"""The dock of a recorded session: what is known of the frame under the slider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from livedetect.errors import LivedetectError
from livedetect.viewer.defect_view import DefectView
from livedetect.viewer.labels import label, set_text, set_tone
from livedetect.viewer.plot import DefectPlot
from livedetect.viewer.recorded_events import EventTable
from livedetect.viewer.recorded_view import RecordedView, forget_view, view_of
from livedetect.viewer.recorded_words import session_summary

UPDATE_PERIOD_MS = 1000
_WIDTH_PX = 370
_LAYOUT_MS = 100
_EMPTY = "Open the directory of a recorded session"


class RecordedWidget(QWidget):  # type: ignore[misc]  # Qt comes without types
    """Frame, plot and events of a session; opens one at once if `session` is given."""

    def __init__(self, napari_viewer: Any, session: str | None = None) -> None:
        super().__init__()
        self._view = view_of(napari_viewer)
        self._rows: dict[str, QLabel] = {}
        self._lay_out()
        for key, action in _KEYS.items():
            napari_viewer.bind_key(key, action, overwrite=True)
        for key, direction in (("N", 1), ("P", -1)):
            if key not in map(str, napari_viewer.keymap):  # the live view has them too
                napari_viewer.bind_key(key, _stepping(view_of(napari_viewer), direction))
        napari_viewer.mouse_drag_callbacks.append(self._clicked)
        self._timer = QTimer(self)
        self._timer.setInterval(UPDATE_PERIOD_MS)
        self._timer.timeout.connect(self._view.update)
        self._timer.start()
        self._view.changed = self.show_step
        self._view.stepped = self.events.step
        view = self._view
        self.destroyed.connect(lambda: _let_go(view))
        if session is not None:
            self.open(session)
        else:
            self._show_session()
            self.show_step()

    @property
    def view(self) -> RecordedView:
        """What is shown."""
        return self._view

    def _lay_out(self) -> None:
        self._title = label("")
        self._notes, self._summary = label("font: 10pt;"), label("font: 9pt; color: #a9b3bd;")
        self._defects = label("font: bold 15pt;")
        self._agreement = label("font: bold 11pt;")
        self._legend, self._complaint = label("font: 10pt;"), label("font: 10pt; color: #F0A35E;")
        self._figures = QFormLayout()
        self._figures.setVerticalSpacing(1)
        self.plot = DefectPlot()
        self.plot.setMinimumHeight(150)
        self.plot.frame_chosen.connect(self._view.go_to_frame)
        self.events = EventTable()
        self.events.frame_chosen.connect(self._view.go_to_frame)
        self.events.defect_chosen.connect(self.look_at)
        self.defect = DefectView()
        layout = QVBoxLayout(self)
        for widget in (self._title, self._notes, self._defects, self._agreement, self._legend):
            layout.addWidget(widget)
        layout.addLayout(self._figures)
        layout.addWidget(self.plot, stretch=2)
        layout.addWidget(self.events, stretch=3)
        layout.addWidget(self.defect)
        layout.addLayout(self._buttons())
        for widget in (self._summary, self._complaint):
            layout.addWidget(widget)
        self.setMinimumWidth(300)
        # else napari adds a stretch of its own, which takes room from the plot
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Narrow, so that the image keeps most of the window."""
        return QSize(_WIDTH_PX, 700)

    def _buttons(self) -> QVBoxLayout:
        rows = QVBoxLayout()
        steps, files = QHBoxLayout(), QHBoxLayout()
        steps.addWidget(_button("◀ Event", "Alt+Left", lambda: self._view.go_to_event(-1)))
        steps.addWidget(_button("Event ▶", "Alt+Right", lambda: self._view.go_to_event(1)))
        files.addWidget(_button("Open…", "The directory of a session", self.choose_session))
        self._compare = _button("Compare…", "Events of another analysis", self.choose_other)
        files.addWidget(self._compare)
        rows.addLayout(steps)
        rows.addLayout(files)
        return rows

    def open(self, directory: str) -> bool:
        """Show a session directory; what is wrong with it is said in the dock."""
        self.defect.clear()
        found = self._view.open(Path(directory))
        self._show_session()
        self.show_step()
        return found

    def compare(self, path: str | None) -> bool:
        """Lay another analysis over the session: a session or events as JSON Lines."""
        found = self._view.compare(None if path is None else Path(path))
        self._compare.setText("Compare…" if self._view.other is None else "End comparison")
        self.show_step()
        return found

    def fit_soon(self) -> None:
        """Let the frame fill the canvas once the window has made room for the dock."""
        timer = QTimer(self)  # a child: it dies with the dock
        timer.setSingleShot(True)
        timer.timeout.connect(self._view.fit)
        timer.start(_LAYOUT_MS)

    def choose_session(self) -> None:
        """Ask for a session directory."""
        chosen = QFileDialog.getExistingDirectory(self, "A recorded session")
        if chosen:
            self.open(chosen)

    def choose_other(self) -> None:
        """Ask for another analysis, or take the present one away."""
        if self._view.other is not None:
            self.compare(None)
            return
        kinds = "Events or a session (*.jsonl session.json)"
        chosen, _ = QFileDialog.getOpenFileName(self, "Another analysis", "", kinds)
        if chosen:
            path = Path(chosen)
            self.compare(str(path.parent if path.name == "session.json" else path))

    def look_at(self, defect_id: int | None) -> None:
        """Show a defect before and after, from the recorded frames; None: none."""
        from livedetect.viewer.recorded_inspection import inspect_recorded  # noqa: PLC0415 - scipy

        self._view.select(defect_id)
        session = self._view.session
        if defect_id is None or session is None:
            self.defect.clear()
            return
        try:
            shown = inspect_recorded(session, defect_id)
        except LivedetectError as error:
            self.defect.clear(str(error))
            return
        self.defect.show_defect(shown, None)
        place = f"x {shown.x_px:.0f}, y {shown.y_px:.0f} px"
        self.defect.show_words(f"Defect {defect_id} at {place} of frame {shown.frame}.")

    def _clicked(self, _viewer: Any, event: Any) -> Any:
        """A click on a marker shows its defect; a drag moves the image as ever."""
        moved = False
        yield
        while event.type == "mouse_move":
            moved = True
            yield
        defect_id = None if moved else self._view.defect_at(*event.position[-2:])
        if defect_id is not None:
            self.look_at(defect_id)

    def show_step(self) -> None:
        """Show what is known of the present step."""
        told = self._view.told()
        set_text(self._complaint, self._view.complaint)
        self._show_growth()
        if told is None:
            set_text(self._title, _EMPTY)
            set_tone(self._title, "idle")
            return
        set_text(self._title, told.title)
        set_tone(self._title, told.tone)
        set_text(self._notes, told.notes)
        set_text(self._defects, told.defects)
        set_text(self._agreement, told.agreement)
        set_text(self._legend, told.legend)
        for name, value in told.rows:
            self._show_row(name, value)
        self.plot.show_cursor(told.frame)
        self.events.mark(told.frame)

    def _show_row(self, name: str, value: str) -> None:
        if name not in self._rows:
            self._rows[name] = QLabel()
            self._figures.addRow(name, self._rows[name])
        set_text(self._rows[name], value)

    def _show_growth(self) -> None:
        session = self._view.session
        if session is not None and len(session.events) != self.events.known_events:
            self._show_session()

    def _show_session(self) -> None:
        session = self._view.session
        if session is None:
            return
        self.plot.show_series(session.series(), None)
        self.events.show_events(session.events)
        summary = session_summary(
            session.dispositions(),
            session.end,
            grows=session.grows,
            directory=str(session.directory),
        )
        set_text(self._summary, summary)

    def complaint(self) -> str:
        """What went wrong last; empty if nothing did."""
        return self._view.complaint

    def texts(self) -> dict[str, str]:
        """What can be read at the moment, by name."""
        named = {
            "title": self._title,
            "notes": self._notes,
            "defects": self._defects,
            "agreement": self._agreement,
            "legend": self._legend,
            "summary": self._summary,
            "complaint": self._complaint,
        }
        return {name: shown.text() for name, shown in (named | self._rows).items()}


def _next_event(viewer: Any) -> None:
    view_of(viewer).go_to_event(1)


def _previous_event(viewer: Any) -> None:
    view_of(viewer).go_to_event(-1)


def _stepping(view: RecordedView, direction: int) -> Callable[[Any], None]:
    return lambda _viewer: view.stepped(direction)


_KEYS = {"Alt-Right": _next_event, "Alt-Left": _previous_event}


def _let_go(view: RecordedView) -> None:
    """The dock has gone: by now only plain objects may be touched."""
    view.close()
    forget_view(view)


def _button(text: str, tip: str, action: Any) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the arrow keys belong to the slider
    button.clicked.connect(lambda _checked=False: action())
    return button
