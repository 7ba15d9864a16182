"""Frames made small and 8 bit for looking at, with a contrast that does not move.

The contrast comes from the warm-up frames and is kept: a display that adapts to every
frame hides the very changes that are looked for.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.stream.wire_results import MAX_PREVIEW_PX
from livedetect.types import Frame

_PERCENTILES = (0.5, 99.8)
_SAMPLES = 65_536
_LEARNT_FRAMES = 32
_MARGIN_BELOW, _MARGIN_ABOVE = 0.1, 0.3


class PreviewMaker:
    """Makes previews of frames at a contrast learnt from the first of them."""

    def __init__(self) -> None:
        self._levels: list[tuple[float, float]] = []
        self._shape: tuple[int, ...] = ()

    def learn(self, frame: Frame, *, warming_up: bool) -> None:
        """Take `frame` into the contrast, if it is still being learnt or has no meaning yet."""
        if frame.data.shape != self._shape:
            self._levels, self._shape = [], frame.data.shape
        if (warming_up or not self._levels) and len(self._levels) < _LEARNT_FRAMES:
            self._levels.append(_levels(frame.data))

    def forget(self) -> None:
        """Learn the contrast anew, for a new baseline."""
        self._levels = []

    def make(self, frame: Frame) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """The preview (y, x) of a frame whose shape has been learnt, and its header fields.

        ``affine`` (2, 3) turns preview pixels (y, x, 1) into frame pixels (y, x); a value v
        stands for ``value_range[0] + v / 255 * (value_range[1] - value_range[0])``.
        """
        factor = max(1, math.ceil(max(frame.data.shape) / MAX_PREVIEW_PX))
        low, high = self._contrast()
        start = low - _MARGIN_BELOW * (high - low)
        end = high + _MARGIN_ABOVE * (high - low)
        image = block_mean(frame.data, factor)
        image = np.nan_to_num(image, nan=start, posinf=end, neginf=start)
        scaled = np.clip((image - start) * (255.0 / (end - start)), 0, 255)
        return np.rint(scaled).astype(np.uint8), {
            "frame": int(frame.index),
            "time_s": float(frame.time_s),
            "frame_shape": [int(edge) for edge in frame.data.shape],
            "affine": [[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2]],
            "contrast": [255.0 * (level - start) / (end - start) for level in (low, high)],
            "value_range": [start, end],
            "pixel_size_nm": frame.calibration.pixel_size_nm,
        }

    def _contrast(self) -> tuple[float, float]:
        low, high = np.median(np.asarray(self._levels), axis=0)
        return float(low), float(high) if high > low else float(low) + 1.0


def _levels(data: NDArray[Any]) -> tuple[float, float]:
    step = max(1, math.isqrt(data.size // _SAMPLES))
    sample = data[::step, ::step]
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(sample, _PERCENTILES)
    return float(low), float(high)


def block_mean(data: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Means over blocks of `factor` × `factor` pixels; an incomplete last block is left out."""
    rows, columns = (edge // factor * factor for edge in data.shape)
    total = np.zeros((rows // factor, columns // factor), dtype=np.float32)
    for y in range(factor):
        for x in range(factor):
            total += data[y:rows:factor, x:columns:factor]
    total /= factor * factor
    return total
