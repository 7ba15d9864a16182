"""Normalised correlation of two images of which parts are unknown (Padfield 2012)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import fft

from livedetect.detect.arrays import BoolArray, FloatArray

FEWEST_PX = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """For every translation (x, y) of the second image over the first, wrapped."""

    value: FloatArray
    """(h, w) coefficient of correlation; negative translations stand at the end."""
    overlap: FloatArray
    """(h, w) pixels that both know."""

    def peaks(self, least_overlap: float, apart_px: float, count: int) -> Iterator[FloatArray]:
        """The most significant translations (x, y), each at a distance from the others."""
        judged = self.overlap >= max(least_overlap, FEWEST_PX)
        strength = np.where(judged, self.value * np.sqrt(np.maximum(self.overlap, 0)), -np.inf)
        for _ in range(count):
            row, col = np.unravel_index(strength.argmax(), strength.shape)
            if not strength[row, col] > 0:
                return
            place = self._unwrapped(np.array([float(col), float(row)]))
            yield place
            strength = np.where(self._distance(place) < apart_px, -np.inf, strength)

    def best_near(self, place: FloatArray, radius: float) -> FloatArray:
        """(2,) highest value within `radius` of a translation (x, y), to a fraction of a pixel."""
        near = (self._distance(place) <= radius) & (self.overlap >= FEWEST_PX)
        if not near.any():
            return place
        row, col = np.unravel_index(np.where(near, self.value, -np.inf).argmax(), near.shape)
        best = np.array([float(col), float(row)])
        best += [_vertex(self.value[row], int(col)), _vertex(self.value[:, col], int(row))]
        size = np.array(self.value.shape[::-1])
        return np.asarray(best + np.round((place - best) / size) * size)

    def overlap_at(self, place: FloatArray) -> float:
        """Pixels that both know at a translation (x, y)."""
        height, width = self.value.shape
        return float(self.overlap[round(float(place[1])) % height, round(float(place[0])) % width])

    def _unwrapped(self, place: FloatArray) -> FloatArray:
        """Translation (x, y) of least length; the padding leaves no doubt."""
        size = np.array(self.value.shape[::-1], float)
        return np.asarray((place + size / 2) % size - size / 2)

    def _distance(self, place: FloatArray) -> FloatArray:
        height, width = self.value.shape
        dy = (np.arange(height) - place[1] + height / 2) % height - height / 2
        dx = (np.arange(width) - place[0] + width / 2) % width - width / 2
        return np.asarray(np.hypot(dx[None, :], dy[:, None]))


def correlated(
    first: tuple[FloatArray, BoolArray], second: tuple[FloatArray, BoolArray]
) -> Correlation:
    """Correlate images (h, w), each with the mask of what is known of it."""
    # padded to twice the larger one, so that translations of either sign stay apart
    largest = np.maximum(first[0].shape, second[0].shape)
    shape = [fft.next_fast_len(2 * int(size), real=True) for size in largest]

    def transformed(values: FloatArray) -> FloatArray:
        return np.asarray(fft.rfft2(values, shape))

    def summed(one: FloatArray, other: FloatArray) -> FloatArray:
        return np.asarray(fft.irfft2(one * np.conj(other), shape))

    a, mask_a = first[0] * first[1], first[1].astype(float)
    b, mask_b = second[0] * second[1], second[1].astype(float)
    fa, fma, fa2 = transformed(a), transformed(mask_a), transformed(a**2)
    fb, fmb, fb2 = transformed(b), transformed(mask_b), transformed(b**2)
    count = np.round(summed(fma, fmb))
    n = np.maximum(count, 1.0)
    sum_a, sum_b = summed(fa, fmb), summed(fma, fb)
    covariance = summed(fa, fb) - sum_a * sum_b / n
    scatter = (summed(fa2, fmb) - sum_a**2 / n) * (summed(fma, fb2) - sum_b**2 / n)
    scale = np.sqrt(np.maximum(scatter, 0))
    floor = 1e-6 * max(float(scale.max()), 1e-12)
    value = np.where(scale > floor, covariance / np.maximum(scale, floor), 0.0)
    return Correlation(value=value, overlap=count)


def _vertex(line: FloatArray, index: int) -> float:
    """Offset of a maximum from sample `index` of a periodic line, by a parabola."""
    left, middle, right = (float(line[(index + step) % len(line)]) for step in (-1, 0, 1))
    curvature = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)) if curvature < 0 else 0.0
