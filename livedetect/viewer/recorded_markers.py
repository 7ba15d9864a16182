"""Markers of a step of a recorded session. No Qt here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from livedetect.viewer.markers import DIMMED, GLYPHS, Markers, markers_of, rgba

BOTH, ONLY_A, ONLY_B = "#FFFFFF", "#E69F00", "#56B4E9"
SHAPE_A, SHAPE_B = "disc", "square"
SCALE_B = 1.35

Places = Mapping[int, tuple[float, float]]
Events = Mapping[int, Mapping[str, Any]]


def session_markers(
    held: Places,
    announced: Events,
    dismissed: set[int],
    frame: int,
    shape: tuple[int, int],
    diameter_px: float,
) -> Markers:
    """Markers as the live view draws them; dismissed ones are faint."""
    markers = markers_of(_columns(held, announced, frame), frame, shape, diameter_px)
    color = markers.border_color.copy()
    faint = [defect_id in dismissed for defect_id in markers.features["defect_id"]]
    color[np.array(faint, dtype=bool), 3] = DIMMED
    return dataclasses.replace(markers, border_color=color)


def compared(markers: Markers, shared: set[int], diameter_px: float, *, other: bool) -> Markers:
    """The same markers by analysis instead of by kind: its shape, and white where both agree."""
    alone = ONLY_B if other else ONLY_A
    ids = markers.features["defect_id"]
    color = [rgba(BOTH if defect_id in shared else alone) for defect_id in ids]
    border_color = np.array(color, dtype=np.float32).reshape(-1, 4)
    border_color[:, 3] = markers.border_color[:, 3]
    return dataclasses.replace(
        markers,
        symbol=[SHAPE_B if other else SHAPE_A] * len(ids),
        border_color=border_color,
        diameter_px=np.full(len(ids), diameter_px * (SCALE_B if other else 1.0)),
    )


def comparison_legend() -> str:
    """The signs of a comparison, as rich text."""
    signs = ((GLYPHS[SHAPE_A], ONLY_A, "session"), (GLYPHS[SHAPE_B], ONLY_B, "other"))
    entries = [f'<span style="color: {c}"><b>{sign}</b></span>&nbsp;{n}' for sign, c, n in signs]
    return "&nbsp; ".join([*entries, "white: in both"])


def _columns(held: Places, announced: Events, frame: int) -> dict[str, list[Any]]:
    told = [announced.get(defect_id, {}) for defect_id in held]
    return {
        "defect_id": list(held),
        "x_px": [x for x, _ in held.values()],
        "y_px": [y for _, y in held.values()],
        "kind": [event.get("kind", "unknown") for event in told],
        "confidence": [event.get("confidence", 0.0) for event in told],
        "score": [event.get("score") for event in told],
        "first_seen_frame": [event.get("first_seen_frame", frame) for event in told],
        "confirmed_frame": [event.get("frame", frame) for event in told],
        "at_start": [event.get("event") == "defect_at_start" for event in told],
        "region_id": [event.get("region_id") for event in told],
    }
