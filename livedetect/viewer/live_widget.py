"""The dock widget of the live view: what the operator reads and presses."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from livedetect.errors import SettingsError
from livedetect.viewer.labels import label, set_text, set_tone
from livedetect.viewer.live_session import LiveSession, View, close_session, session_of
from livedetect.viewer.panel import Panel
from livedetect.viewer.plot import DefectPlot

PULL_PERIOD_MS = 50
_WIDTH_PX = 350
_SAMPLE_SOURCE = "sim:mos2?fps=10"


class LiveWidget(QWidget):  # type: ignore[misc]  # Qt comes without types
    """Phase, counts, plot and buttons; pulls the newest results twenty times a second."""

    def __init__(self, napari_viewer: Any, endpoint: str | None = None) -> None:
        super().__init__()
        self._session = session_of(napari_viewer, endpoint)
        self._rows: dict[str, QLabel] = {}
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(PULL_PERIOD_MS)
        self._timer.timeout.connect(self.pull)
        self._timer.start()
        # viewer.close() sends no closeEvent; by then only plain objects may be touched
        session = self._session
        self.destroyed.connect(lambda: close_session(session))

    @property
    def session(self) -> LiveSession:
        """The connection that this widget shows."""
        return self._session

    def _lay_out(self) -> None:
        self._banner = label("")
        self._flags = label("background: #D55E00; color: white; padding: 4px; font: bold 13pt;")
        self._defects = label("font: bold 17pt;")
        self._legend, self._note = label("font: 10pt;"), label("font: 9pt; color: #a9b3bd;")
        self._complaint = label("font: 10pt; color: #F0A35E;")
        self._figures = QFormLayout()
        self._figures.setVerticalSpacing(2)
        self.plot = DefectPlot()
        self.plot.setMinimumHeight(170)
        layout = QVBoxLayout(self)
        for widget in (self._banner, self._flags, self._defects):
            layout.addWidget(widget)
        layout.addLayout(self._figures)
        layout.addWidget(self.plot, stretch=1)
        for widget in (self._legend, self._note, self._complaint):
            layout.addWidget(widget)
        layout.addLayout(self._connection())
        self.setMinimumWidth(300)
        # else napari adds a stretch of its own, which takes room from the plot
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Narrow, so that the image keeps most of the window."""
        return QSize(_WIDTH_PX, 700)

    def _connection(self) -> QFormLayout:
        self.endpoint_field = QLineEdit(self._session.endpoint)
        self.source_field = QLineEdit(_SAMPLE_SOURCE)
        self.source_field.setToolTip("A source: a folder, a file, tcp://HOST:PORT or sim:SPEC")
        form = QFormLayout()
        form.addRow("Engine at", _row(self.endpoint_field, self._button("Attach", self.attach)))
        form.addRow("Source", _row(self.source_field, self._button("Start", self.launch)))
        baseline = self._button("Set baseline", lambda: self._session.command("rebaseline"))
        form.addRow(_row(baseline, self._button("Stop the run", self._session.stop)))
        return form

    def _button(self, text: str, action: Any) -> QPushButton:
        button = QPushButton(text)
        button.clicked.connect(lambda _checked=False: action())
        return button

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

    def pull(self) -> None:
        """Show what is newest."""
        self._show(self._session.pull())

    def _show(self, view: View) -> None:
        panel = view.panel
        self._show_banner(panel)
        set_text(self._flags, panel.flags)
        set_text(self._defects, panel.defects)
        set_text(self._legend, panel.legend)
        set_text(self._note, panel.note)
        set_text(self._complaint, self._session.complaint)
        for name, value in panel.rows:
            self._show_row(name, value)
        if view.series is not None:
            self.plot.show_series(view.series, view.alarm_count)

    def _show_banner(self, panel: Panel) -> None:
        set_text(self._banner, panel.banner)
        set_tone(self._banner, panel.tone)

    def _show_row(self, name: str, value: str) -> None:
        if name not in self._rows:
            self._rows[name] = QLabel()
            self._figures.addRow(name, self._rows[name])
        set_text(self._rows[name], value)

    def texts(self) -> dict[str, str]:
        """What can be read at the moment, by name."""
        named = {
            "banner": self._banner,
            "flags": self._flags,
            "defects": self._defects,
            "legend": self._legend,
            "note": self._note,
            "complaint": self._complaint,
        }
        return {name: shown.text() for name, shown in (named | self._rows).items()}


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row
