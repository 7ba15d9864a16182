"""Labels of the docks: texts that wrap, and banners coloured by their tone."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from livedetect.viewer.panel import Tone

TONES: dict[Tone, tuple[str, str]] = {
    "idle": ("#3a4048", "#e6e9ed"),
    "busy": ("#56B4E9", "#0b1116"),
    "good": ("#009E73", "#ffffff"),
    "warning": ("#F0E442", "#16140a"),
    "bad": ("#D55E00", "#ffffff"),
}
"""Back and front of a banner; the text says it as well."""


def label(style: str) -> QLabel:
    """A centred label that wraps."""
    made = QLabel()
    made.setWordWrap(True)
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    made.setStyleSheet(style)  # napari's own style sheet wins over QFont
    return made


def set_text(shown: QLabel, text: str) -> None:
    """Change a text; an empty label takes no room."""
    if shown.text() != text:  # a new text lays the whole panel out again
        shown.setText(text)
    shown.setVisible(bool(text))


def set_tone(banner: QLabel, tone: Tone) -> None:
    """Colour a banner."""
    if banner.property("tone") != tone:
        banner.setProperty("tone", tone)
        back, front = TONES[tone]
        banner.setStyleSheet(f"background: {back}; color: {front}; padding: 6px; font: bold 15pt;")
