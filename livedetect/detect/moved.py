"""Frames moved by a fraction of a pixel, linearly."""

from __future__ import annotations

from typing import Literal

import numpy as np

from livedetect.detect.arrays import FloatArray


def moved_back(
    image: FloatArray, shift: FloatArray, outside: Literal["mirror", "nan"]
) -> FloatArray:
    """(H, W) `image` moved back by `shift` (x, y), px; its edges are mirrored, or NaN comes in."""
    whole = np.floor(shift).astype(int)
    fraction = (np.asarray(shift) - whole).astype(np.float32)
    for axis, by, part in ((1, whole[0], fraction[0]), (0, whole[1], fraction[1])):
        image = _along(image, axis, int(by), part, outside)
    return image


def _along(
    image: FloatArray, axis: int, whole: int, fraction: np.float32, outside: str
) -> FloatArray:
    """One axis: pixel i of the result lies at i + whole + fraction of `image`."""
    length = image.shape[axis]
    room = [(0, 0), (0, 0)]
    room[axis] = (max(0, -whole), max(0, whole + 1))
    if outside == "mirror":
        padded = np.pad(image, room, mode="reflect")
    else:
        padded = np.pad(image, room, constant_values=np.nan)
    across = np.moveaxis(padded, axis, 0)[max(0, whole) :]
    here, beside = across[:length], across[1 : length + 1]
    result = here if fraction == 0 else here * (1 - fraction) + beside * fraction
    return np.moveaxis(result, 0, axis)
