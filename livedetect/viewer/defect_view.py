"""Before, after and residual of one defect, side by side at a contrast that does not change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from livedetect.inspection import Inspection

PICTURE_PX = 110
RESIDUAL_LIMIT = 8.0
"""Standard deviations at which the residual's colours end, the same for every defect."""
_NOT_SEEN = (58, 64, 72)
_HIGH, _LOW = (213, 94, 0), (86, 180, 233)
_HINT = "Click a marker or a line: the place before and after."


class DefectView(QWidget):  # type: ignore[misc]  # Qt comes without types
    """Three pictures and a line of words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures = [QLabel() for _ in range(3)]
        self._captions = [QLabel() for _ in range(3)]
        self._words = QLabel(_HINT)
        self._words.setWordWrap(True)
        self._words.setStyleSheet("font: 9pt; color: #c3cad2;")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(3)
        for column, (picture, caption) in enumerate(
            zip(self._pictures, self._captions, strict=True)
        ):
            picture.setFixedSize(PICTURE_PX, PICTURE_PX)
            picture.setStyleSheet("background: #1b1f23;")
            caption.setStyleSheet("font: 8pt; color: #a9b3bd;")
            caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(picture, 0, column)
            layout.addWidget(caption, 1, column)
        layout.addWidget(self._words, 2, 0, 1, 3)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.clear()

    def show_words(self, words: str) -> None:
        """A line under the pictures."""
        self._words.setText(words)

    @property
    def words(self) -> str:
        """The line under the pictures."""
        return str(self._words.text())

    def clear(self, words: str = _HINT) -> None:
        """No defect is chosen."""
        for shown in (*self._pictures, *self._captions):
            shown.hide()  # the list has the room until there is something to see
        self.show_words(words)

    def show_defect(self, shown: Inspection, levels: tuple[float, float] | None) -> None:
        """The pictures of a defect; `levels` are black and white in data units, None: its own."""
        low, high = levels or own_levels(shown)
        colours = [gray(shown.before, low, high), gray(shown.after, low, high)]
        captions = [
            f"before · {shown.frames_before} frames",
            f"after · {shown.frames_after} frames",
            f"residual ±{RESIDUAL_LIMIT:.0f}σ · {shown.window_frames} fr.",
        ]
        if shown.residual is not None:
            colours.append(diverging(shown.residual))
        else:
            captions[2] = "no residual map"
            self._pictures[2].clear()
        for label, colour in zip(self._pictures, colours, strict=False):
            label.setPixmap(pixmap(colour, PICTURE_PX, self.devicePixelRatioF()))
        for shown_label in (*self._pictures, *self._captions):
            shown_label.show()
        for label, caption in zip(self._captions, captions, strict=True):
            label.setText(caption)


def own_levels(shown: Inspection) -> tuple[float, float]:
    """Black and white from the picture before: the picture after is seen at the same."""
    known = shown.before[np.isfinite(shown.before)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, (0.5, 99.5))
    return float(low), float(max(high, low + 1e-6))


def gray(picture: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """(n, n, 3) between black and white; what was not seen is slate."""
    share = np.clip((np.nan_to_num(picture) - low) / (high - low), 0, 1)
    colour = np.repeat((255 * share).astype(np.uint8)[..., None], 3, axis=2)
    colour[~np.isfinite(picture)] = _NOT_SEEN
    return colour


def diverging(z: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(n, n, 3) blue where less, orange where more than expected, black where neither."""
    share = np.clip(np.nan_to_num(z) / RESIDUAL_LIMIT, -1, 1)[..., None]
    colour = np.where(share > 0, share * np.array(_HIGH), -share * np.array(_LOW)).astype(np.uint8)
    colour[~np.isfinite(z)] = _NOT_SEEN
    return np.asarray(colour)


def pixmap(colour: NDArray[np.uint8], edge_px: int, ratio: float = 1.0) -> QPixmap:
    """A picture (n, n, 3) as Qt draws it, sharp on high-DPI screens as well."""
    data = np.ascontiguousarray(colour)
    rows, columns = data.shape[:2]
    image = QImage(data.tobytes(), columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    drawn = QPixmap.fromImage(image).scaled(
        round(edge_px * ratio),
        round(edge_px * ratio),
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    drawn.setDevicePixelRatio(ratio)
    return drawn
