"""A frame in single precision and what its rows are like: read once, used by every check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import FloatArray
from livedetect.detect.kernels import COMPILED, form

PARTS = 4
"""Of a frame, along either axis, whose sharpness is told apart."""
MEASURABLE = 25.0
"""In standard errors of its own noise: a fainter contrast says nothing of the sharpness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRows:
    """One frame and its rows' statistics."""

    image: FloatArray
    """(H, W) float32, a copy."""
    low: FloatArray
    """(H,) lowest value."""
    high: FloatArray
    """(H,) highest value."""
    mean: FloatArray
    """(H,)."""
    square: FloatArray
    """(H,) sum of squares about the mean."""
    product: FloatArray
    """(H,) sum of products of horizontal neighbours about the mean."""
    ends: FloatArray
    """(2, H) first and last pixel about the mean."""
    at_top: FloatArray
    """(H,) pixels that have the highest value of their row."""

    @classmethod
    def of(cls, data: FloatArray, kernels: str = COMPILED) -> FrameRows:
        """Read a frame (H, W) of real numbers; what single precision cannot hold is infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            image = np.array(data, np.float32, order="C")
            low, high, mean, square, product, *ends, top = form(kernels).row_statistics(image).T
        return cls(
            image=image,
            low=low,
            high=high,
            mean=mean,
            square=square,
            product=product,
            ends=np.stack(ends),
            at_top=top,
        )

    @property
    def scatter(self) -> FloatArray:
        """(H,) standard deviation of each row."""
        return np.asarray(np.sqrt(self.square / self.image.shape[1]))

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value of the frame."""
        return float(self.low.min()), float(self.high.max())

    def sharpness(self) -> float:
        """Covariance of horizontal neighbours over the squared level, of every other row.

        The level is the mean, with half the scatter where a detector has its zero anywhere;
        a choice between the two would jump where they are alike, as in counts of one electron
        in four pixels. 0 where the noise leaves nothing of the covariance.
        """
        width, rows = self.image.shape[1], slice(None, None, 2)
        usual = self.mean[rows]
        mean = float(usual.mean())
        off = usual - mean
        product = self.product[rows] - off * self.ends[:, rows].sum(axis=0)
        covariance = float((product + (width - 1) * off**2).mean()) / (width - 1)
        variance = float((self.square[rows] + width * off**2).mean()) / width
        if covariance < MEASURABLE * variance / np.sqrt(width * len(usual)):
            return 0.0
        return float(covariance / (mean**2 + 0.25 * variance))

    def sharpness_of_parts(self, rows_apart: int = 1) -> FloatArray:
        """(16,) the same of parts of the frame, each about its own mean; NaN where it is none.

        One row in `rows_apart` is read.
        """
        height, width = (length // PARTS for length in self.image.shape)
        rows = self.image[: PARTS * height : rows_apart, : PARTS * width]
        rows = rows[: len(rows) // PARTS * PARTS].reshape(PARTS, -1, PARTS, width)
        mean = rows.mean(axis=(1, 3), keepdims=True)
        off = rows - mean
        near = np.einsum("prqx,prqx->pq", off[..., 1:], off[..., :-1])
        covariance = near / (rows.shape[1] * (width - 1))
        variance = np.einsum("prqx,prqx->pq", off, off) / (rows.shape[1] * width)
        told = (covariance > 0).ravel()
        level = mean[:, 0, :, 0] ** 2 + 0.25 * variance
        return np.where(told, covariance.ravel() / np.where(told, level.ravel(), 1.0), np.nan)
