"""The napari layers of the live view, made once and updated in place.

One image layer with fixed contrast limits and one points layer change with every image;
hatching and outlines only when what they show changes. Adding and removing layers leaks
memory, autoscaling costs most of the frame rate, and per-point text, tracks and shapes are
too slow to redraw with every frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from livedetect.stream.wire_results import Preview
from livedetect.viewer.marker_layer import MarkerLayer
from livedetect.viewer.markers import Markers
from livedetect.viewer.napari_seam import LAYER_KEY, found_layer, scene_of
from livedetect.viewer.regions_layer import RegionsLayer, phases_layer
from livedetect.viewer.watch_layer import WatchLayer

CLOSER = 2.0
"""Zoom onto a chosen defect, relative to the whole frame."""
Outlines = Mapping[int, NDArray[np.float64]]


class LiveLayers:
    """Draws previews and markers into `viewer`; finds its own layers again if they exist."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._image = found_layer(viewer, "live image")
        self._markers = MarkerLayer(viewer)
        self._watch = WatchLayer(viewer)
        self._regions = RegionsLayer(viewer)
        self._phases = phases_layer(viewer, "phases")
        self._drift_yx: tuple[float, float] | None = None
        self._whole_zoom = 0.0
        self.follows_drift = False
        """The camera moves with the specimen."""
        self._frame_shape: tuple[int, int] | None = None

    def show(self, preview: Preview, markers: Markers, regions: Outlines, phases: Outlines) -> None:
        """Draw an image, its markers and outlines (y, x) without drift, in pixels of the frame."""
        self._forget_removed()
        shape = (preview.header["frame_shape"][0], preview.header["frame_shape"][1])
        drift = preview.header.get("drift_px") or (0.0, 0.0)
        self._show_image(preview)
        self._watch.show(preview.watched, shape)
        moved = (float(drift[0]), float(drift[1]))
        self._regions.show(regions, moved)
        self._phases.show(phases, moved)
        self._markers.show(markers)
        self._follow(preview.header.get("drift_px"))
        if shape != self._frame_shape:
            self._frame_shape = shape
            self.show_whole()

    def show_markers(self, markers: Markers) -> None:
        """Draw other markers over the same image."""
        self._markers.show(markers)

    def toggle_phases(self) -> bool | None:
        """Show or hide the outlines of the phases; see `RegionsLayer.toggle`."""
        return self._phases.toggle()

    def _follow(self, drift_px: list[float] | None) -> None:
        if drift_px is None:
            return
        drift = (float(drift_px[0]), float(drift_px[1]))
        if self.follows_drift and self._drift_yx is not None and drift != self._drift_yx:
            camera = scene_of(self._viewer).camera
            moved = np.subtract(drift, self._drift_yx)
            camera.center = tuple(np.add(camera.center[-2:], moved))
        self._drift_yx = drift

    def centre_on(self, y_px: float, x_px: float) -> None:
        """Let the camera look at a place of the frame, close enough to see its atoms."""
        camera = scene_of(self._viewer).camera
        camera.center = (y_px, x_px)
        camera.zoom = max(camera.zoom, CLOSER * self._whole_zoom)

    def show_whole(self) -> None:
        """Let the frame fill the canvas."""
        self._viewer.reset_view()
        self._whole_zoom = float(scene_of(self._viewer).camera.zoom)

    def _forget_removed(self) -> None:
        """The user may have removed a layer; it comes back with the next image."""
        if self._image is not None and self._image not in self._viewer.layers:
            self._image = None

    def _show_image(self, preview: Preview) -> None:
        affine = preview.affine
        place = {"scale": np.diag(affine[:, :2]), "translate": affine[:, 2]}
        if self._image is None:
            self._image = Image(
                np.array(preview.image),  # its own, to be written over by the next
                name="live image",
                colormap="gray",
                contrast_limits=preview.header["contrast"],
                metadata={LAYER_KEY: "live image"},
                **place,
            )
            self._viewer.layers.insert(self._image_position(), self._image)
            self._viewer.layers.selection.active = self._image
            self._image.contrast_limits_range = (0, np.iinfo(preview.image.dtype).max)
            return
        pixels = self._image.data
        if pixels.shape == preview.image.shape and pixels.dtype == preview.image.dtype:
            # a new array would measure the extent and paint the list of layers again
            pixels[...] = preview.image
            self._image.refresh(extent=False, thumbnail=False, highlight=False)
        else:
            self._image.data = np.array(preview.image)
        for name, value in place.items():
            if not np.array_equal(getattr(self._image, name), value):
                setattr(self._image, name, value)

    def _image_position(self) -> int:
        """Below the markers; an image drawn over points has crashed vispy on software GL."""
        layers = self._viewer.layers
        points = self._markers.layer if self._markers.shown else None
        return int(layers.index(points)) if points is not None else len(layers)

    def clear(self) -> None:
        """Take image and markers away, for another run."""
        self._forget_removed()
        if self._image is not None:
            self._viewer.layers.remove(self._image)
            self._image = None
        self._markers.clear()
        self._regions.clear()
        self._phases.clear()
        self._watch.clear()
        self._drift_yx = self._frame_shape = None
