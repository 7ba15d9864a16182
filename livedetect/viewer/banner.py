"""The banner: phase, flags, counts, lamps and figures, to be read in a second."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from livedetect.viewer.labels import TONES, label, set_text, set_tone
from livedetect.viewer.panel import Panel, Tone

_COLUMNS = 2
_LAMPS: dict[Tone, str] = {tone: back for tone, (back, _) in TONES.items()} | {"idle": "#7d8792"}


class Banner(QWidget):  # type: ignore[misc]  # Qt comes without types
    """Shows a `Panel`, all but its legend and note."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._phase = label("")
        self._flags = label("background: #D55E00; color: white; padding: 4px; font: bold 13pt;")
        self._defects = label("font: bold 17pt;")
        self._lamps = [label("font: 10pt;"), label("font: 10pt;")]
        self._rows: dict[str, QLabel] = {}
        self._figures = QGridLayout()
        self._figures.setVerticalSpacing(1)
        self._figures.setHorizontalSpacing(6)
        for column in (1, 3):
            self._figures.setColumnStretch(column, 1)
        lamps = QHBoxLayout()
        for lamp in self._lamps:
            lamps.addWidget(lamp)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self._phase, self._flags, self._defects):
            layout.addWidget(widget)
        layout.addLayout(lamps)
        layout.addLayout(self._figures)

    def show_panel(self, panel: Panel) -> None:
        """Show what has changed."""
        set_text(self._phase, panel.banner)
        set_tone(self._phase, panel.tone)
        set_text(self._flags, panel.flags)
        set_text(self._defects, panel.defects)
        for lamp, (text, tone) in zip(self._lamps, panel.lamps, strict=False):
            set_text(lamp, f'<span style="color: {_LAMPS[tone]}">●</span>&nbsp;{text}')
        for name, value in panel.rows:
            self._show_row(name, value)

    def _show_row(self, name: str, value: str) -> None:
        if name not in self._rows:
            at = len(self._rows)
            row, column = at // _COLUMNS, 2 * (at % _COLUMNS)
            title = QLabel(name)
            title.setStyleSheet("font: 9pt; color: #a9b3bd;")
            self._rows[name] = QLabel()
            self._rows[name].setStyleSheet("font: 10pt;")
            self._figures.addWidget(title, row, column)
            self._figures.addWidget(self._rows[name], row, column + 1)
        set_text(self._rows[name], value)

    def texts(self) -> dict[str, str]:
        """What can be read at the moment, by name."""
        named = {
            "banner": self._phase,
            "flags": self._flags,
            "defects": self._defects,
            "source": self._lamps[0],
            "recording": self._lamps[1],
        }
        return {name: shown.text() for name, shown in (named | self._rows).items()}
