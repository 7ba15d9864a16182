"""A recorded session in one napari viewer: which step is shown, and what is said of it.

The slider of napari is the slider of the session; the dock only listens. The view outlives a
dock that is closed and opened again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedetect.errors import LivedetectError
from livedetect.viewer.markers import (
    Markers,
    base_diameter_px,
    legend_of,
    nearest_marker,
    with_selected,
)
from livedetect.viewer.napari_seam import viewer_key
from livedetect.viewer.panel import Tone
from livedetect.viewer.phases_in_view import with_phases
from livedetect.viewer.recorded_layers import RecordedLayers
from livedetect.viewer.recorded_markers import compared, comparison_legend, session_markers
from livedetect.viewer.recorded_overlay import OtherAnalysis
from livedetect.viewer.recorded_session import RecordedSession
from livedetect.viewer.recorded_words import agreement_words, step_notes, step_rows, step_title

_RADIUS_SHARE = 0.6
"""Nearer than this share of the lattice constant two markers mean the same defect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """What the dock says of the step that is shown."""

    frame: int
    """The source's number of the frame."""
    title: str
    """The frame and what became of it."""
    tone: Tone
    """How the title is coloured."""
    notes: str
    """What else is to be said, or empty."""
    defects: str
    """How many are marked."""
    rows: tuple[tuple[str, str], ...]
    """Name and value of the smaller figures."""
    legend: str
    """The signs that are shown, rich text."""
    agreement: str
    """Counts of a comparison, or empty."""


class RecordedView:
    """The session shown in `viewer`; used by the GUI thread only."""

    def __init__(self, viewer: Any) -> None:
        self._viewer: Any = viewer
        self._layers: Any = RecordedLayers(viewer)
        self.session: RecordedSession | None = None
        """What is shown; None before one has been opened."""
        self.other: OtherAnalysis | None = None
        """What it is compared with."""
        self.complaint = ""
        """What went wrong last, and what to do; empty if nothing did."""
        self._selected: int | None = None
        self.changed: Callable[[], None] = lambda: None
        """Called when another step is shown or the session has grown."""
        self.stepped: Callable[[int], None] = lambda _direction: None
        """Chooses the next (1) or previous (-1) event of the list."""
        self._is_drawing = False
        viewer.dims.events.current_step.connect(self._moved)

    def open(self, directory: Path) -> bool:
        """Show a session, at its end; False if it cannot be read (see `complaint`)."""
        self.complaint = ""
        try:
            session = RecordedSession(directory)
        except LivedetectError as error:
            self.complaint = str(error)
            return False
        self.session, self.other, self._selected = session, None, None
        with self._drawing():
            self._layers.remove(session.stacks.values())
            self._layers.add_stacks(session.stacks)
        if not session.stacks:
            self.complaint = f"{directory} holds no frames yet"
        self.go_to_step(len(session.timeline.steps) - 1)
        self.show()
        return True

    def compare(self, path: Path | None) -> bool:
        """Lay another analysis over the session, or take it away; False if it cannot be read."""
        self.complaint = ""
        try:
            self.other = None if path is None else OtherAnalysis(path)
        except LivedetectError as error:
            self.complaint = str(error)
            return False
        self._match()
        self.show()
        return True

    def update(self) -> bool:
        """Read what has been recorded since; at the end of the session the view follows it."""
        session = self.session
        if session is None or session.ended_when_read:
            return False
        at_end = self.step >= len(session.timeline.steps) - 1
        try:
            if not session.update():
                return False
        except LivedetectError as error:
            self.complaint = str(error)
            return False
        with self._drawing():
            self._layers.add_stacks(session.stacks)
        self._match()
        if at_end:
            self.go_to_step(len(session.timeline.steps) - 1)
        self.show()
        return True

    @property
    def step(self) -> int:
        """The step that the slider shows."""
        dims = self._viewer.dims
        last = len(self.session.timeline.steps) - 1 if self.session else 0
        return max(0, min(int(dims.current_step[-3]), last)) if dims.ndim > 2 else 0

    def go_to_step(self, step: int) -> None:
        """Move the slider."""
        dims = self._viewer.dims
        if dims.ndim > 2:
            dims.set_current_step(dims.ndim - 3, max(0, step))

    def go_to_frame(self, frame: int) -> None:
        """Move the slider to a frame of the source, or the last one before it."""
        if self.session is not None:
            self.go_to_step(self.session.timeline.step_near(frame))

    def go_to_event(self, direction: int) -> None:
        """Move to the next (1) or previous (-1) frame in which something was announced."""
        if self.session is None:
            return
        steps = self.session.event_steps()
        ahead = [s for s in steps if s > self.step] if direction > 0 else []
        behind = [s for s in steps if s < self.step] if direction < 0 else []
        if ahead or behind:
            self.go_to_step(ahead[0] if ahead else behind[-1])

    @property
    def selected(self) -> int | None:
        """The defect_id that is looked at."""
        return self._selected

    def select(self, defect_id: int | None) -> None:
        """Look at a defect: its marker gets a ring where it is known."""
        self._selected = defect_id
        self.show()

    def defect_at(self, y_px: float, x_px: float) -> int | None:
        """The defect whose marker is drawn at a place of the frame."""
        if self.session is None or not self.session.timeline.steps:
            return None
        return nearest_marker(self._markers(self.session, self.step)[0], y_px, x_px)

    def show(self) -> None:
        """Draw the markers of the present step and tell the dock."""
        if self.session is not None and self._layers.present:
            self._draw(self.session, self.step)
        self.changed()

    def _moved(self, _event: Any = None) -> None:
        if not self._is_drawing and self._layers.present:
            self.show()

    def _draw(self, session: RecordedSession, step: int) -> None:
        with self._drawing():
            markers, other = self._markers(session, step)
            self._layers.show(session.timeline.steps[step].row.array, markers, other)
            drift = session.timeline.drift_at(step)
            self._layers.outline(session.regions_at(step), drift)
            header = {"segment_id": session.timeline.steps[step].row.segment_id}
            self._layers.outline_phases(session.phases_at(step).outlines(header), drift)

    @contextlib.contextmanager
    def _drawing(self) -> Iterator[None]:
        """Changes of layers move the slider too; a layer must not be added while another is."""
        self._is_drawing = True
        try:
            yield
        finally:
            self._is_drawing = False

    def _markers(self, session: RecordedSession, step: int) -> tuple[Markers, Markers | None]:
        timeline = session.timeline
        frame, shape = timeline.steps[step].row.index, session.frame_shape(step)
        diameter = base_diameter_px(session.model_at(step), shape)
        dismissed = timeline.dismissed_at(step)
        held = timeline.known_at(step)
        own = session_markers(held, timeline.told_at(step), dismissed, frame, shape, diameter)
        if self.other is None:
            return with_selected(own, self._selected), None
        held = self.other.held_at(timeline, step)
        theirs = session_markers(held, self.other.announced(), set(), frame, shape, diameter)
        shared_a, shared_b = self.other.shared
        own = compared(own, shared_a, diameter, other=False)
        return own, compared(theirs, shared_b, diameter, other=True)

    def _match(self) -> None:
        session = self.session
        if session is None or self.other is None:
            return
        lattice = session.model_at(len(session.timeline.steps) - 1).get("lattice_px")
        if lattice:
            shape = session.frame_shape(self.step)
            self.other.radius_px = _RADIUS_SHARE * base_diameter_px({"lattice_px": lattice}, shape)
        self.other.match(session.timeline, session.events)

    def told(self) -> StepView | None:
        """What is to be said of the step that is shown; None without a session."""
        session = self.session
        if session is None or not session.timeline.steps:
            return None
        at = self.step
        step = session.timeline.steps[at]
        title, tone = step_title(step)
        held = session.timeline.held_at(at)
        announced = session.announced_until(at)
        agreed = self.other and self.other.agreement(step.row.index)
        return StepView(
            frame=step.row.index,
            title=title,
            tone=tone,
            notes=session.problem_at(at) or step_notes(step),
            defects=f"{len(held)} marked · {announced} announced",
            rows=step_rows(step),
            legend=comparison_legend() if agreed else self._legend(session, at, held),
            agreement=agreement_words(agreed) if agreed else "",
        )

    def _legend(self, session: RecordedSession, step: int, held: Any) -> str:
        known = session.timeline.told_at(step)
        kinds = legend_of([str(known.get(of, {}).get("kind", "unknown")) for of in held])
        return with_phases(kinds, session.phases_at(step).shares)

    def fit(self) -> None:
        """Let the frame fill the canvas."""
        if self._layers is not None:
            self._layers.fit()

    def close(self) -> None:
        """Listen no more; the layers stay."""
        self._viewer.dims.events.current_step.disconnect(self._moved)
        self.changed = lambda: None
        self.stepped = lambda _direction: None
        # whoever still holds this view must not hold the window
        self._viewer = self._layers = self.session = None


_VIEWS: dict[int, RecordedView] = {}


def view_of(viewer: Any) -> RecordedView:
    """The view of recorded sessions of a napari viewer, made when it is first asked for."""
    key = viewer_key(viewer)
    if key not in _VIEWS:
        _VIEWS[key] = RecordedView(viewer)
    return _VIEWS[key]


def forget_view(view: RecordedView) -> None:
    """End a view when its viewer goes."""
    for key in [key for key, known in _VIEWS.items() if known is view]:
        del _VIEWS[key]
