"""The two napari layers of the live view, made once and updated in place.

One image layer with fixed contrast limits and one points layer: adding and removing layers
leaks memory, autoscaling costs most of the frame rate, and per-point text, tracks and
shapes are too slow to redraw with every frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image

from livedetect.stream.wire_results import Preview
from livedetect.viewer.marker_layer import LAYER_KEY, MarkerLayer, found_layer
from livedetect.viewer.markers import Markers


class LiveLayers:
    """Draws previews and markers into `viewer`; finds its own layers again if they exist."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._image = found_layer(viewer, "live image")
        self._markers = MarkerLayer(viewer)
        self._frame_shape: tuple[int, int] | None = None

    def show(self, preview: Preview, markers: Markers) -> None:
        """Draw an image and its markers, in pixels of the frame."""
        self._forget_removed()
        self._show_image(preview)
        self._markers.show(markers)
        shape = (preview.header["frame_shape"][0], preview.header["frame_shape"][1])
        if shape != self._frame_shape:
            self._frame_shape = shape
            self._viewer.reset_view()

    def _forget_removed(self) -> None:
        """The user may have removed a layer; it comes back with the next image."""
        if self._image is not None and self._image not in self._viewer.layers:
            self._image = None

    def _show_image(self, preview: Preview) -> None:
        affine = preview.affine
        place = {"scale": np.diag(affine[:, :2]), "translate": affine[:, 2]}
        if self._image is None:
            self._image = Image(
                preview.image,
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
        self._image.data = preview.image
        for name, value in place.items():
            if not np.array_equal(getattr(self._image, name), value):
                setattr(self._image, name, value)

    def _image_position(self) -> int:
        """Below the markers; an image drawn over points has crashed vispy on software GL."""
        layers = self._viewer.layers
        points = self._markers.layer if self._markers.shown else None
        return int(layers.index(points)) if points is not None else len(layers)

    def clear_markers(self) -> None:
        """Take the markers away, for a new run."""
        self._markers.clear()
