"""A rectangle drawn by the operator: the region of interest, in pixels of the frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from livedetect.viewer.marker_layer import LAYER_KEY, found_layer

ROLE = "region of interest"
_COLOR = "#F0E442"

Rectangle = tuple[int, int, int, int]


class RoiLayer:
    """Lets the operator drag one rectangle, and shows it; `chosen` gets x0, y0, x1, y1."""

    def __init__(self, viewer: Any, chosen: Callable[[Rectangle], None]) -> None:
        self._viewer = viewer
        self._chosen = chosen
        self._image: Any = None

    def choose(self) -> None:
        """The next drag over the image draws the rectangle."""
        self._image = self._viewer.layers.selection.active
        layer = found_layer(self._viewer, ROLE) or self._made()
        layer.data = []
        self._viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"

    def clear(self) -> None:
        """No rectangle."""
        layer = found_layer(self._viewer, ROLE)
        if layer is not None:
            layer.mode = "pan_zoom"
            layer.data = []
            self._back_to_image()

    def _made(self) -> Any:
        layer = self._viewer.add_shapes(
            ndim=2,
            name=ROLE,
            face_color="transparent",
            edge_color=_COLOR,
            edge_width=2,
            metadata={LAYER_KEY: ROLE},
        )
        layer.mouse_drag_callbacks.append(self._dragged)
        return layer

    def _dragged(self, layer: Any, _event: Any) -> Any:
        yield
        while _event.type == "mouse_move":
            yield
        if layer.mode == "add_rectangle" and len(layer.data):
            layer.mode = "pan_zoom"
            self._back_to_image()
            rectangle = bounds(layer.data[-1])
            if rectangle is not None:
                self._chosen(rectangle)

    def _back_to_image(self) -> None:
        if self._image in self._viewer.layers:
            self._viewer.layers.selection.active = self._image


def bounds(corners: Any) -> Rectangle | None:
    """Whole pixels x0, y0, x1, y1 of a drawn rectangle, corners (4, 2) as (y, x); None if empty."""
    low = np.maximum(0, np.floor(np.min(corners, axis=0))).astype(int)
    high = np.ceil(np.max(corners, axis=0)).astype(int)
    y0, x0, y1, x1 = int(low[0]), int(low[1]), int(high[0]), int(high[1])
    return (x0, y0, x1, y1) if x1 - x0 > 2 and y1 - y0 > 2 else None
