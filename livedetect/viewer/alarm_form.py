"""Choosing the alarm rule, and what it would have done so far."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from livedetect.settings import ALARM_ACTIONS, ALARM_RULES, AlarmSettings
from livedetect.viewer.dry_run import RULE_WORDS

_DEEDS = {
    "none": "only show it",
    "notify": "notify",
    "stop_scan": "stop the scan",
    "blank": "blank the beam",
}


class AlarmForm(QWidget):  # type: ignore[misc]  # Qt comes without types
    """Rule, limit, action; `tried` when they change, `set_rule` when they shall hold."""

    tried = Signal()
    """The rule on the form has changed."""
    set_rule = Signal()
    """The rule on the form shall hold in the engine."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rule, self._action, self._limit = QComboBox(), QComboBox(), QDoubleSpinBox()
        for name in ALARM_RULES:
            self._rule.addItem(RULE_WORDS[name], name)
        self._rule.setCurrentIndex(self._rule.findData("count"))  # something to try at once
        for name in ALARM_ACTIONS:
            self._action.addItem(_DEEDS[name], name)
        self._limit.setRange(0.0, 1e9)
        self._limit.setDecimals(3)
        self._limit.setValue(10.0)
        self._outcome, self._holds = QLabel(), QLabel()
        self._outcome.setWordWrap(True)
        self._outcome.setStyleSheet("font: bold 11pt;")
        button = QPushButton("Set this rule in the engine")
        button.clicked.connect(lambda _checked=False: self.set_rule.emit())
        form = QFormLayout(self)
        form.addRow("Alarm at", self._limit)
        form.addRow("of", self._rule)
        form.addRow("then", self._action)
        form.addRow(self._outcome)
        form.addRow(button)
        form.addRow("In force", self._holds)
        self._rule.currentIndexChanged.connect(lambda _at: self.tried.emit())
        self._action.currentIndexChanged.connect(lambda _at: self.tried.emit())
        self._limit.valueChanged.connect(lambda _value: self.tried.emit())

    @property
    def alarm(self) -> AlarmSettings:
        """What the form says."""
        return AlarmSettings(
            rule=str(self._rule.currentData()),
            limit=float(self._limit.value()),
            action=str(self._action.currentData()),
        )

    def choose(self, rule: str, limit: float, action: str = "none") -> None:
        """Fill the form in."""
        self._rule.setCurrentIndex(self._rule.findData(rule))
        self._limit.setValue(limit)
        self._action.setCurrentIndex(self._action.findData(action))

    def show_outcome(self, outcome: str, in_force: str) -> None:
        """What the dry run says, and which rule holds in the engine."""
        self._outcome.setText(outcome)
        self._holds.setText(in_force)

    @property
    def outcome(self) -> str:
        """What the dry run says."""
        return str(self._outcome.text())
