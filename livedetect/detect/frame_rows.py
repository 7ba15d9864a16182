"""A frame in single precision and what its rows are like: read once, used by every check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import FloatArray
from livedetect.detect.kernels import COMPILED, form

PARTS = 4
"""Of a frame, along either axis, whose sharpness is told apart."""
SOME_ROWS = (0, 5, 11, 14)
"""Of 16 rows: at uneven steps, as every fourth one would meet some lattices in one phase only."""
NO_NOISE = 3.0
"""Standard errors from which on the covariance of a part is more than its noise."""
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

    def sharpness_of_parts(self) -> FloatArray:
        """(16,) the same of parts of the frame, each about its own mean; NaN where it is noise.

        From a quarter of the rows.
        """
        height, width = (length // PARTS for length in self.image.shape)
        parts = self.image[: PARTS * height, : PARTS * width].reshape(PARTS, height, PARTS, width)
        parts = parts[:, np.isin(np.arange(height) % 16, SOME_ROWS)]
        mean = parts.mean(axis=(1, 3), keepdims=True)
        off = parts - mean
        pixels = parts.shape[1] * width
        variance = np.einsum("prqx,prqx->pq", off, off) / pixels
        near = np.einsum("prqx,prqx->pq", off[..., 1:], off[..., :-1])
        covariance = near / (parts.shape[1] * (width - 1))
        level = mean[:, 0, :, 0] ** 2 + 0.25 * variance
        told = covariance > NO_NOISE * variance / np.sqrt(pixels)
        return np.where(told, covariance / np.where(told, level, 1.0), np.nan).ravel()
