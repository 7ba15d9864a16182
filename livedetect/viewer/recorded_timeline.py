"""A recorded session in steps of the slider, and which defects were known at each. No Qt here."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.stream.event_names import ANNOUNCED
from livedetect.stream.recording import Row, TimedCommand

_SHOWN_KINDS = ("frame", "rejection", "gap")
_ANALYSED = ("scored", "warm_up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One place of the slider: a frame, or frames that never came."""

    row: Row
    """What the session says of it."""
    drift_px: tuple[float, float]
    """(x, y) of the crystal since the first frame of its segment, through all baselines."""

    @property
    def has_pixels(self) -> bool:
        """There is an image to show."""
        return self.row.array is not None


@dataclass(slots=True)
class _Stay:
    """A defect at one place of the specimen, from one step to another (exclusive)."""

    defect_id: int
    first: int
    last: int
    x: float
    y: float


_OPEN = np.iinfo(np.int64).max


@dataclass(slots=True)
class Timeline:
    """Steps, and the stays of defects in them; grows with a session that is being recorded.

    Sessions of version 0.1.0 do not say where defects were held: there they stay where they
    were announced.
    """

    steps: list[Step] = field(default_factory=list)
    """In the order of arrival; rows that are still pending come last."""
    defects: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """The event that announced each defect, by its id."""
    follows_drift: bool = False
    """Rows say where defects were held and how the crystal drifted."""
    _events: list[Mapping[str, Any]] = field(default_factory=list)
    _stays: list[_Stay] = field(default_factory=list)
    _open: dict[int, _Stay] = field(default_factory=dict)
    _kinds: list[tuple[int, int, str]] = field(default_factory=list)
    _dismissals: list[tuple[int, int, bool]] = field(default_factory=list)
    _step_of_frame: dict[int, int] = field(default_factory=dict)
    _positions: list[int] = field(default_factory=list)
    _origin: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    _drift: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    _segment: int | None = None
    _fresh_step: int | None = None
    _told_later: dict[int, tuple[float, float]] = field(default_factory=dict)
    _table: NDArray[np.float64] | None = None

    def add_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in events, before the rows to which they belong."""
        for event in events:
            if event.get("event") in ANNOUNCED and "defect_id" in event:
                self.defects.setdefault(event["defect_id"], event)
            self._events.append(event)

    def add_rows(self, rows: Iterable[Row]) -> None:
        """Take in further rows, in their order."""
        for row in rows:
            self._follow(row)
            if row.kind in _SHOWN_KINDS:
                self._add_step(row)
            self._hold(row)
        self._table = None

    def forget_from(self, position: int) -> None:
        """Forget pending rows from `position` on, which are about to be told anew."""
        while self._positions and self._positions[-1] >= position:
            self._positions.pop()
            step = self.steps.pop()
            if self._step_of_frame.get(step.row.index) == len(self.steps):
                del self._step_of_frame[step.row.index]

    def set_commands(self, commands: Iterable[TimedCommand]) -> None:
        """Take in all commands; of these, accepted and dismissed markers count here."""
        self._dismissals = [
            (self.step_after(entry.after_items), entry.command.args.get("defect_id", -1), dismissed)
            for entry in commands
            if (dismissed := entry.command.name == "dismiss") or entry.command.name == "accept"
        ]

    def step_of(self, frame: int) -> int | None:
        """The step of a frame by the source's number; None if it was never recorded."""
        return self._step_of_frame.get(frame)

    def step_near(self, frame: int) -> int:
        """The step of a frame, or the last one before it."""
        known = self._step_of_frame.get(frame)
        if known is not None:
            return known
        before = [step for index, step in self._step_of_frame.items() if index <= frame]
        return max(before, default=0)

    def step_after(self, items: int) -> int:
        """The first step of which `items` rows were analysed before."""
        return bisect_right(self._positions, items - 1)

    def drift_at(self, step: int) -> tuple[float, float]:
        """(x, y) drift of the crystal, px; zero where there are no steps."""
        return self.steps[step].drift_px if 0 <= step < len(self.steps) else (0.0, 0.0)

    def drift_of_event(self, step: int) -> tuple[float, float]:
        """As `drift_at`; where a model appeared, whose drift only the next frame tells, that."""
        return self._told_later.get(step) or self.drift_at(step)

    def held_at(self, step: int) -> dict[int, tuple[float, float]]:
        """Position (x, y) in px of the frame of each defect known at `step`, by id."""
        if not self.follows_drift:
            return self._announced_until(step)
        table = self._stay_table()
        now = table[(table[:, 1] <= step) & (step < table[:, 2])]
        xy = now[:, 3:5] + np.array(self.drift_at(step))
        return {int(n): (float(x), float(y)) for n, (x, y) in zip(now[:, 0], xy, strict=True)}

    def known_at(self, step: int) -> dict[int, tuple[float, float]]:
        """As `held_at`, with the dismissed ones, which the engine holds no longer."""
        held = self.held_at(step)
        moved = np.array(self.drift_at(step))
        for defect_id in self.dismissed_at(step) - held.keys():
            stays = [s for s in self._stays if s.defect_id == defect_id and s.first <= step]
            if stays and self.same_scan(stays[-1].first, step):
                held[defect_id] = (stays[-1].x + float(moved[0]), stays[-1].y + float(moved[1]))
        return held

    def told_at(self, step: int) -> dict[int, Mapping[str, Any]]:
        """`defects`, each with the kind that it was taken for at `step`."""
        kinds = {of: kind for when, of, kind in self._kinds if when <= step and of in self.defects}
        changed = {of: {**self.defects[of], "kind": kind} for of, kind in kinds.items()}
        return self.defects | changed

    def same_scan(self, earlier: int, later: int) -> bool:
        """Both steps belong to one segment, so that places can be compared."""
        return self.steps[earlier].row.segment_id == self.steps[later].row.segment_id

    def dismissed_at(self, step: int) -> set[int]:
        """Ids of the defects that the operator has dismissed up to `step`."""
        state = {of: dismissed for when, of, dismissed in self._dismissals if when <= step}
        return {defect_id for defect_id, dismissed in state.items() if dismissed}

    def _follow(self, row: Row) -> None:
        told = row.details
        self.follows_drift |= "phase" in told
        if row.segment_id is not None and row.segment_id != self._segment:
            self._segment = row.segment_id
            self._origin, self._drift = np.zeros(2), np.zeros(2)
        if told.get("model_ready"):
            # a new model counts drift from its own first frame
            self._origin, self._fresh_step = self._drift, len(self.steps)
        drift = told.get("drift_px")
        if drift is None:
            return
        self._drift = self._origin + np.asarray(drift, dtype=np.float64)
        if self._fresh_step is not None:
            self._told_later[self._fresh_step] = float(self._drift[0]), float(self._drift[1])
            self._fresh_step = None

    def _add_step(self, row: Row) -> None:
        drift = (float(self._drift[0]), float(self._drift[1]))
        if row.disposition in _ANALYSED or row.index not in self._step_of_frame:
            self._step_of_frame[row.index] = len(self.steps)
        self.steps.append(Step(row=row, drift_px=drift))
        self._positions.append(row.position)

    def _hold(self, row: Row) -> None:
        at = max(0, len(self.steps) - 1)
        self._kinds += [(at, int(of), str(kind)) for of, kind in row.details.get("kinds", ())]
        for defect_id in row.details.get("gone", ()):
            self._end_stay(defect_id, at)
        for defect_id, x, y in row.details.get("placed", ()):
            self._end_stay(int(defect_id), at)
            place = np.array([x, y], dtype=np.float64) - self._drift
            stay = _Stay(int(defect_id), at, _OPEN, float(place[0]), float(place[1]))
            self._stays.append(stay)
            self._open[stay.defect_id] = stay

    def _end_stay(self, defect_id: int, step: int) -> None:
        stay = self._open.pop(defect_id, None)
        if stay is not None:
            stay.last = step

    def _stay_table(self) -> NDArray[np.float64]:
        if self._table is None:
            rows = [(s.defect_id, s.first, s.last, s.x, s.y) for s in self._stays]
            self._table = np.array(rows, dtype=np.float64).reshape(-1, 5)
        return self._table

    def _announced_until(self, step: int) -> dict[int, tuple[float, float]]:
        held: dict[int, tuple[float, float]] = {}
        for event in self._events:
            if self.step_near(event["frame"]) > step:
                break
            name = event["event"]
            if name in ANNOUNCED or name == "defect_migrated":
                held[event["defect_id"]] = (event["x_px"], event["y_px"])
            elif name == "defect_healed":
                held.pop(event["defect_id"], None)
        return held
