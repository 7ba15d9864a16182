"""What one trial left behind: every defect, every false marker, one line of JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livedetect.bench.matching import Hit, Life, lives_of, match, place_of
from livedetect.bench.score import INFORMATION_NEEDED
from livedetect.bench.truth import Truth

KEPT_FRAMES = 60
"""A real defect should still be marked so many frames after its confirmation."""

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One true defect and what the engine made of it."""

    kind: str
    """The truth's kind."""
    birth_frame: int
    """First frame that shows it."""
    snr2: float | None
    """d'² per frame; None where it is not known."""
    last_in_view: int
    """Last frame in which it is far enough from the edge."""
    frames_in_view: int
    """Number of such frames."""
    delay: int | None = None
    """Frames from birth to event; None if it was never announced."""
    distance_px: float | None = None
    """From the true place to the event, px."""
    called: str | None = None
    """The kind that the event claims."""
    during_warm_up: bool = False
    """Whether the event says that it was born in the warm-up."""
    kept: bool | None = None
    """Whether it was still marked `KEPT_FRAMES` later; None if the stream ended before."""

    @property
    def needed(self) -> float:
        """Frames that hold the information of one marker, 30/d'²; infinite where none is."""
        return INFORMATION_NEEDED / self.snr2 if self.snr2 else math.inf

    def demanded(self, delay: int, frame_count: int) -> bool:
        """Whether it stayed in view long enough to be asked for."""
        life = Life(
            birth_frame=self.birth_frame,
            kind=self.kind,
            last_in_view=self.last_in_view,
            frames_in_view=self.frames_in_view,
        )
        return life.demanded(delay, frame_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseMarker:
    """An event that belongs to nothing."""

    frame: int
    """Index of its frame."""
    x_px: float
    """Where, px."""
    y_px: float
    """Where, px."""
    kind: str
    """What it claims to be."""
    window_frames: int
    """Frames that were averaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRecord:
    """One stream with one method: all that the tables are made of."""

    stream: str
    """Spec of the simulator, or name of the case folder."""
    method: str
    """What was run."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What differed from the defaults, the method aside."""
    code: str = ""
    """Digest of the code that made it."""
    frames: int = 0
    """Length of the stream."""
    judged: int = 0
    """Frames with scores."""
    nn_px: float = 1.0
    """Distance of nearest columns, px."""
    defects: Sequence[Found] = ()
    """Every birth."""
    false: Sequence[FalseMarker] = ()
    """Every event that belongs to nothing."""
    satellites: int = 0
    """Events in the area changed by a birth."""
    duplicates: int = 0
    """Further events on a defect already announced."""
    at_start: int = 0
    """Defects that the first frame held, away from the edge."""
    at_start_found: int = 0
    """Of these, announced as `defect_at_start`."""
    at_start_false: int = 0
    """`defect_at_start` without a defect."""
    at_start_as_new: int = 0
    """Defects that the first frame held, announced as `defect_confirmed`."""
    notices: Mapping[str, int] = field(default_factory=dict)
    """How often each other event came."""
    frames_per_s: float | None = None
    """Speed of the engine."""
    fault: str = ""
    """Why the trial failed; empty if it did not."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What only some questions ask for."""

    def as_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return dataclasses.asdict(self)


def record_from(values: Mapping[str, Any]) -> StreamRecord:
    """The inverse of `StreamRecord.as_dict`; unknown keys are ignored."""
    known = {entry.name for entry in dataclasses.fields(StreamRecord)}
    kept = {name: value for name, value in values.items() if name in known}
    kept["defects"] = tuple(Found(**entry) for entry in values.get("defects", ()))
    kept["false"] = tuple(FalseMarker(**entry) for entry in values.get("false", ()))
    return StreamRecord(**kept)


def judged_against(
    truth: Truth,
    events: Sequence[Event],
    tracks: Mapping[int, Sequence[tuple[float, float]]],
) -> dict[str, Any]:
    """The fields of a record that say how `events` agree with `truth`.

    Parameters
    ----------
    truth : what happened.
    events : all events of the run in their JSON form, in the order of frames.
    tracks : places (x, y) in px of what is marked, by frame.
    """
    lives = lives_of(truth.defects)
    confirmed = [event for event in events if event["event"] == "defect_confirmed"]
    matches = match(truth, lives, confirmed)
    false = [event for event in matches.false_events if not _is_old(truth, event)]
    return {
        "defects": [
            _found(number, life, matches.hits.get(number), truth, tracks)
            for number, life in lives.items()
        ],
        "false": [_false(event) for event in false],
        "satellites": matches.satellites,
        "duplicates": matches.duplicates,
        "at_start_as_new": matches.false - len(false),
        **_start(truth, events),
    }


def _found(
    number: int,
    life: Life,
    hit: Hit | None,
    truth: Truth,
    tracks: Mapping[int, Sequence[tuple[float, float]]],
) -> Found:
    base = {
        "kind": life.kind,
        "birth_frame": life.birth_frame,
        "snr2": life.median_snr2 if life.snr2 else None,
        "last_in_view": life.last_in_view,
        "frames_in_view": life.frames_in_view,
    }
    if hit is None:
        return Found(**base)  # type: ignore[arg-type]
    return Found(
        **base,  # type: ignore[arg-type]
        delay=hit.delay,
        distance_px=hit.distance_px,
        called=str(hit.event.get("kind", "unknown")),
        during_warm_up=bool(hit.event.get("during_warm_up")),
        kept=_kept(number, int(hit.event["frame"]) + KEPT_FRAMES, truth, tracks),
    )


def _kept(
    number: int,
    frame: int,
    truth: Truth,
    tracks: Mapping[int, Sequence[tuple[float, float]]],
) -> bool | None:
    """Whether defect `number` is marked in `frame`; None if it is not in view there."""
    places = [
        (defect.x_px, defect.y_px)
        for defect in truth.defects
        if defect.defect_id == number and defect.frame == frame and defect.in_view
    ]
    if not places or frame not in tracks:
        return None
    radius = truth.match_radius_px
    return any(math.dist(mark, place) <= radius for mark in tracks[frame] for place in places)


def _false(event: Event) -> FalseMarker:
    frame, x_px, y_px = place_of(event)
    return FalseMarker(
        frame=frame,
        x_px=round(x_px, 1),
        y_px=round(y_px, 1),
        kind=str(event.get("kind", "unknown")),
        window_frames=int(event.get("window_frames") or 0),
    )


def _is_old(truth: Truth, event: Event) -> bool:
    """Whether an event lies on a defect that the first frame already held."""
    frame, x_px, y_px = place_of(event)
    return any(
        defect.frame == frame
        and math.dist((x_px, y_px), (defect.x_px, defect.y_px)) <= truth.match_radius_px
        for defect in truth.at_start
    )


def _start(truth: Truth, events: Sequence[Event]) -> dict[str, int]:
    """How what the first frame held was announced."""
    lives = lives_of(truth.at_start)
    old = [event for event in events if event["event"] == "defect_at_start"]
    matches = match(dataclasses.replace(truth, defects=truth.at_start, region=None), lives, old)
    first = {defect.defect_id for defect in truth.at_start if defect.frame == 0 and defect.in_view}
    demanded = [number for number in first if lives[number].frames_in_view > 3]
    return {
        "at_start": len(demanded),
        "at_start_found": sum(number in matches.hits for number in demanded),
        "at_start_false": matches.false,
    }
