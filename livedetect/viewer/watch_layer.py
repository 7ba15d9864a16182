"""What is not watched is hatched: one small image over the frame, changed when that changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from livedetect.viewer.napari_seam import LAYER_KEY, found_layer

NOT_WATCHED = "not watched"
_MOST_PX = 768
_STRIPES = 48
"""Stripes across a frame, whatever its size."""
_SHADE = (150, 158, 168)
_STRIPE_ALPHA, _GROUND_ALPHA = 150, 40


class WatchLayer:
    """Hatches blocks in which no defect can be found."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._shown: NDArray[np.bool_] | None = None

    def show(
        self, watched: tuple[NDArray[np.bool_], int] | None, frame_shape: tuple[int, int]
    ) -> None:
        """Hatch where `watched` (blocks (y, x), edge in px) is false; None: nothing is known."""
        layer = found_layer(self._viewer, NOT_WATCHED)
        if watched is None:
            if layer is not None:
                layer.visible = False
            self._shown = None
            return
        same = self._shown is not None and np.array_equal(self._shown, watched[0])
        if same and layer is not None:
            return
        self._shown = watched[0].copy()
        picture, scale = hatching(*watched, frame_shape)
        if layer is None or layer.data.shape != picture.shape:
            self._replace(layer, picture, scale)
        else:
            layer.data = picture
            layer.visible = True

    def _replace(self, old: Any, picture: NDArray[np.uint8], scale: float) -> None:
        layers = self._viewer.layers
        if old is not None:
            layers.remove(old)
        active = layers.selection.active
        # above the images, below everything that vispy draws as points or meshes
        images = [at for at, layer in enumerate(layers) if isinstance(layer, Image)]
        made = Image(
            picture,
            name=NOT_WATCHED,
            rgb=True,
            scale=(scale, scale),
            translate=((scale - 1) / 2, (scale - 1) / 2),
            metadata={LAYER_KEY: NOT_WATCHED},
        )
        layers.insert(max(images, default=-1) + 1, made)
        layers.selection.active = active

    def clear(self) -> None:
        """Hatch nothing."""
        self.show(None, (1, 1))


def hatching(
    watched: NDArray[np.bool_], block_px: int, frame_shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], float]:
    """RGBA (y, x, 4) and its pixel in pixels of the frame: stripes where `watched` is false."""
    scale = max(1.0, max(frame_shape) / _MOST_PX)
    rows, columns = (max(1, round(edge / scale)) for edge in frame_shape)
    y, x = np.arange(rows), np.arange(columns)
    block_y = np.minimum((y * scale / block_px).astype(int), watched.shape[0] - 1)
    block_x = np.minimum((x * scale / block_px).astype(int), watched.shape[1] - 1)
    unwatched = ~watched[np.ix_(block_y, block_x)]
    pitch = max(6, round(max(rows, columns) / _STRIPES))
    stripe = (y[:, None] + x[None, :]) % pitch < max(1, pitch // 4)
    picture = np.zeros((rows, columns, 4), np.uint8)
    picture[..., :3] = _SHADE
    picture[..., 3] = np.where(unwatched, np.where(stripe, _STRIPE_ALPHA, _GROUND_ALPHA), 0)
    return picture, scale
