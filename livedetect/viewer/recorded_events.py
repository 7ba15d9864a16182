"""The list of events of a recorded session; a click goes to the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

MOST_ROWS = 5000
_HEADS = ("frame", "event", "what")
_LEFT_OUT = ("run_started", "recording_stopped")


class EventTable(QTableWidget):  # type: ignore[misc]  # Qt comes without types
    """Frame, name and details of every event; sorted by a click on a head."""

    frame_chosen = Signal(int)
    """A row was chosen: the frame of its event."""
    defect_chosen = Signal(object)
    """A row was chosen: the id of its defect, or None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADS), parent)
        self.known_events = 0
        """Events that are shown or left out."""
        self.setHorizontalHeaderLabels(_HEADS)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(20)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setStretchLastSection(True)
        self.setColumnWidth(0, 52)
        self.setColumnWidth(1, 108)
        self.setMinimumHeight(90)
        self.setStyleSheet("font: 9pt;")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # N and P, and the arrows of the slider
        self.cellClicked.connect(self._choose)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """The pictures below take room: the line that was chosen stays in sight."""
        super().resizeEvent(event)
        if self.selectedItems():
            self.scrollToItem(self.selectedItems()[0])

    def show_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        """List events in their order, the latest 5000 of them."""
        shown = [event for event in events if event["event"] not in _LEFT_OUT][-MOST_ROWS:]
        self.setSortingEnabled(False)
        self.setRowCount(len(shown))
        for row, event in enumerate(shown):
            self._set_row(row, event)
        self.known_events = len(events)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)

    def _set_row(self, row: int, event: Mapping[str, Any]) -> None:
        frame = QTableWidgetItem()
        frame.setData(Qt.ItemDataRole.DisplayRole, int(event["frame"]))
        frame.setData(Qt.ItemDataRole.UserRole, event.get("defect_id"))
        self.setItem(row, 0, frame)
        self.setItem(row, 1, QTableWidgetItem(name_of(event)))
        self.setItem(row, 2, QTableWidgetItem(details(event)))

    def _choose(self, row: int, _column: int) -> None:
        self.frame_chosen.emit(int(self.item(row, 0).data(Qt.ItemDataRole.DisplayRole)))
        self.defect_chosen.emit(self.item(row, 0).data(Qt.ItemDataRole.UserRole))
        self.selectRow(row)  # other events of the same frame may have been marked

    def step(self, direction: int) -> None:
        """Choose the row below (1) or above (-1), as by a click."""
        if self.rowCount():
            now = self.currentRow() if self.selectedItems() else -1
            self._choose(min(max(now + direction, 0), self.rowCount() - 1), 0)

    def mark(self, frame: int) -> None:
        """Select the last event up to a frame, without choosing it."""
        frames = [
            self.item(row, 0).data(Qt.ItemDataRole.DisplayRole) for row in range(self.rowCount())
        ]
        before = [row for row, known in enumerate(frames) if known <= frame]
        if before:
            row = max(before, key=lambda at: (frames[at], at))
            self.selectRow(row)
            self.scrollToItem(self.item(row, 0))
        else:
            self.clearSelection()


def name_of(event: Mapping[str, Any]) -> str:
    """Its name in words; that a defect is meant, the details tell."""
    return str(event["event"]).removeprefix("defect_").replace("_", " ")


def details(event: Mapping[str, Any]) -> str:
    """What distinguishes an event from others of its name, in a few words."""
    if "defect_id" in event:
        place = f" at {event['x_px']:.0f}, {event['y_px']:.0f}" if "x_px" in event else ""
        kind = str(event.get("kind", "")).replace("_", " ")
        return f"{kind}{place} (no. {event['defect_id']})".strip()
    if event["event"] == "gap":
        return f"{event.get('missing_frames')} missing: {event.get('reason', '')}"
    if event["event"] == "command":
        return f"{event.get('name')} {_args(event.get('args'))}".strip()
    known = (event.get(name) for name in ("kind", "message", "reason", "status", "text"))
    return str(next(filter(None, known), ""))


def _args(args: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in args.items()) if args else ""
