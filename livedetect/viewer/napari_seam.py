"""What several parts of the viewer need of napari, so that its versions differ in one place."""

from __future__ import annotations

from typing import Any

LAYER_KEY = "livedetect"
"""Entry of a layer's metadata that says what the layer is for."""


def found_layer(viewer: Any, role: str) -> Any:
    """The layer of `viewer` that was made for `role`, or None."""
    layers = (layer for layer in viewer.layers if layer.metadata.get(LAYER_KEY) == role)
    return next(layers, None)


def scene_of(viewer: Any) -> Any:
    """Where napari keeps the camera: in the viewer, from 0.9 on in its scene."""
    return getattr(viewer, "scene", viewer)


def viewer_key(viewer: Any) -> int:
    """By which a viewer is known, also where napari hands out a proxy of it to plugins."""
    return id(getattr(viewer, "__wrapped__", viewer))
