"""The list of events with thumbnails; of a running analysis or of any other list of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from livedetect.inspection import Inspection
from livedetect.stream.event_names import ANNOUNCED
from livedetect.viewer.defect_view import gray, own_levels, pixmap
from livedetect.viewer.markers import GLYPHS, STYLES

THUMBNAIL_PX = 30
MAX_ROWS = 2000
_HEADS = ("", "frame", "event", "kind", "score")
_WIDTHS = (36, 50, 92, 104, 56)
_NAMES = {
    "defect_confirmed": "new defect",
    "defect_at_start": "at start",
    "defect_healed": "healed",
    "defect_migrated": "migrated",
    "region_confirmed": "region",
    "model_ready": "model ready",
    "model_drifted": "model drift",
    "source_changed": "new settings",
    "frame_rejected": "not usable",
}
_LEFT_OUT = frozenset(["run_started", "status"])
_NUMBER = Qt.ItemDataRole.UserRole


class _Number(QTableWidgetItem):  # type: ignore[misc]  # Qt comes without types
    """A cell that is sorted by its value, not by its text."""

    def __init__(self, value: float | None, text: str) -> None:
        super().__init__(text)
        self.value = float("-inf") if value is None else float(value)
        self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return isinstance(other, _Number) and self.value < other.value


class EventList(QTableWidget):  # type: ignore[misc]  # Qt comes without types
    """Newest on top; a click on a head sorts, a click on a line chooses its event."""

    chosen = Signal(dict)
    """An event has been chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADS), parent)
        self._events: dict[int, Mapping[str, Any]] = {}
        self._count = 0
        self._pictured: dict[int, int] = {}
        self.setHorizontalHeaderLabels(_HEADS)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(THUMBNAIL_PX + 2)
        self.setIconSize(QSize(THUMBNAIL_PX, THUMBNAIL_PX))
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setStretchLastSection(True)
        for column, width in enumerate(_WIDTHS):
            self.setColumnWidth(column, width)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # letters are the keys of actions
        self.setStyleSheet("font: 9pt;")
        self.setShowGrid(False)
        self.setSortingEnabled(True)
        self.sortByColumn(1, Qt.SortOrder.DescendingOrder)
        self.cellClicked.connect(lambda row, _column: self.choose_row(row))

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """The pictures below take room: the line that was chosen stays in sight."""
        super().resizeEvent(event)
        if self.selectedItems():
            self.scrollToItem(self.selectedItems()[0])

    def show_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Begin anew with `events`."""
        self.setRowCount(0)
        self._events.clear()
        self._pictured.clear()
        self._count = 0
        self.add_events(events)

    def add_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Add events that have come; beyond 2000 lines none are added."""
        listed = [event for event in events if event["event"] not in _LEFT_OUT]
        listed = listed[: max(0, MAX_ROWS - self.rowCount())]
        if not listed:
            return
        self.setSortingEnabled(False)
        for event in listed:
            self._add(event)
        self.setSortingEnabled(True)
        if self.selectedItems():
            self.scrollToItem(self.selectedItems()[0])

    def _add(self, event: Mapping[str, Any]) -> None:
        row = self.rowCount()
        self.insertRow(row)
        self._count += 1
        self._events[self._count] = event
        kind, color = _kind(event)
        score = event.get("score")
        number = score if isinstance(score, (int, float)) else None
        cells = (
            QTableWidgetItem(),
            _Number(event["frame"] + 1e-6 * self._count, str(event["frame"])),
            QTableWidgetItem(_name(event)),
            QTableWidgetItem(kind),
            _Number(number, "" if number is None else f"{number:.3g}"),
        )
        cells[3].setForeground(QColor(color))
        cells[0].setData(_NUMBER, self._count)
        for column, cell in enumerate(cells):
            self.setItem(row, column, cell)

    def event_at(self, row: int) -> Mapping[str, Any]:
        """The event of a line."""
        return self._events[self.item(row, 0).data(_NUMBER)]

    def choose_row(self, row: int) -> None:
        """Choose a line as by a click."""
        self.selectRow(row)
        self.scrollToItem(self.item(row, 0))
        self.chosen.emit(dict(self.event_at(row)))

    def step(self, direction: int) -> None:
        """Choose the next later (1) or earlier (-1) event, whatever the list is sorted by.

        Where none is chosen yet, the newest defect is.
        """
        rows = sorted(range(self.rowCount()), key=lambda row: self.item(row, 1).value)
        if not rows:
            return
        if self.selectedItems():
            at = min(max(rows.index(self.currentRow()) + direction, 0), len(rows) - 1)
            self.choose_row(rows[at])
            return
        # whoever begins wants to see what came last, and that it has a place in the image
        placed = [row for row in rows if self.event_at(row)["event"] in ANNOUNCED]
        self.choose_row((placed or rows)[-1])

    def choose_defect(self, defect_id: int) -> None:
        """Choose the announcement of a defect."""
        for row in range(self.rowCount()):
            event = self.event_at(row)
            if event.get("defect_id") == defect_id and event["event"] in ANNOUNCED:
                self.choose_row(row)
                return

    def choose_frame(self, frame: int) -> None:
        """Choose the event nearest to a frame."""
        rows = range(self.rowCount())
        if rows:
            self.choose_row(min(rows, key=lambda row: abs(self.item(row, 1).value - frame)))

    def show_thumbnails(self, known: Mapping[int, Inspection]) -> None:
        """Put pictures of defects, by defect_id, in front of their lines."""
        for row in range(self.rowCount()):
            defect_id = self.event_at(row).get("defect_id")
            shown = known.get(defect_id) if isinstance(defect_id, int) else None
            number = self.item(row, 0).data(_NUMBER)
            if shown is not None and self._pictured.get(number) != shown.frame:
                self._pictured[number] = shown.frame
                self.item(row, 0).setIcon(_thumbnail(shown))


def told_of(event: Mapping[str, Any]) -> str:
    """An event that has no place in the image, in words and in full."""
    return " · ".join(filter(None, (_name(event), _kind(event)[0]))).rstrip(".") + "."


def _name(event: Mapping[str, Any]) -> str:
    if event.get("earlier_area") is not None:
        return "known place"
    return _NAMES.get(event["event"], str(event["event"]).replace("_", " "))


def _thumbnail(shown: Inspection) -> QIcon:
    return QIcon(pixmap(gray(shown.after, *own_levels(shown)), 2 * THUMBNAIL_PX))


def _kind(event: Mapping[str, Any]) -> tuple[str, str]:
    """What a line says in its kind column, and in which colour."""
    plain = "#d8dde3"
    if "defect_id" in event:
        symbol, color = STYLES.get(str(event.get("kind")), STYLES["unknown"])
        return f"{GLYPHS[symbol]} {str(event.get('kind', '')).replace('_', ' ')}", color
    if event["event"] == "command":
        failed = "" if event.get("ok", True) else " (refused)"
        return f"{event.get('name', '')}{failed}".replace("_", " "), plain
    told = (event.get(name) for name in ("kind", "text", "reason", "rule", "status", "message"))
    return str(next(filter(None, told), "")), plain
