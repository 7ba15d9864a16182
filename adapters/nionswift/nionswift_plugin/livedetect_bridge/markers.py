"""Defects as rings on Swift's live image; everything here runs on Swift's main thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nion.swift.model import Graphics

PREFIX = "livedetect-"
MAX_MARKERS = 300
RADIUS_NM = 0.16
RADIUS_PX = 8.0
NEW = "#ff4040"
AT_START = "#ffc000"
_STILL_PX = 0.2


def draw(
    display_item: Any,
    tracks: Sequence[Mapping[str, Any]],
    shape: tuple[int, int],
    pixel_nm: float | None,
) -> int:
    """Show exactly `tracks` on `display_item`; rings that stay are moved, not made anew.

    Parameters
    ----------
    display_item : where the frame of the tracks is shown.
    tracks : maps with defect_id, x_px, y_px (pixels of the frame) and at_start.
    shape : rows and columns of that frame.
    pixel_nm : width of its pixels, nm, for the size of the rings; None: unknown.

    Returns
    -------
    How many rings there are now.
    """
    radius_px = max(RADIUS_NM / pixel_nm, 3.0) if pixel_nm else RADIUS_PX
    wanted = {f"{PREFIX}{track['defect_id']}": track for track in tracks[-MAX_MARKERS:]}
    shown = {graphic.graphic_id: graphic for graphic in ours(display_item)}
    for name in shown.keys() - wanted.keys():
        display_item.remove_graphic(shown[name])
    for name, track in wanted.items():
        bounds = ring_bounds(track, shape, radius_px)
        if name not in shown:
            display_item.add_graphic(_ring(name, track, bounds))
        elif _moved(shown[name], bounds, shape):
            shown[name].bounds = bounds
    return len(wanted)


def clear(display_item: Any) -> None:
    """Remove our rings and nothing else."""
    for graphic in ours(display_item):
        display_item.remove_graphic(graphic)


def ours(display_item: Any) -> list[Any]:
    """Our rings on `display_item`."""
    return [g for g in display_item.graphics if (g.graphic_id or "").startswith(PREFIX)]


def ring_bounds(
    track: Mapping[str, Any], shape: tuple[int, int], radius_px: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """((top, left), (height, width)) as fractions of the image.

    The centre of the first pixel is (0, 0) for livedetect and half a pixel from the edge of the
    image for Swift.
    """
    height, width = shape
    top = (float(track["y_px"]) + 0.5 - radius_px) / height
    left = (float(track["x_px"]) + 0.5 - radius_px) / width
    return (top, left), (2 * radius_px / height, 2 * radius_px / width)


def _ring(name: str, track: Mapping[str, Any], bounds: Any) -> Any:
    ring = Graphics.EllipseGraphic()
    ring.graphic_id = name
    ring.bounds = bounds
    ring.stroke_color = AT_START if track.get("at_start") else NEW
    ring.is_position_locked = True
    ring.is_shape_locked = True
    ring.is_rotation_locked = True
    return ring


def _moved(ring: Any, bounds: Any, shape: tuple[int, int]) -> bool:
    (top, left), (height, _) = bounds
    old = ring.bounds
    moved_px = max(abs(old.top - top) * shape[0], abs(old.left - left) * shape[1])
    return bool(moved_px > _STILL_PX or abs(old.height - height) * shape[0] > _STILL_PX)
