"""The keys, laid over the window."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from livedetect.viewer.actions import Action

_STYLE = (
    "background: rgba(16, 20, 24, 250); color: #e6e9ed; border: 1px solid #6b7683;"
    "border-radius: 8px; padding: 18px; font: 11pt;"
)


class HelpOverlay(QLabel):  # type: ignore[misc]  # Qt comes without types
    """A table of keys in the middle of `window`; a click or the same key takes it away."""

    def __init__(self, window: QWidget, actions: Sequence[Action]) -> None:
        super().__init__(window)
        rows = "".join(
            f"<tr><td style='padding-right: 24px'><b>{action.key}</b></td>"
            f"<td>{action.title}</td></tr>"
            for action in actions
        )
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setText(f"<h3>Keys of the live view</h3><table cellspacing='4'>{rows}</table>")
        self.setStyleSheet(_STYLE)
        self.hide()

    def toggle(self) -> None:
        """Show or hide it."""
        if self.isVisible():
            self.hide()
            return
        self.adjustSize()
        middle = self.parentWidget().rect().center() - self.rect().center()
        self.move(middle)
        self.show()
        self.raise_()

    def mousePressEvent(self, _event: object) -> None:  # noqa: N802 - Qt's name
        """Go away."""
        self.hide()
