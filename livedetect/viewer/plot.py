"""Defects against frame, dose or time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QVBoxLayout, QWidget

_LABELS = {"frame": "frame", "dose_e_per_A2": "dose (e/Å²)", "time_s": "time (s)"}
_TOTAL, _NEW, _ALARM = "#E69F00", "#56B4E9", "#D55E00"
_CURSOR = "#ffffff"


class DefectPlot(QWidget):  # type: ignore[misc]  # Qt comes without types
    """Total and new defects; a choice of the axis and a line at the alarm's limit."""

    frame_chosen = Signal(int)
    """A click chose this frame."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._series: Mapping[str, list[Any]] = {}
        self._axis = QComboBox()
        for name, label in _LABELS.items():
            self._axis.addItem(f"against {label}", name)
        self._axis.currentIndexChanged.connect(self._draw)
        self._plot = pyqtgraph.PlotWidget(background="#1b1f23")
        self._plot.setLabel("left", "defects")
        # whole defects from none upwards, however few there are
        self._plot.getAxis("left").enableAutoSIPrefix(False)
        self._plot.getAxis("left").setWidth(46)
        self._plot.setLimits(yMin=-0.3, minYRange=4.0, minXRange=10.0)
        self._plot.showGrid(x=True, y=True, alpha=0.25)
        self._plot.setMenuEnabled(False)
        self._plot.addLegend(
            offset=(8, 2), colCount=2, labelTextColor="#d8dde3", labelTextSize="8pt"
        )
        # an area and a line: both stay visible where the two are equal
        self._new = self._plot.plot(
            pen=None, fillLevel=0, brush=pyqtgraph.mkBrush(_NEW + "70"), name="new since baseline"
        )
        self._total = self._plot.plot(pen=pyqtgraph.mkPen(_TOTAL, width=2), name="total")
        self._alarm = pyqtgraph.InfiniteLine(
            angle=0, pen=pyqtgraph.mkPen(_ALARM, width=1), label="alarm"
        )
        self._alarm.setVisible(False)
        self._plot.addItem(self._alarm)
        self._cursor_frame: int | None = None
        self._cursor = pyqtgraph.InfiniteLine(angle=90, pen=pyqtgraph.mkPen(_CURSOR, width=1))
        self._cursor.setVisible(False)
        self._plot.addItem(self._cursor, ignoreBounds=True)
        self._plot.scene().sigMouseClicked.connect(self._choose)
        self._plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._axis)
        layout.addWidget(self._plot)
        self._draw()

    @property
    def axis(self) -> str:
        """What is drawn along x."""
        return str(self._axis.currentData())

    def set_axis(self, name: str) -> None:
        """Draw against ``frame``, ``dose_e_per_A2`` or ``time_s`` (since the first frame)."""
        self._axis.setCurrentIndex(self._axis.findData(name))

    @property
    def canvas(self) -> pyqtgraph.PlotWidget:
        """Where it is drawn."""
        return self._plot

    def cursor_at(self) -> float | None:
        """Where the line is along x; None if there is none."""
        return float(self._cursor.value()) if self._cursor.isVisible() else None

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What is drawn: x and the total."""
        x, y = self._total.getData()
        empty = np.empty(0)
        return (empty, empty) if x is None else (x, y)

    def show_series(self, series: Mapping[str, list[Any]], alarm_count: float | None) -> None:
        """Draw the counts of a run (see `RunHistory.series`)."""
        self._series = series
        self._alarm.setVisible(alarm_count is not None)
        if alarm_count is not None:
            self._alarm.setValue(alarm_count)
        self._draw()

    def show_cursor(self, frame: int | None) -> None:
        """A line at the frame that is looked at; None takes it away."""
        self._cursor_frame = frame
        place = None if frame is None else self._at(frame)
        self._cursor.setVisible(place is not None)
        if place is not None:
            self._cursor.setValue(place)

    def _at(self, frame: int) -> float | None:
        """Where a frame is along x."""
        frames = _numbers(self._series.get("frame", []))
        x = _numbers(self._series.get(self.axis, []))
        known = np.isfinite(x)
        if not known.any():
            return None
        return float(np.interp(frame, frames[known], x[known]))

    def _choose(self, click: Any) -> None:
        box = self._plot.getViewBox()
        if box.sceneBoundingRect().contains(click.scenePos()):
            self.choose_at(box.mapSceneToView(click.scenePos()).x())

    def choose_at(self, x: float) -> None:
        """Choose the frame nearest to a place along x, as a click there does."""
        distance = np.abs(_numbers(self._series.get(self.axis, [])) - x)
        if np.isfinite(distance).any():
            self.frame_chosen.emit(int(self._series["frame"][int(np.nanargmin(distance))]))

    def _draw(self, _index: int = 0) -> None:
        x = _numbers(self._series.get(self.axis, []))
        known = np.isfinite(x)
        self._total.setData(x[known], _numbers(self._series.get("total", []))[known])
        self._new.setData(x[known], _numbers(self._series.get("new", []))[known])
        self.show_cursor(self._cursor_frame)


def _numbers(values: list[Any]) -> NDArray[np.float64]:
    numeric = (value if isinstance(value, (int, float)) else np.nan for value in values)
    return np.fromiter(numeric, dtype=np.float64, count=len(values))
