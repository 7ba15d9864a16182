"""A rectangle dragged by the operator: the region of interest, in pixels of the frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from livedetect.viewer.napari_seam import LAYER_KEY, found_layer, scene_of

ROLE = "region of interest"
_COLOR = "#F0E442"

Rectangle = tuple[int, int, int, int]


class RoiLayer:
    """Lets the operator drag one rectangle, and shows it; `chosen` gets x0, y0, x1, y1."""

    def __init__(self, viewer: Any, chosen: Callable[[Rectangle], None]) -> None:
        self._viewer = viewer
        self._chosen = chosen
        self.armed = False
        """The next drag draws the rectangle and does not move the image."""

    def choose(self) -> None:
        """Let the next drag over the image draw the rectangle; a second call takes that back."""
        self._arm(armed=not self.armed)

    def _arm(self, *, armed: bool) -> None:
        self.armed = armed
        scene_of(self._viewer).camera.mouse_pan = not armed

    def drag(self, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release; nothing happens unless it is armed."""
        if not self.armed:
            return
        start = end = np.asarray(event.position[-2:], float)
        yield
        while event.type == "mouse_move":
            end = np.asarray(event.position[-2:], float)
            self._draw(start, end)
            yield
        self._arm(armed=False)
        rectangle = bounds(np.stack([start, end]))
        if rectangle is None:
            self.clear()
        else:
            self._chosen(rectangle)

    def _draw(self, start: Any, end: Any) -> None:
        layer = found_layer(self._viewer, ROLE) or self._made()
        (y0, x0), (y1, x1) = start, end
        layer.data = [np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]])]

    def clear(self) -> None:
        """No rectangle."""
        self._arm(armed=False)
        layer = found_layer(self._viewer, ROLE)
        if layer is not None:
            self._viewer.layers.remove(layer)

    def _made(self) -> Any:
        active = self._viewer.layers.selection.active
        layer = self._viewer.add_shapes(
            [np.zeros((4, 2))],
            shape_type="rectangle",
            name=ROLE,
            face_color="transparent",
            edge_color=_COLOR,
            edge_width=2,
            metadata={LAYER_KEY: ROLE},
        )
        layer.editable = False
        self._viewer.layers.selection.active = active
        return layer


def bounds(corners: Any) -> Rectangle | None:
    """Whole pixels x0, y0, x1, y1 of a rectangle, corners (n, 2) as (y, x); None if too small."""
    low = np.maximum(0, np.floor(np.min(corners, axis=0))).astype(int)
    high = np.ceil(np.max(corners, axis=0)).astype(int)
    y0, x0, y1, x1 = int(low[0]), int(low[1]), int(high[0]), int(high[1])
    return (x0, y0, x1, y1) if x1 - x0 > 2 and y1 - y0 > 2 else None
