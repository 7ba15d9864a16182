"""`ReportCollector`: listens to a run and leaves a page about it."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from livedetect.report.notes import (
    MOST_ROWS,
    Outline,
    Picture,
    Place,
    Point,
    RunNotes,
)
from livedetect.report.page import write_report
from livedetect.stream.event_names import MODELS
from livedetect.types import (
    DefectEvent,
    Event,
    Frame,
    FrameResult,
    NoticeEvent,
    RegionEvent,
    SourceItem,
)

FRAMES_IN_FLIGHT = 12
"""Frames are seen when they arrive and judged a little later; this many may lie in between."""
TOLD_APART = ("run_started", "run_ended", "model_ready")
"""What has a place of its own on the page."""


class ReportCollector:
    """Tap and sink of a session; `close` writes ``report.html`` and ``last_frame.png``.

    Memory is bounded: a few frames, a thinned series, and at most 2000 rows per table.

    Parameters
    ----------
    directory : where the report goes; it is made if need be.
    """

    known_as = "the report"

    def __init__(self, directory: Path) -> None:
        self.notes = RunNotes()
        self._directory = Path(directory)
        self._recent: deque[Frame] = deque(maxlen=FRAMES_IN_FLIGHT)
        self._drift_px: Place = (0.0, 0.0)
        self._exposure_s_per_nm2: float | None = 0.0
        self._scan_id = ""
        self._closed = False

    def on_frame(self, item: SourceItem) -> None:
        """Keep a frame until its result comes; count its exposure."""
        if not isinstance(item, Frame):
            return
        self._recent.append(item)
        self._expose(item)
        if self.notes.first is None:
            self.notes.first = Picture(frame=item)

    def on_result(self, result: FrameResult) -> None:
        """Take note of one result."""
        notes = self.notes
        if result.registration is not None:
            self._drift_px = (result.registration.drift_x_px, result.registration.drift_y_px)
        if not notes.phases or notes.phases[-1][2] != result.phase:
            notes.phases.append((result.frame, result.time_s, result.phase))
        notes.time_s = max(notes.time_s, result.time_s)
        for event in result.events:
            self.on_event(event)
        if result.disposition != "none":
            notes.fates[result.disposition] = notes.fates.get(result.disposition, 0) + 1
        if result.disposition in ("warm_up", "scored"):
            self._note_point(result)
            self._note_picture(result)

    def on_event(self, event: Event) -> None:
        """Take note of one event, of a result or of the session itself."""
        if isinstance(event, DefectEvent):
            self._count(event)
            self._append(self.notes.defects, event)
        elif isinstance(event, RegionEvent):
            outline = Outline(event=event, drift_px=self._drift_px)
            self._append(self.notes.outlines, outline)
        else:
            self._note(event)

    def close(self) -> None:
        """Write the report, unless the run never began; a second call does nothing.

        Raises
        ------
        OSError : the directory cannot be written to.
        """
        began = bool(self.notes.started) or self.notes.first is not None
        if began and not self._closed:
            self._closed = True
            write_report(self.notes, self._directory)

    def _expose(self, frame: Frame) -> None:
        scan = frame.calibration
        if frame.scan_id and frame.scan_id == self._scan_id:
            return
        self._scan_id = frame.scan_id
        if self._exposure_s_per_nm2 is None or scan.dwell_us is None or scan.pixel_size_nm is None:
            self._exposure_s_per_nm2 = None
            return
        pixel_nm2 = scan.pixel_size_nm**2 * scan.pixel_aspect
        self._exposure_s_per_nm2 += scan.dwell_us * 1e-6 / pixel_nm2

    def _count(self, event: DefectEvent) -> None:
        self.notes.confirmed += event.event == "defect_confirmed"
        self.notes.at_start += event.event == "defect_at_start"
        self.notes.healed += event.event == "defect_healed"

    def _note(self, event: Event) -> None:
        if isinstance(event, NoticeEvent) and event.event == "run_started":
            self.notes.started = event.values
        elif isinstance(event, NoticeEvent) and event.event == "run_ended":
            self.notes.ended = event.values
        elif isinstance(event, NoticeEvent) and event.event in MODELS:
            self._append(self.notes.models, event)
        if event.event not in TOLD_APART:
            self._append(self.notes.notices, event)

    def _append(self, rows: list[Any], row: Any) -> None:
        if len(rows) < MOST_ROWS:
            rows.append(row)
        else:
            self.notes.left_out += 1

    def _note_point(self, result: FrameResult) -> None:
        point = Point(
            frame=result.frame,
            dose_e_per_A2=result.dose_e_per_A2,
            exposure_s_per_nm2=self._exposure_s_per_nm2,
            confirmed=self.notes.confirmed,
            marked=len(result.active_tracks),
        )
        self.notes.series.add(point)

    def _note_picture(self, result: FrameResult) -> None:
        frame = next((entry for entry in self._recent if entry.index == result.frame), None)
        if frame is None:
            return
        picture = Picture(
            frame=frame,
            tracks=result.active_tracks,
            segment_id=result.segment_id,
            drift_px=self._drift_px,
            births=sum(event.event == "defect_confirmed" for event in result.events),
        )
        self.notes.last = picture
        most = self.notes.busiest.births if self.notes.busiest else 0
        if picture.births > most:
            self.notes.busiest = picture
