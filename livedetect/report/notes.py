"""What a report remembers of a run: bounded, however long the run is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from livedetect.types import (
    DefectEvent,
    Event,
    Frame,
    NoticeEvent,
    Phase,
    RegionEvent,
    Track,
)

MOST_POINTS = 4096
MOST_ROWS = 2000

Place = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The run at one frame."""

    frame: int
    """The source's index."""
    dose_e_per_A2: float | None  # noqa: N815 - the unit is written A
    """Cumulative incident fluence, e/Å²."""
    exposure_s_per_nm2: float | None
    """Cumulative dwell time per area, s/nm²; what is left to say if the current is unknown."""
    confirmed: int
    """Defects announced so far, those of the first frames left out."""
    marked: int
    """Defects marked in this frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One frame with what was known about it."""

    frame: Frame
    """As the source delivered it."""
    tracks: tuple[Track, ...] = ()
    """Markers, positions in this frame's pixels."""
    segment_id: int = 0
    """Stretch of constant scan settings."""
    drift_px: Place = (0.0, 0.0)
    """Displacement of the crystal (x, y) since the segment's first frame, px."""
    births: int = 0
    """Defects announced in this frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A region, and the drift for which its outline holds."""

    event: RegionEvent
    """As announced; outline in pixels of its own frame."""
    drift_px: Place
    """Displacement of the crystal (x, y) in that frame, px."""

    def polygon_in(self, picture: Picture) -> list[Place]:
        """The outline in the pixels of `picture`, moved along with the crystal."""
        dx_px = picture.drift_px[0] - self.drift_px[0]
        dy_px = picture.drift_px[1] - self.drift_px[1]
        return [(x_px + dx_px, y_px + dy_px) for x_px, y_px in self.event.polygon_px]


class Series:
    """Points of a run; when there are too many, every second one goes."""

    def __init__(self, most: int = MOST_POINTS) -> None:
        self._most = most
        self._stride = 1
        self._seen = 0
        self._points: list[Point] = []
        self._latest: Point | None = None

    def add(self, point: Point) -> None:
        """Take in the next point; the first and the latest are always kept."""
        self._latest = point
        if self._seen % self._stride == 0:
            self._points.append(point)
        self._seen += 1
        if len(self._points) >= self._most:
            self._points = self._points[::2]
            self._stride *= 2

    def __iter__(self) -> Iterator[Point]:
        """Kept points in the order of frames."""
        yield from self._points
        if self._latest is not None and self._latest is not self._points[-1]:
            yield self._latest

    @property
    def latest(self) -> Point | None:
        """The latest point."""
        return self._latest


@dataclass(slots=True, kw_only=True)
class RunNotes:
    """Everything a report tells about a run."""

    started: Mapping[str, Any] = field(default_factory=dict)
    """Values of ``run_started``."""
    ended: Mapping[str, Any] = field(default_factory=dict)
    """Values of ``run_ended``; empty if the run was cut short."""
    models: list[NoticeEvent] = field(default_factory=list)
    """Every model that was in use, as it was announced."""
    fates: dict[str, int] = field(default_factory=dict)
    """Frames by disposition, as far as the results told."""
    series: Series = field(default_factory=Series)
    """Defects against frame and dose."""
    first: Picture | None = None
    """The first frame."""
    last: Picture | None = None
    """The latest analysed frame."""
    busiest: Picture | None = None
    """The frame in which most defects were announced."""
    defects: list[DefectEvent] = field(default_factory=list)
    """All defect events, `MOST_ROWS` at most."""
    outlines: list[Outline] = field(default_factory=list)
    """All regions, `MOST_ROWS` at most."""
    phases: list[tuple[int, float, Phase]] = field(default_factory=list)
    """Frame, time / s and phase at each change."""
    notices: list[Event] = field(default_factory=list)
    """Everything else that happened, `MOST_ROWS` at most."""
    left_out: int = 0
    """Events beyond `MOST_ROWS`."""
    at_start: int = 0
    """Defects that the first frames already held."""
    confirmed: int = 0
    """Defects announced since."""
    healed: int = 0
    """Defects that disappeared."""
    time_s: float = 0.0
    """Time of the latest frame since the first one, s."""

    @property
    def model(self) -> Mapping[str, Any]:
        """Values of the model in use at the end; empty if the warm-up was not completed."""
        return self.models[-1].values if self.models else {}

    @property
    def ledger(self) -> Mapping[str, int]:
        """Where the frames went: the session's ledger, else what the results told."""
        own = self.ended.get("ledger", self.ended)
        return {key: own[key] for key in LEDGER_KEYS if key in own} or self.fates

    @property
    def frames_judged(self) -> int:
        """Frames in which defects were looked for."""
        return int(self.ledger.get("scored", 0))

    @property
    def false_markers_expected(self) -> float | None:
        """What the budget allows in the judged frames; None if no rate is claimed."""
        budget = self.model.get("false_markers_per_1000_frames")
        return None if budget is None else float(budget) * self.frames_judged / 1000


LEDGER_KEYS = (
    "sent",
    "received",
    "missing",
    "warm_up",
    "scored",
    "invalid",
    "suspect",
    "duplicate",
    "late",
    "integrated",
    "skipped",
    "pending",
)
