"""The dock widget of the live view: what the operator reads and presses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from livedetect.errors import SettingsError
from livedetect.viewer.actions import ACTIONS
from livedetect.viewer.alarm_form import AlarmForm
from livedetect.viewer.banner import Banner
from livedetect.viewer.defect_view import DefectView
from livedetect.viewer.event_list import EventList, told_of
from livedetect.viewer.help_overlay import HelpOverlay
from livedetect.viewer.key_bindings import add_menu, bind_keys
from livedetect.viewer.labels import label, set_text
from livedetect.viewer.live_commands import forget_dock, remember_dock
from livedetect.viewer.live_session import LiveSession, View, close_session, session_of
from livedetect.viewer.napari_seam import viewer_key
from livedetect.viewer.plot import DefectPlot
from livedetect.viewer.roi_layer import RoiLayer

PULL_PERIOD_MS = 10
"""Previews come 20 times a second; one is shown within so much of its coming."""
_WIDTH_PX = 400
_EVENTS, _ALARM, _RUN = range(3)  # tabs, in their order
_SAMPLE_SOURCE = "sim:mos2?fps=10"
_BUTTONS = (
    ("freeze", "Freeze  F"),
    ("previous_defect", "◀  P"),
    ("next_defect", "N  ▶"),
    ("accept", "Accept  A"),
    ("dismiss", "Dismiss  D"),
    ("baseline", "Baseline  B"),
    ("region", "Region  R"),
    ("export", "Export  E"),
    ("mute", "Mute  M"),
    ("help", "Keys  ?"),
)
_BUTTONS_IN_A_ROW = 5


class LiveWidget(QWidget):  # type: ignore[misc]  # Qt comes without types
    """Banner, plot, events and buttons; pulls the newest results a hundred times a second."""

    def __init__(self, napari_viewer: Any, endpoint: str | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = session_of(napari_viewer, endpoint)
        self._muted = False
        self._alarmed = self._was_running = False
        self._pictured: tuple[int, int | None] = (-1, None)
        self._overlay: HelpOverlay | None = None
        self._roi = RoiLayer(napari_viewer, self._watch_rectangle)
        self._lay_out()
        self.events.show_events(self._session.events())
        bind_keys(napari_viewer, ACTIONS, self.perform)
        napari_viewer.mouse_drag_callbacks.append(self._clicked)
        remember_dock(napari_viewer, self)
        self._timer = QTimer(self)
        self._timer.setInterval(PULL_PERIOD_MS)
        self._timer.timeout.connect(self.pull)
        self._timer.start()
        # viewer.close() sends no closeEvent; by then only plain objects may be touched
        session, key = self._session, viewer_key(napari_viewer)
        self.destroyed.connect(lambda: _let_go(session, key))

    @property
    def session(self) -> LiveSession:
        """The connection that this widget shows."""
        return self._session

    def _lay_out(self) -> None:
        self.banner = Banner()
        self._legend = label("font: 10pt;")
        self._note = label("font: 9pt; color: #a9b3bd;")
        self._complaint = label("font: 10pt; color: #F0A35E;")
        self.return_button = self._button("", lambda: self.perform("return"))
        self.return_button.setStyleSheet("background: #56B4E9; color: #0b1116; font: bold 11pt;")
        self.return_button.hide()
        self.plot = DefectPlot()
        self.plot.setMinimumHeight(105)
        self.plot.frame_chosen.connect(self._choose_frame)
        self.tabs = QTabWidget()
        self.tabs.addTab(self._events_page(), "Events")
        self.tabs.addTab(self._alarm_page(), "Alarm")
        self.tabs.addTab(self._connection(), "Run")
        self.tabs.setCurrentIndex(_RUN)
        self.tabs.setMinimumHeight(215)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 4)
        layout.setSpacing(4)
        layout.addWidget(self.banner)
        layout.addWidget(self.return_button)
        layout.addWidget(self._legend)
        layout.addWidget(self._note)
        layout.addWidget(self.plot, stretch=2)
        layout.addWidget(self.tabs, stretch=5)
        layout.addWidget(self._complaint)
        layout.addLayout(self._buttons())
        self.setMinimumWidth(370)
        # else napari adds a stretch of its own, which takes room from the plot
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Narrow, so that the image keeps most of the window."""
        return QSize(_WIDTH_PX, 700)

    def _events_page(self) -> QWidget:
        self.events, self.defect = EventList(), DefectView()
        self.events.chosen.connect(self._choose)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.events, stretch=1)
        layout.addWidget(self.defect)
        return page

    def _alarm_page(self) -> QWidget:
        self.alarm_form = AlarmForm()
        self.alarm_form.tried.connect(self._try_alarm)
        self.alarm_form.set_rule.connect(self._set_alarm)
        return self.alarm_form

    def _connection(self) -> QWidget:
        self.endpoint_field = QLineEdit(self._session.endpoint)
        self.source_field = QLineEdit(_SAMPLE_SOURCE)
        self.source_field.setToolTip("A folder, a file, tcp://HOST:PORT, or sim:SPEC")
        self._start = self._button("Start", self.launch)
        self.stop_button = self._button("Stop the run", lambda: self.perform("stop"))
        self._warm_up = self._button("Warm up again  W", lambda: self.perform("start_warm_up"))
        page = QWidget()
        form = QFormLayout(page)
        form.addRow("Engine at", _row(self.endpoint_field, self._button("Attach", self.attach)))
        form.addRow("Source", _row(self.source_field, self._start))
        form.addRow(_row(self._warm_up, self.stop_button))
        return page

    def _buttons(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(3)
        self._of_action: dict[str, QPushButton] = {}
        titles = {action.name: action.title for action in ACTIONS}
        for at, (name, text) in enumerate(_BUTTONS):
            button = self._button(text, lambda name=name: self.perform(name))
            button.setToolTip(titles[name])
            button.setStyleSheet("padding: 4px 2px; font: 9pt;")
            self._of_action[name] = button
            grid.addWidget(button, at // _BUTTONS_IN_A_ROW, at % _BUTTONS_IN_A_ROW)
        return grid

    def _button(self, text: str, action: Any) -> QPushButton:
        button = QPushButton(text)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the keyboard belongs to the actions
        button.clicked.connect(lambda _checked=False: action())
        return button

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """The window is known from now on: give it the menu."""
        super().showEvent(event)
        add_menu(self, ACTIONS, self.perform)

    # -- what can be done --------------------------------------------------------------------

    def perform(self, name: str) -> None:
        """Do one of `ACTIONS`; a name that is none of them raises `KeyError`."""
        session = self._session
        session.complaint = ""  # what was wrong before has been read
        {
            "freeze": session.toggle_frozen,
            "follow": session.toggle_following,
            "phases": session.toggle_phases,
            "whole": session.show_whole,
            "next_defect": lambda: self._step(1),
            "previous_defect": lambda: self._step(-1),
            "accept": lambda: session.judge(dismissed=False),
            "dismiss": lambda: session.judge(dismissed=True),
            "start_warm_up": lambda: session.command("start_warm_up"),
            "baseline": lambda: session.command("rebaseline"),
            "return": session.return_to_area,
            "region": self._choose_region,
            "no_region": self._watch_all,
            "alarm": lambda: self.tabs.setCurrentIndex(_ALARM),
            "mute": self._mute,
            "export": self.choose_export,
            "stop": session.stop,
            "help": self._help,
        }[name]()

    def attach(self) -> None:
        """Follow the engine at the endpoint that is typed."""
        try:
            self._session.attach(self.endpoint_field.text().strip())
        except SettingsError as error:
            self._session.complaint = str(error)

    def launch(self) -> None:
        """Start an engine on the source that is typed."""
        source = self.source_field.text().strip()
        if source:
            self._session.launch(source)

    def _step(self, direction: int) -> None:
        self.tabs.setCurrentIndex(_EVENTS)
        self.events.step(direction)

    def _choose(self, event: Mapping[str, Any]) -> None:
        defect_id = event.get("defect_id")
        self.tabs.setCurrentIndex(_EVENTS)
        self._session.select(defect_id if isinstance(defect_id, int) else None, centre=True)
        self.plot.show_cursor(event["frame"])
        self._show_defect(anew=True)
        if self._session.selected is None:
            self.defect.show_words(f"Frame {event['frame']}: {told_of(event)}")

    def _choose_frame(self, frame: int) -> None:
        self.tabs.setCurrentIndex(_EVENTS)
        self.events.choose_frame(frame)

    def _clicked(self, _viewer: Any, event: Any) -> Any:
        """A click on a marker chooses its defect; a drag moves the image as ever."""
        if self._roi.armed:
            yield from self._roi.drag(event)
            return
        moved = False
        yield
        while event.type == "mouse_move":
            moved = True
            yield
        if not moved and len(event.position) >= 2:
            defect_id = self._session.defect_at(*event.position[-2:])
            if defect_id is not None:
                self.tabs.setCurrentIndex(_EVENTS)
                self.events.choose_defect(defect_id)

    def _choose_region(self) -> None:
        self._roi.choose()
        armed = "Drag a rectangle over the image; R again takes this back."
        self._session.complaint = armed if self._roi.armed else ""

    def _watch_rectangle(self, rectangle: tuple[int, int, int, int]) -> None:
        self._session.command("roi", rectangle=list(rectangle))

    def _watch_all(self) -> None:
        self._roi.clear()
        self._session.command("roi", rectangle=None)

    def _try_alarm(self) -> None:
        outcome = self._session.try_alarm(self.alarm_form.alarm)
        self.alarm_form.show_outcome(outcome, self._session.alarm_in_force)

    def _set_alarm(self) -> None:
        alarm = self.alarm_form.alarm
        self._session.command("set_alarm", rule=alarm.rule, limit=alarm.limit, action=alarm.action)

    def _mute(self) -> None:
        self._muted = not self._muted
        self._of_action["mute"].setText("Unmute  M" if self._muted else "Mute  M")

    def _help(self) -> None:
        if self._overlay is None:
            self._overlay = HelpOverlay(self.window(), ACTIONS)
        self._overlay.toggle()

    def choose_export(self) -> None:
        """Ask for a directory and export into it."""
        chosen = QFileDialog.getExistingDirectory(self, "Export into a directory")
        if chosen:
            self.export(Path(chosen))

    def export(self, directory: Path) -> None:
        """Write CSV, JSON, markers and a PNG into a new directory inside `directory`."""
        name = datetime.now().astimezone().strftime("livedetect-%Y%m%d-%H%M%S")
        try:
            self._session.export(directory / name)
            self._viewer.screenshot(
                str(directory / name / "view.png"), canvas_only=True, flash=False
            )
        except OSError as error:
            self._session.complaint = f"export: {error}"
            return
        self._session.complaint = f"exported to {directory / name}"

    # -- what is shown -----------------------------------------------------------------------

    def pull(self) -> None:
        """Show what is newest."""
        self._show(self._session.pull())

    def _show(self, view: View) -> None:
        panel = view.panel
        self.banner.show_panel(panel)
        set_text(self._legend, panel.legend)
        set_text(self._note, panel.note)
        set_text(self._complaint, self._session.complaint)
        if view.restarted:
            self.events.show_events(view.events)
            self._show_defect(anew=True)
        elif view.events:
            self.events.add_events(view.events)
        if view.series is not None:
            self.plot.show_series(view.series, view.alarm_count)
        if view.series is not None or panel.running != self._was_running:
            self._show_running(running=panel.running)
            if self.tabs.currentIndex() == _ALARM:
                self._try_alarm()
        self._sound(alarm="ALARM" in panel.flags)
        self._show_defect()

    def _show_running(self, *, running: bool) -> None:
        if running and not self._was_running and self.tabs.currentIndex() == _RUN:
            self.tabs.setCurrentIndex(_EVENTS)
        self._was_running = running
        self._show_offer(self._session.offer if running else "")
        for button in (self.stop_button, self._warm_up):
            button.setEnabled(running)
        for name in ("accept", "dismiss", "baseline", "region"):
            self._of_action[name].setEnabled(running)
        self._start.setEnabled(not self._session.engine_running)
        self._of_action["freeze"].setText("Resume  F" if self._session.frozen else "Freeze  F")

    def _show_offer(self, words: str) -> None:
        if self.return_button.text() != words:
            self.return_button.setText(words)
        self.return_button.setVisible(bool(words))

    def _sound(self, *, alarm: bool) -> None:
        if alarm and not self._alarmed and not self._muted:
            QApplication.beep()
        self._alarmed = alarm

    def _show_defect(self, *, anew: bool = False) -> None:
        inspections, selected = self._session.inspections, self._session.selected
        state = (inspections.version, selected)
        if state == self._pictured and not anew:
            return
        self._pictured = state
        self.events.show_thumbnails(inspections.all())
        if selected is None:
            self.defect.clear()
            return
        shown = inspections.get(selected)
        if shown is None:
            self.defect.clear(inspections.refusal or f"Asking for defect {selected} …")
            return
        self.defect.show_defect(shown, None)
        self.defect.show_words(
            f"Defect {selected} at x {shown.x_px:.0f}, y {shown.y_px:.0f} px, "
            f"frame {shown.frame}. {inspections.refusal}"
        )

    def texts(self) -> dict[str, str]:
        """What can be read at the moment, by name."""
        named = {
            "legend": self._legend,
            "note": self._note,
            "complaint": self._complaint,
        }
        return self.banner.texts() | {name: shown.text() for name, shown in named.items()}


def _let_go(session: LiveSession, key: int) -> None:
    forget_dock(key)
    close_session(session)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row
