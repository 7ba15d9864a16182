"""What two runs found alike and what only one of them found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from livedetect.stream.event_names import ANNOUNCED

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Defects of two runs, as events."""

    common: Sequence[tuple[Event, Event]]
    """Pairs within the radius, nearest assignment."""
    only_a: Sequence[Event]
    """Without a partner in the second run."""
    only_b: Sequence[Event]
    """Without a partner in the first run."""


def compare(a: Sequence[Event], b: Sequence[Event], radius_px: float) -> Comparison:
    """Pair the defects of two runs by their places in the frame.

    As many pairs as possible are made, and of these the nearest. Drift between the frames in
    which the two runs announced a defect counts as distance.

    Parameters
    ----------
    a, b : events of each run; others than defects are ignored.
    radius_px : largest distance of a pair, px.
    """
    first, second = _defects(a), _defects(b)
    pairs = _pairs(first, second, radius_px)
    paired_a, paired_b = {i for i, _ in pairs}, {j for _, j in pairs}
    return Comparison(
        common=[(first[i], second[j]) for i, j in pairs],
        only_a=[event for i, event in enumerate(first) if i not in paired_a],
        only_b=[event for j, event in enumerate(second) if j not in paired_b],
    )


def unrelated(a: Sequence[Event], b: Sequence[Event]) -> str:
    """Why the two runs do not seem to be of the same frames, in a sentence; empty if they do.

    A replay names the session it played as its source, so sources may differ; frames and
    lattices may not.
    """
    first, second = _facts(a), _facts(b)
    differing = [
        f"{name} {first[name]} and {second[name]}"
        for name in first
        if first[name] and second[name] and first[name] != second[name]
    ]
    if not differing:
        return ""
    return (
        "These do not seem to be runs of the same frames: "
        f"{'; '.join(differing)}. Places are compared all the same."
    )


def _facts(events: Sequence[Event]) -> dict[str, Any]:
    """What two runs of the same frames have in common."""
    ended = next((event for event in events if event.get("event") == "run_ended"), {})
    started = next((event for event in events if event.get("event") == "run_started"), {})
    ledger = ended.get("ledger") or {}
    whole = ended.get("reason") == "source_ended"
    return {
        "simulated streams": _simulated(str(started.get("source", ""))),
        "frames sent": ledger.get("sent") if whole else None,
    }


def _simulated(source: str) -> str:
    return source if source.startswith("sim:") else ""


def _defects(events: Sequence[Event]) -> list[Event]:
    named = (event for event in events if event.get("event") in ANNOUNCED)
    return [event for event in named if {"x_px", "y_px", "frame"} <= set(event)]


def _pairs(a: Sequence[Event], b: Sequence[Event], radius_px: float) -> list[tuple[int, int]]:
    if not a or not b:
        return []
    distance = cdist(_places(a), _places(b))
    # beyond the radius nothing pairs, whatever it would save elsewhere
    forbidden = 1.0 + min(len(a), len(b)) * max(radius_px, 1.0)
    cost = np.where(distance <= radius_px, distance, forbidden)
    rows, columns = linear_sum_assignment(cost)
    near = distance[rows, columns] <= radius_px
    return [(int(i), int(j)) for i, j in zip(rows[near], columns[near], strict=True)]


def _places(events: Sequence[Event]) -> Any:
    return np.array([[event["x_px"], event["y_px"]] for event in events], float)
