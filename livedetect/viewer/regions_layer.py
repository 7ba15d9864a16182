"""Outlines of regions: one shapes layer, filled when the regions change, moved with the drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.viewer.napari_seam import LAYER_KEY, found_layer
from livedetect.viewer.phases_in_view import PHASE_COLOR

OUTLINE_COLOR = "#F08CC8"
EDGE_PX = 2.0
PHASE_EDGE_PX = 1.5


class RegionsLayer:
    """Draws polygons; shapes are slow to set, so that is done once for each set of regions."""

    def __init__(
        self,
        viewer: Any,
        role: str = "regions",
        *,
        color: str = OUTLINE_COLOR,
        edge_px: float = EDGE_PX,
    ) -> None:
        self._viewer = viewer
        self._role = role
        self._color = color
        self._edge_px = edge_px
        self._outlined: dict[int, NDArray[np.float64]] = {}

    def show(
        self, outlines: Mapping[int, NDArray[np.float64]], drift_yx: tuple[float, float]
    ) -> None:
        """Outline regions: polygons (n, 2) as (y, x) px by region_id, all moved by `drift_yx`."""
        layer = found_layer(self._viewer, self._role)
        if layer is None:
            self._outlined = {}
            if not outlines:
                return
            layer = self._made()
        if not _same(outlines, self._outlined):
            self._outlined = dict(outlines)
            layer.data = []
            if outlines:
                layer.add(list(outlines.values()), shape_type="polygon", edge_width=self._edge_px)
        if tuple(layer.translate[-2:]) != drift_yx:
            layer.translate = drift_yx

    def toggle(self) -> bool | None:
        """Show or hide the outlines; returns whether they are shown, None if there are none."""
        layer = found_layer(self._viewer, self._role)
        if layer is None or not self._outlined:
            return None
        layer.visible = not layer.visible
        return bool(layer.visible)

    def clear(self) -> None:
        """Take the outlines away."""
        self.show({}, (0.0, 0.0))

    def _made(self) -> Any:
        active = self._viewer.layers.selection.active
        layer = self._viewer.add_shapes(
            ndim=2,
            name=self._role,
            face_color="transparent",
            edge_color=self._color,
            metadata={LAYER_KEY: self._role},
        )
        layer.editable = False
        self._viewer.layers.selection.active = active
        return layer


def phases_layer(viewer: Any, role: str) -> RegionsLayer:
    """Thin outlines of phases, told from those of damage by their colour as well."""
    return RegionsLayer(viewer, role, color=PHASE_COLOR, edge_px=PHASE_EDGE_PX)


def _same(
    first: Mapping[int, NDArray[np.float64]], second: Mapping[int, NDArray[np.float64]]
) -> bool:
    """Both hold equal outlines."""
    return first.keys() == second.keys() and all(
        first[of] is second[of] or np.array_equal(first[of], second[of]) for of in first
    )
