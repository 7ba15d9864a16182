"""The points layer that carries markers, made once and updated in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from livedetect.viewer.markers import Markers
from livedetect.viewer.napari_seam import LAYER_KEY, found_layer

_BORDER_SHARE = 0.12


class MarkerLayer:
    """One points layer; finds itself again if it exists and comes back if it is removed."""

    def __init__(self, viewer: Any, role: str = "defects") -> None:
        self._viewer = viewer
        self._role = role
        self.layer: Any = found_layer(viewer, role)
        """The napari layer; None before the first markers."""
        self._before: Markers | None = None

    @property
    def shown(self) -> bool:
        """The layer is there, and the user has not removed it."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(self, markers: Markers) -> None:
        """Draw `markers` in place of those before."""
        if not self.shown:
            self.layer, self._before = self._made(), None
        points = self.layer
        # each of these events would redraw; one refresh at the end draws once
        with points.events.blocker_all():
            points.data = markers.position_px
            if len(markers.position_px) and not self._looks_as_before(markers):
                points.symbol = markers.symbol
                points.border_color = markers.border_color
                points.size = markers.diameter_px
                points.features = markers.features
        self._before = markers
        points.refresh(extent=False, thumbnail=False)

    def _looks_as_before(self, markers: Markers) -> bool:
        """Only the places have changed: all else takes napari as long as drawing."""
        before = self._before
        return (
            before is not None
            and before.symbol == markers.symbol
            and before.features == markers.features
            and np.array_equal(before.border_color, markers.border_color)
            and np.array_equal(before.diameter_px, markers.diameter_px)
        )

    def clear(self) -> None:
        """Take the markers away."""
        self._before = None
        if self.layer is not None:
            self.layer.data = np.empty((0, 2))

    def _made(self) -> Any:
        active = self._viewer.layers.selection.active
        layer = self._viewer.add_points(
            np.empty((0, 2)),
            name=self._role,
            face_color="transparent",
            border_width=_BORDER_SHARE,
            metadata={LAYER_KEY: self._role},
        )
        layer.editable = False
        self._viewer.layers.selection.active = active
        return layer
