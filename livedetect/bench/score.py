"""How well the events of a run agree with the truth of its stream.

Which event belongs to which defect is decided in `matching`.
Recall within a delay asks only for defects that stay in view for that delay, or to the end of
the stream. F1 joins the precision with the recall within six frames.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from livedetect.bench.matching import Life, Matches, lives_of, match
from livedetect.bench.truth import Truth, read_truth
from livedetect.errors import SourceError

STRONG_SNR2 = 25.0
INFORMATION_NEEDED = 30.0
"""d'² summed over frames that one marker needs at one false marker per 1000 frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """How many defects of one kind there were and how many were found in time."""

    found: int
    """Found within six frames."""
    total: int
    """Present in the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One run against one truth; None where the question does not arise."""

    case: str
    """Name of the stream."""
    method: str = ""
    """Method that was run, where one is compared with others."""
    frames: int
    """Length of the stream."""
    defects: int
    """Different defects in the stream."""
    matched: int
    """Defects hit by an event, at any delay."""
    recall_1: float | None
    """Share found within one frame of birth."""
    recall_3: float | None
    """Share found within three frames."""
    recall_6: float | None
    """Share found within six frames."""
    recall_any: float | None
    """Share found at all, of all defects."""
    recall_3_strong: float | None
    """As `recall_3`, of the defects with d'² of 25 or more."""
    recall_6_strong: float | None
    """As `recall_6`, of the defects with d'² of 25 or more."""
    precision: float | None
    """Hits over hits and false events."""
    f1: float | None
    """Harmonic mean of precision and `recall_6`."""
    mean_delay_frames: float | None
    """From birth to event, mean of the hits."""
    median_delay_frames: float | None
    """From birth to event, median of the hits."""
    delay_bound_frames: float | None
    """Mean delay of the same hits that no detector can beat at this signal: frames that hold
    d'² = 30, less the frame of birth."""
    false_events: int
    """Events that belong to nothing."""
    false_before_first_birth: int
    """Events before anything happened."""
    false_per_1000_frames: float
    """False events per 1000 frames after the warm-up."""
    satellites: int
    """Events in the area changed by a birth."""
    duplicates: int
    """Further events on a defect already hit."""
    localisation_rms_px: float | None
    """Distance of hits from point defects, rms, px."""
    localisation_rms_neighbours: float | None
    """The same in units of the nearest-column distance."""
    by_kind: Mapping[str, KindCount] = field(default_factory=dict)
    """Counts by the truth's kind."""
    frames_per_s: float | None = None
    """Speed of the engine, where it was measured."""


def read_events(path: Path) -> list[dict[str, Any]]:
    """Events of a JSON Lines file, empty lines left out.

    Raises
    ------
    SourceError : it cannot be read, or a line is no JSON object; says which.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SourceError(str(error.strerror).lower()) from error
    except UnicodeDecodeError as error:
        raise SourceError("it is no text") from error
    return [_event(line, number) for number, line in enumerate(lines, start=1) if line.strip()]


def _event(line: str, number: int) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise SourceError(f"line {number} is no event; `run --events FILE` writes such files")
    return event


def score(case: Path, events: Iterable[Mapping[str, Any]], fit_frames: int = 0) -> Score:
    """Score `events` against the case folder `case`.

    Parameters
    ----------
    case : folder with ``truth.csv`` and ``meta.json``.
    events : events in their JSON form; only ``defect_confirmed`` is looked at.
    fit_frames : frames used for the warm-up, which cannot hold false events.

    Raises
    ------
    SourceError : `case` holds no truth.
    """
    return score_against(read_truth(case), events, fit_frames)


def score_against(truth: Truth, events: Iterable[Mapping[str, Any]], fit_frames: int = 0) -> Score:
    """As `score`, for a truth that is already in memory."""
    confirmed = sorted(
        (event for event in events if event.get("event") == "defect_confirmed"),
        key=lambda event: int(event["frame"]),
    )
    lives = lives_of(truth.defects)
    matches = match(truth, lives, confirmed)
    return _summary(truth, lives, matches, confirmed, fit_frames)


def _summary(
    truth: Truth,
    lives: Mapping[int, Life],
    matches: Matches,
    confirmed: list[Mapping[str, Any]],
    fit_frames: int,
) -> Score:
    delays = list(matches.delays.values())
    precision = _share(len(delays), len(delays) + matches.false)
    recall_6 = _recall(truth, lives, matches, 6)
    first = truth.first_birth_frame
    early = sum(first is not None and int(event["frame"]) < first for event in confirmed)
    squares = np.square(matches.distances_px)
    rms_px = float(np.sqrt(squares.mean())) if len(squares) else None
    return Score(
        case=truth.case,
        frames=truth.frame_count,
        defects=len(lives),
        matched=len(delays),
        recall_1=_recall(truth, lives, matches, 1),
        recall_3=_recall(truth, lives, matches, 3),
        recall_6=recall_6,
        recall_any=_share(len(delays), len(lives)),
        recall_3_strong=_recall(truth, lives, matches, 3, STRONG_SNR2),
        recall_6_strong=_recall(truth, lives, matches, 6, STRONG_SNR2),
        precision=precision,
        f1=_f1(precision, recall_6) if lives else None,
        mean_delay_frames=float(np.mean(delays)) if delays else None,
        median_delay_frames=float(np.median(delays)) if delays else None,
        delay_bound_frames=_delay_bound(lives, matches),
        false_events=matches.false,
        false_before_first_birth=matches.false if first is None else early,
        false_per_1000_frames=1000 * matches.false / max(1, truth.frame_count - fit_frames),
        satellites=matches.satellites,
        duplicates=matches.duplicates,
        localisation_rms_px=rms_px,
        localisation_rms_neighbours=None if rms_px is None else rms_px / truth.neighbour_px,
        by_kind=_by_kind(lives, matches),
    )


def _recall(
    truth: Truth,
    lives: Mapping[int, Life],
    matches: Matches,
    delay: int,
    least_snr2: float = -math.inf,
) -> float | None:
    asked = [
        number
        for number, life in lives.items()
        if life.median_snr2 >= least_snr2 and life.demanded(delay, truth.frame_count)
    ]
    found = sum(matches.delays.get(number, math.inf) <= delay for number in asked)
    return _share(found, len(asked))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _f1(precision: float | None, recall: float | None) -> float:
    if not precision or not recall:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def _delay_bound(lives: Mapping[int, Life], matches: Matches) -> float | None:
    needed = [
        math.ceil(INFORMATION_NEEDED / lives[number].median_snr2) - 1
        for number in matches.delays
        if lives[number].snr2 and lives[number].median_snr2 > 0
    ]
    return float(np.mean(np.maximum(needed, 0))) if needed else None


def _by_kind(lives: Mapping[int, Life], matches: Matches) -> dict[str, KindCount]:
    in_time: dict[str, list[bool]] = defaultdict(list)
    for number, life in lives.items():
        in_time[life.kind].append(matches.delays.get(number, math.inf) <= 6)
    return {k: KindCount(found=sum(v), total=len(v)) for k, v in sorted(in_time.items())}
