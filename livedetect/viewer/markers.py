"""How defects are drawn: kind by symbol and colour, recent ones larger. No Qt here."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GLYPHS = {
    "disc": "○",
    "diamond": "◇",
    "triangle_up": "△",
    "triangle_down": "▽",
    "square": "□",
    "star": "☆",
    "cross": "✛",
}
NEW_FRAMES = 10
"""So long a marker is larger than others, for an eye that has looked elsewhere."""
NEW_SCALE = 1.5
SELECTED_SCALE = 1.5
DIMMED = 0.3
"""Opacity of what the operator has dismissed."""
DEFAULT_DIAMETER_SHARE = 1 / 32
"""Of the frame's edge, where no lattice says how far neighbours are apart."""

_FEATURES = ("defect_id", "kind", "confidence", "score", "confirmed_frame")

# Okabe and Ito's colours, two of them lighter to show on dark frames: told apart with any
# colour vision, and the symbols alone suffice too
STYLES: dict[str, tuple[str, str]] = {
    "vacancy": ("disc", "#E69F00"),
    "half_vacancy": ("diamond", "#F0E442"),
    "displaced": ("triangle_up", "#56B4E9"),
    "adatom": ("square", "#2FD6A3"),
    "antisite": ("star", "#F08CC8"),
    "bright": ("cross", "#8FD3FF"),
    "dark": ("triangle_down", "#D55E00"),
    "unknown": ("disc", "#FFFFFF"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Markers:
    """Markers of one image, as the points layer wants them."""

    position_px: NDArray[np.float64]
    """(N, 2), (y, x) in pixels of the frame, all inside it."""
    symbol: list[str]
    """N names of symbols."""
    border_color: NDArray[np.float32]
    """(N, 4), red, green, blue, alpha, 0 to 1."""
    diameter_px: NDArray[np.float64]
    """(N,), in pixels of the frame."""
    features: dict[str, list[Any]]
    """defect_id, kind, confidence, score and frames of each."""


def markers_of(
    tracks: Mapping[str, list[Any]],
    frame: int,
    frame_shape: tuple[int, int],
    base_diameter_px: float,
) -> Markers:
    """Markers of the tracks (columns) of `frame`; those that have drifted out are left out."""
    position_px = np.column_stack([tracks["y_px"], tracks["x_px"]]).reshape(-1, 2)
    inside = np.flatnonzero(
        ((position_px > -0.5) & (position_px < np.subtract(frame_shape, 0.5))).all(1)
    )
    shown = {name: [column[at] for at in inside] for name, column in tracks.items()}
    styles = [STYLES.get(kind, STYLES["unknown"]) for kind in shown["kind"]]
    recent = frame - np.asarray(shown["confirmed_frame"], dtype=np.float64) < NEW_FRAMES
    at_start = np.asarray(shown["at_start"], dtype=bool)
    color = np.array([rgba(color) for _, color in styles], dtype=np.float32).reshape(-1, 4)
    color[at_start, 3] = 0.6
    return Markers(
        position_px=position_px[inside],
        symbol=[symbol for symbol, _ in styles],
        border_color=color,
        diameter_px=base_diameter_px * np.where(recent & ~at_start, NEW_SCALE, 1.0),
        features={name: shown[name] for name in _FEATURES},
    )


def dimmed(markers: Markers) -> Markers:
    """The same markers, faint and not larger than others: dismissed by the operator."""
    color = markers.border_color.copy()
    color[:, 3] = DIMMED
    smallest = markers.diameter_px.min(initial=np.inf)
    return dataclasses.replace(
        markers, border_color=color, diameter_px=np.minimum(markers.diameter_px, smallest)
    )


def joined(first: Markers, second: Markers) -> Markers:
    """Both, those of `first` before those of `second`."""
    return Markers(
        position_px=np.concatenate([first.position_px, second.position_px]),
        symbol=first.symbol + second.symbol,
        border_color=np.concatenate([first.border_color, second.border_color]),
        diameter_px=np.concatenate([first.diameter_px, second.diameter_px]),
        features={name: [*first.features[name], *second.features[name]] for name in _FEATURES},
    )


def with_selected(markers: Markers, defect_id: int | None) -> Markers:
    """With a second, white ring around the marker of `defect_id`, if it is among them."""
    ids = markers.features["defect_id"]
    if defect_id not in ids:
        return markers
    at = ids.index(defect_id)
    ring = Markers(
        position_px=markers.position_px[at : at + 1],
        symbol=["disc"],
        border_color=np.array([[1, 1, 1, 0.6]], np.float32),
        diameter_px=markers.diameter_px[at : at + 1] * SELECTED_SCALE,
        features={name: [values[at]] for name, values in markers.features.items()},
    )
    return joined(markers, ring)


def nearest_marker(markers: Markers, y_px: float, x_px: float) -> int | None:
    """The defect_id of the marker that a click at (y, x) means, None beside all of them."""
    if not len(markers.position_px):
        return None
    distance = np.hypot(*(markers.position_px - (y_px, x_px)).T)
    at = int(distance.argmin())
    return (
        int(markers.features["defect_id"][at]) if distance[at] <= markers.diameter_px[at] else None
    )


@functools.cache
def rgba(color: str) -> tuple[float, float, float, float]:
    """``#RRGGBB``, opaque, 0 to 1."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue, 1.0


def base_diameter_px(model: Mapping[str, Any], frame_shape: tuple[int, int]) -> float:
    """Diameter of a marker: the lattice constant, which leaves the neighbours visible.

    `model` is the latest ``model_ready`` event; without a lattice a share of the frame.
    """
    try:
        vectors = np.asarray(model.get("lattice_px"), dtype=np.float64)
    except (TypeError, ValueError):
        vectors = np.empty(0)
    if vectors.shape == (2, 2) and np.isfinite(vectors).all():
        shortest = float(np.hypot(*vectors.T).min())
        if 2.0 <= shortest <= max(frame_shape):
            return shortest
    return max(8.0, DEFAULT_DIAMETER_SHARE * math.sqrt(frame_shape[0] * frame_shape[1]))


def legend_of(kinds: list[str]) -> str:
    """The kinds that are shown, with their signs and numbers, as rich text."""
    known = [kind if kind in STYLES else "unknown" for kind in kinds]
    entries = []
    for kind, (symbol, color) in STYLES.items():
        if kind in known:
            sign = f'<span style="color: {color}"><b>{GLYPHS[symbol]}</b></span>'
            name = kind.replace("_", "&nbsp;")
            entries.append(f"{sign}&nbsp;{name}&nbsp;{known.count(kind)}")
    return "&nbsp; ".join(entries)
