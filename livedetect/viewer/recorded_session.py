"""One recorded session as the viewer knows it: read once, and again while it grows. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.stream.event_names import ANNOUNCED, MODELS
from livedetect.stream.recording import Recording
from livedetect.viewer.phases_in_view import FOLLOWED, PhasesInView
from livedetect.viewer.recorded_stack import FrameStack
from livedetect.viewer.recorded_timeline import Timeline

Event = Mapping[str, Any]
Place = tuple[float, float]


class RecordedSession:
    """Reads `directory`; raises `SourceError` saying what is wrong and what to do."""

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        """Where it is."""
        self.timeline = Timeline()
        """Its frames and defects."""
        self.events: list[Event] = []
        """All events, in their order."""
        self.stacks: dict[str, FrameStack] = {}
        """Lazily read frames, by the name of their array."""
        self.grows = False
        """Rows came after it was opened."""
        self.ended_when_read = False
        """All that will ever be there has been read."""
        self._settled = 0
        self._recording = Recording(self.directory)
        self._read()

    @property
    def ended(self) -> bool:
        """Nothing will follow."""
        return self._recording.end is not None

    @property
    def end(self) -> Mapping[str, Any] | None:
        """What ``END.json`` says."""
        return self._recording.end

    @property
    def source(self) -> str:
        """Where the frames came from."""
        return str(self._recording.session.get("source", ""))

    def dispositions(self) -> dict[str, int]:
        """Number of frames by what became of them."""
        return self._recording.dispositions()

    def update(self) -> bool:
        """Read what has been recorded since; True if there was anything."""
        before = (len(self.timeline.steps), self._settled, len(self.events))
        # arrays have grown on disk: they are opened anew
        self._recording = Recording(self.directory)
        self._read()
        changed = before != (len(self.timeline.steps), self._settled, len(self.events))
        self.grows |= changed
        return changed

    def _read(self) -> None:
        ended = self.ended
        # rows before events: an event is never written before its row
        rows = list(self._recording.rows(self._settled))
        new = list(self._recording.events(len(self.events)))
        self.events += new
        self.timeline.forget_from(self._settled)
        self.timeline.add_events(new)
        self.timeline.add_rows(rows)
        self.timeline.set_commands(self._recording.commands())
        pending = (row.position for row in rows if row.segment_id is None)
        self._settled = next(pending, rows[-1].position + 1 if rows else self._settled)
        self._find_stacks({row.array for row in rows if row.array is not None})
        self.ended_when_read = ended

    def _find_stacks(self, arrays: set[str]) -> None:
        for array in sorted(arrays):
            layout = self._recording.frames.layout(array)
            if array not in self.stacks and len(layout[1]) == 2:
                self.stacks[array] = FrameStack(self._recording, self.timeline, array)
        for stack in self.stacks.values():
            stack.recording = self._recording

    def model_at(self, step: int) -> Event:
        """The event of the model in use at a step, else of the first one, else nothing."""
        models = [event for event in self.events if event["event"] in MODELS]
        known = [event for event in models if self.timeline.step_near(event["frame"]) <= step]
        return (known[-1:] or models[:1] or [{}])[0]

    def frame_shape(self, step: int) -> tuple[int, int]:
        """Rows and columns of the frame of a step, or of the latest one that has pixels."""
        for earlier in reversed(self.timeline.steps[: step + 1]):
            stack = self.stacks.get(earlier.row.array or "")
            if stack is not None:
                return stack.shape[1], stack.shape[2]
        return next((stack.shape[1:] for stack in self.stacks.values()), (1, 1))

    def pixels_at(self, step: int) -> NDArray[Any]:
        """Pixels (y, x) of a step that has some; raises `SourceError`."""
        return self._recording.pixels(self.timeline.steps[step].row)

    def problem_at(self, step: int) -> str:
        """Why the pixels of a step could not be read; empty if they could."""
        found = (stack.problems.get(step) for stack in self.stacks.values())
        return next(filter(None, found), "")

    def announced_until(self, step: int) -> int:
        """Number of defects announced up to a step."""
        return sum(at <= step for at in self._announcements()[0])

    def event_steps(self) -> list[int]:
        """Steps at which something happened to a defect or a region, in their order."""
        named = (e for e in self.events if e["event"].startswith(("defect_", "region_")))
        return sorted({self.timeline.step_near(event["frame"]) for event in named})

    def regions_at(self, step: int) -> dict[int, list[Place]]:
        """Outlines (x, y) of the regions known at a step, where they were without drift."""
        timeline, outlines = self.timeline, {}
        for event in self.events:
            if event["event"] != "region_confirmed":
                continue
            at = timeline.step_near(event["frame"])
            if at <= step and timeline.same_scan(at, step):
                off_x, off_y = timeline.drift_of_event(at)
                polygon = event["polygon_px"]
                outlines[int(event["region_id"])] = [(x - off_x, y - off_y) for x, y in polygon]
        return outlines

    def phases_at(self, step: int) -> PhasesInView:
        """What is known at a step of the phases in its area."""
        phases = PhasesInView()
        for event in self.events:
            if event["event"] in FOLLOWED and self.timeline.step_near(event["frame"]) <= step:
                phases.follow(event)
        return phases

    def series(self) -> dict[str, list[Any]]:
        """Counts at every analysed frame, as `DefectPlot` wants them."""
        steps = [(n, s.row) for n, s in enumerate(self.timeline.steps) if s.row.kind == "frame"]
        announced = self._announcements()
        total = np.searchsorted(announced[0], [n for n, _ in steps], side="right")
        confirmed = np.searchsorted(announced[1], [n for n, _ in steps], side="right")
        starts = self._baselines()
        baseline = [max((s for s in starts if s <= n), default=0) for n, _ in steps]
        before = np.searchsorted(announced[1], baseline, side="left")
        return {
            "frame": [row.index for _, row in steps],
            "dose_e_per_A2": [row.details.get("dose_e_per_A2") for _, row in steps],
            "time_s": [row.time_s for _, row in steps],
            "total": total.tolist(),
            "new": (confirmed - before).tolist(),
            "active": total.tolist(),
        }

    def _announcements(self) -> tuple[list[int], list[int]]:
        """Steps at which defects were announced: all of them, and those not there at the start."""
        told = [
            (self.timeline.step_near(event["frame"]), event["event"])
            for event in self.events
            if event["event"] in ANNOUNCED
        ]
        return sorted(step for step, _ in told), sorted(
            step for step, name in told if name == "defect_confirmed"
        )

    def _baselines(self) -> list[int]:
        return [
            self.timeline.step_near(event["frame"])
            for event in self.events
            if event["event"] == "command"
            and event.get("name") == "rebaseline"
            and event.get("ok", True)
        ]
