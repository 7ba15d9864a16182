"""The layers of a recorded session: lazy frames under napari's slider, markers and outlines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from livedetect.viewer.marker_layer import MarkerLayer
from livedetect.viewer.markers import Markers
from livedetect.viewer.napari_seam import LAYER_KEY, found_layer, scene_of
from livedetect.viewer.recorded_stack import FrameStack
from livedetect.viewer.regions_layer import RegionsLayer, phases_layer

Place = tuple[float, float]


class RecordedLayers:
    """Shows stacks and markers in `viewer`; one image layer for each array of frames."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._images: dict[str, Any] = {}
        self._markers = MarkerLayer(viewer, "recorded defects")
        self._other = MarkerLayer(viewer, "other analysis")
        self._regions = RegionsLayer(viewer, "recorded regions")
        self._phases = phases_layer(viewer, "recorded phases")
        self._shown = ""

    def add_stacks(self, stacks: Mapping[str, FrameStack]) -> None:
        """Show stacks that are new, and tell the slider of steps that have been added."""
        for array, stack in stacks.items():
            if self._images.get(array) in self._viewer.layers:
                if self._images[array].extent.data[1][0] + 1 < len(stack):
                    self._images[array].data = stack
            else:
                self._images[array] = self._adopted(stack) or self._added(stack)
        self._viewer.dims.axis_labels = ("step", "y", "x")[-self._viewer.dims.ndim :]

    def _adopted(self, stack: FrameStack) -> Any:
        """The layer that the file reader made of the same frames."""
        layer = found_layer(self._viewer, image_role(stack))
        if layer is not None:
            layer.data = stack
        return layer

    def _added(self, stack: FrameStack) -> Any:
        layer = Image(stack, **image_options(stack))
        self._viewer.layers.insert(0, layer)  # markers stay on top
        return layer

    @property
    def present(self) -> bool:
        """The frames are still there; the user, or a closing window, may remove them."""
        layers = self._viewer.layers
        return bool(self._images) and all(layer in layers for layer in self._images.values())

    def show(self, array: str | None, markers: Markers, other: Markers | None) -> None:
        """Show the frames of `array` (None: whatever was shown) and the markers."""
        if array in self._images and array != self._shown:
            self._shown = str(array)
            for name, layer in self._images.items():
                layer.visible = name == array
            self._viewer.layers.selection.active = self._images[array]
            self.fit()
        self._markers.show(markers)
        if other is not None:
            self._other.show(other)
        elif self._other.shown:
            self._other.clear()

    def fit(self) -> None:
        """Let the frames that are shown fill the canvas; those of other scans may be larger."""
        layer = self._images.get(self._shown)
        if layer is None:
            return
        shapes = np.array([image.data.shape[-2:] for image in self._images.values()])
        own = np.array(layer.data.shape[-2:])
        self._viewer.reset_view()
        camera = scene_of(self._viewer).camera
        camera.zoom *= float((shapes.max(axis=0) / own).min())
        camera.center = tuple((own - 1) / 2)

    def outline(self, regions: Mapping[int, Sequence[Place]], drift: Place) -> None:
        """Outline regions, polygons of (x, y) px without drift; `drift` (x, y) moves them."""
        outlines = {of: np.asarray(polygon)[:, ::-1] for of, polygon in regions.items()}
        self._regions.show(outlines, drift[::-1])

    def outline_phases(self, phases: Mapping[int, NDArray[np.float64]], drift: Place) -> None:
        """Outline phases, polygons (n, 2) as (y, x) px without drift; `drift` is (x, y)."""
        self._phases.show(phases, drift[::-1])

    def remove(self, stacks: Iterable[FrameStack] = ()) -> None:
        """Take all of it away, for another session; layers of `stacks` are kept."""
        kept = {image_role(stack) for stack in stacks}
        for layer in [layer for layer in self._viewer.layers if _is_recorded(layer, kept)]:
            self._viewer.layers.remove(layer)
        self._images, self._shown = {}, ""


def image_role(stack: FrameStack) -> str:
    """What the image layer of a stack is found by."""
    return f"recorded {stack.recording.directory} {stack.array}"


def image_options(stack: FrameStack) -> dict[str, Any]:
    """How napari shall show a stack."""
    rows, columns = stack.shape[1:]
    return {
        "name": f"{stack.recording.directory.name} ({rows} × {columns})",
        "colormap": "gray",
        "contrast_limits": (stack.low, stack.high),
        "rgb": False,
        "multiscale": False,
        "metadata": {LAYER_KEY: image_role(stack)},
    }


def _is_recorded(layer: Any, kept: set[str]) -> bool:
    role = str(layer.metadata.get(LAYER_KEY, ""))
    return role not in kept and (role.startswith("recorded ") or role == "other analysis")
