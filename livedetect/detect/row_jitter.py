"""The displacement of every row of a frame along the scan, undone before sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import FloatArray, IntArray
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.left_out import Box
from livedetect.detect.row_moments import rows_down
from livedetect.detect.warp import Warp

FULL_TURN = 65536
"""Positions within the unit cell are held as 16-bit numbers, which wrap as the cell does."""
LEAST_OF_ROW = 0.2
"""A row of which less is left is not measured."""
LEAST_NOISE = 0.1
"""Share of what the template does not explain that is noise at least."""


class RowJitter:
    """Row displacement of each frame against the template, by maximum likelihood."""

    def __init__(
        self,
        template: PixelTemplate,
        warp: Warp,
        shape: tuple[int, ...],
        kernels: str = COMPILED,
    ) -> None:
        self._template = template
        self._warp = warp
        self._shape = shape
        self._kernels = kernels
        self._table = np.stack([template.value, template.slope])
        self._variance: float | None = None
        self._anchor: FloatArray | None = None
        self._phases: IntArray = np.zeros((2, 0, 0), np.uint16)

    def estimate(
        self,
        frame: FloatArray,
        shift: FloatArray,
        gain: float,
        swing: FloatArray,
        left_out: Sequence[Box] = (),
        smooth: float = 0.0,
    ) -> FloatArray:
        """(H,) displacement of every row along x, px, shrunk towards zero (Wiener).

        `frame` (H, W) is as it was scanned, at a drift that changes by `swing` (x, y) over its
        rows; `gain` is its contrast relative to the template. What is `left_out` is no longer
        this crystal; rows of which little remains stay where they are. `smooth` is the variance
        of the frame that its background makes: no noise, and it hides no displacement.
        """
        moved = self._follow(shift, swing)
        rows, total, pixels = self._terms(frame, moved, left_out)
        seen = pixels > LEAST_OF_ROW * frame.shape[1]
        size = max(int(pixels.sum()), 1)
        energy, with_frame, with_value, slopes = rows.T
        mean = total[0] / size
        information = gain**2 * energy
        score = -gain * (with_frame - mean * slopes - gain * with_value) * seen
        raw = score / np.maximum(information, 1e-12)
        noise = _misfit(total / size, gain)
        noise = max(noise - smooth, LEAST_NOISE * noise)
        error = noise / np.maximum(information, 1e-12)
        if seen.any():
            self._take_in(raw[seen], error[seen])
        spread = self._variance or 0.0
        wiener = spread / np.maximum(spread + error, 1e-12)
        return np.asarray(np.clip(raw * wiener, -2.0, 2.0), np.float32)

    def _terms(
        self, frame: FloatArray, moved: IntArray, left_out: Sequence[Box]
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """Sums (H, 4) of every row, (5,) of the frame, and pixels (H,) they go over."""
        terms = form(self._kernels).row_terms
        rows, total = terms(frame, self._phases, moved, self._table)
        pixels = np.full(len(frame), frame.shape[1])
        for down, along in left_out:
            part = np.ascontiguousarray(frame[down, along])
            phases = np.ascontiguousarray(self._phases[:, down, along])
            sums, whole = terms(part, phases, np.ascontiguousarray(moved[down]), self._table)
            rows[down] -= sums
            total -= whole
            pixels[down] -= part.shape[1]
        return rows, total, pixels

    def _take_in(self, raw: FloatArray, error: FloatArray) -> None:
        """Follow the variance of the rows' displacement."""
        spread = max(0.0, float(np.mean(np.clip(raw, -1.5, 1.5) ** 2) - np.mean(error)))
        if self._variance is None:
            self._variance = spread
        self._variance = 0.8 * self._variance + 0.2 * spread

    @property
    def rms_px(self) -> float:
        """Running rms of the row displacement, px."""
        return float(np.sqrt(self._variance or 0.0))

    def _follow(self, shift: FloatArray, swing: FloatArray) -> IntArray:
        """(H, 2) phases by which the cell has moved since the table of phases was made, by row.

        Half an entry of the template's table is included, so that the nearest one is taken.
        """
        if self._anchor is None or np.abs(shift - self._anchor).max() > self._warp.good_for_px:
            self._anchor = shift.copy()
            cell = np.vstack([self._template.origin, self._template.reciprocal]).astype(float)
            self._phases = self._warp.phases(shift, cell, self._shape)
        moved = shift - self._anchor + swing * rows_down(self._shape[0])[:, None]
        return _sixteen_bits(moved @ self._template.reciprocal.T - 0.5 / self._table.shape[1])


@dataclass(frozen=True, slots=True)
class PixelTemplate:
    """The unit cell as the detector sees it, before any smoothing, as a look-up table."""

    value: FloatArray
    """(n, n) intensity over the cell, zero mean."""
    slope: FloatArray
    """(n, n) derivative along the scan direction x, per px."""
    reciprocal: FloatArray
    """(2, 2) rows b1, b2, cycles per px."""
    origin: FloatArray
    """(x, y) of cell phase zero, sample coordinates, px."""


def _sixteen_bits(turns: FloatArray) -> IntArray:
    """Fractions of a turn, in 65536ths, uint16."""
    return np.asarray(np.round(turns % 1 * FULL_TURN).astype(np.int32).astype(np.uint16))


def _misfit(mean: FloatArray, gain: float) -> float:
    """Variance of frame - gain x value from the means of f, f f, v, v v, f v."""
    difference = mean[0] - gain * mean[2]
    square = mean[1] - 2 * gain * mean[4] + gain**2 * mean[3]
    return float(square - difference**2)
