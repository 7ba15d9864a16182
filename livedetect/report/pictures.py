"""Pictures of a report, drawn with matplotlib's objects: no global state, no display."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle

from livedetect.report.notes import Outline, Picture, RunNotes
from livedetect.types import Track

# After Okabe and Ito: different for every kind of colour vision, bright on grey.
NEW, HELD, AT_START, REGION = "#e69f00", "#5cc8ff", "#f0e442", "#cc79a7"
NEW_FRAMES = 10
"""A defect counts as new for so many frames after it was announced."""
MOST_LABELS = 40
WIDTH_PX = 1100
_DPI = 100
_OUTLINE: list[patheffects.AbstractPathEffect] = [
    patheffects.withStroke(linewidth=2.5, foreground="black", alpha=0.6)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """What is drawn on top of a frame."""

    ring_px: float = 8.0
    """Radius of the rings, pixels of the frame."""
    new_frames: int = NEW_FRAMES
    """Age up to which a defect is drawn as new, frames."""
    outlines: tuple[Outline, ...] = ()
    """Regions; only those of the picture's segment are drawn."""


def frame_png(picture: Picture, marking: Marking | None = None) -> bytes:
    """A frame in grey, with a scale bar if its pixel size is known; rings if `marking` is given."""
    height_px, width_px = picture.frame.data.shape
    aspect = picture.frame.calibration.pixel_aspect
    zoom = max(1, round(WIDTH_PX / width_px)) if width_px <= WIDTH_PX else WIDTH_PX / width_px
    figure, axes = _bare_axes(round(width_px * zoom), round(height_px * aspect * zoom))
    low, high = grey_limits(picture)
    axes.imshow(picture.frame.data, cmap="gray", vmin=low, vmax=high, aspect="auto")
    if marking is not None:
        _draw_outlines(axes, picture, marking)
        _draw_rings(axes, picture, marking)
    _draw_scale_bar(axes, picture)
    axes.set_xlim(-0.5, width_px - 0.5)
    axes.set_ylim(height_px - 0.5, -0.5)
    return png(figure, _DPI)


def grey_limits(picture: Picture) -> tuple[float, float]:
    """Black and white of the picture: the 0.5 % and 99.8 % quantiles of its finite pixels."""
    finite = picture.frame.data[np.isfinite(picture.frame.data)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.quantile(finite, [0.005, 0.998]))
    return low, max(high, low + 1e-9 * max(1.0, abs(low)))


def marking_for(notes: RunNotes, picture: Picture, *, new_frames: int = NEW_FRAMES) -> Marking:
    """Rings of half a lattice constant, or of 1.5 % of the picture's width if there is none."""
    lattice = notes.model.get("lattice_px")
    width_px = picture.frame.data.shape[1]
    ring_px = 0.015 * width_px
    if lattice is not None:
        vectors = np.atleast_2d(np.asarray(lattice, dtype=float))
        ring_px = max(0.55 * float(np.hypot(*vectors.T[:2]).min()), 0.006 * width_px)
    return Marking(ring_px=ring_px, new_frames=new_frames, outlines=tuple(notes.outlines))


def is_new(track: Track, picture: Picture, new_frames: int) -> bool:
    """Whether a defect was announced in the latest `new_frames` frames."""
    return not track.at_start and picture.frame.index - track.confirmed_frame < new_frames


def nice_length_nm(extent_nm: float) -> float:
    """Length for a scale bar: 1, 2 or 5 times a power of ten, about a fifth of `extent_nm`."""
    decade = 10.0 ** math.floor(math.log10(extent_nm / 4))
    return max(step * decade for step in (1, 2, 5) if step * decade <= extent_nm / 4)


def _bare_axes(width_px: int, height_px: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(max(1, width_px) / _DPI, max(1, height_px) / _DPI))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    return figure, axes


def _draw_rings(axes: Axes, picture: Picture, marking: Marking) -> None:
    groups: dict[str, list[Track]] = {NEW: [], HELD: [], AT_START: []}
    for track in picture.tracks:
        held = AT_START if track.at_start else HELD
        groups[NEW if is_new(track, picture, marking.new_frames) else held].append(track)
    widths = {NEW: 2.8, HELD: 1.8, AT_START: 1.8}
    for colour, tracks in groups.items():
        radius_px = marking.ring_px * (1.25 if colour == NEW else 1.0)
        rings = [Circle((track.x_px, track.y_px), radius_px) for track in tracks]
        style = (0, (2, 2)) if colour == AT_START else "-"
        axes.add_collection(
            PatchCollection(
                rings, facecolor="none", edgecolor=colour, linewidth=widths[colour], linestyle=style
            )
        )
    labelled = picture.tracks if len(picture.tracks) <= MOST_LABELS else groups[NEW][:MOST_LABELS]
    for track in labelled:
        _label(axes, track, marking.ring_px)


def _label(axes: Axes, track: Track, ring_px: float) -> None:
    place = (track.x_px + 0.95 * ring_px, track.y_px - 0.95 * ring_px)
    text = axes.text(*place, str(track.defect_id), color="white", fontsize=9, clip_on=True)
    text.set_path_effects(_OUTLINE)


def _draw_outlines(axes: Axes, picture: Picture, marking: Marking) -> None:
    for outline in marking.outlines:
        if outline.event.segment_id != picture.segment_id:
            continue
        polygon = Polygon(
            outline.polygon_in(picture), closed=True, fill=False, edgecolor=REGION, linewidth=2.0
        )
        axes.add_patch(polygon)


def _draw_scale_bar(axes: Axes, picture: Picture) -> None:
    pixel_nm = picture.frame.calibration.pixel_size_nm
    if not pixel_nm:
        return
    height_px, width_px = picture.frame.data.shape
    length_nm = nice_length_nm(width_px * pixel_nm)
    thick_px, left_px, base_px = 0.008 * height_px, 0.03 * width_px, 0.965 * height_px
    bar = Rectangle((left_px, base_px), length_nm / pixel_nm, thick_px, color="white")
    bar.set_path_effects([patheffects.withStroke(linewidth=2.0, foreground="black", alpha=0.7)])
    axes.add_patch(bar)
    axes.text(
        left_px + 0.5 * length_nm / pixel_nm,
        base_px - 0.008 * height_px,
        f"{length_nm:g} nm",
        color="white",
        fontsize=15,
        fontweight="bold",
        ha="center",
        va="bottom",
        path_effects=_OUTLINE,
    )


def png(figure: Figure, dpi: int) -> bytes:
    """`figure` as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
