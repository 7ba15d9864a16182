"""Static distortion of the lattice: of the scan field, or of the specimen.

Which of the two it is shows only when the specimen drifts: a distortion of the scan stays
with the frame, strain stays with the specimen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import FloatArray
from livedetect.detect.lattice import Lattice

WARP_BLOCK_PX = 4
TELLING_DRIFT_PX = 3.0
"""Drift from which on a distortion of the scan can be told from strain."""
NOTABLE_PX = 0.1
TESTS = 4


class Warp:
    """Displacement u of the lattice, from its local phase during warm-up.

    In sample coordinates at first; `settle` decides whether it belongs to the scan.
    """

    def __init__(self, field_px: FloatArray) -> None:
        self.scan_fixed = False
        """True once the distortion has been seen to stay with the frame."""
        self._evidence: list[float] = []
        self._field = np.ascontiguousarray(
            field_px, np.float32
        )  # (2, H / block, W / block) as (x, y)

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Warp:
        """No distortion."""
        return cls(np.zeros((2, shape[0] // WARP_BLOCK_PX, shape[1] // WARP_BLOCK_PX)))

    @classmethod
    def from_mean(cls, mean: FloatArray, lattice: Lattice) -> Warp:
        """Geometric phase analysis (Hÿtch et al. 1998) of a registered mean (H, W)."""
        period = lattice.constant_px
        flat = mean - ndimage.gaussian_filter(mean, 1.5 * period)
        height, width = mean.shape
        y, x = np.ogrid[:height, :width]
        vectors = lattice.wavevectors[:4]
        phases, weights = [], []
        for vector in vectors:
            wave = np.exp(
                -2j * np.pi * (vector[0] * (x - width / 2) + vector[1] * (y - height / 2))
            )
            local = _smooth_complex(flat * wave, 1.6 * period)
            local = local * np.exp(-1j * np.angle(local.sum()))
            phases.append(np.angle(local))
            weights.append(np.minimum(np.abs(local) / np.abs(local).mean(), 1.5) ** 2)
        field = _displacement(vectors, np.array(phases), np.array(weights))
        limit = 0.3 * period
        return cls(_block_mean(np.clip(field, -limit, limit)))

    @property
    def rms_px(self) -> float:
        """Root mean square length of the displacement, px."""
        return float(np.sqrt((self._field**2).sum(axis=0).mean()))

    def settle(self, latest: Warp, shift: FloatArray) -> None:
        """Compare with the displacement `latest` of a frame drifted by `shift` (x, y)."""
        if len(self._evidence) >= TESTS or self.rms_px < NOTABLE_PX:
            return
        if np.hypot(*shift) < TELLING_DRIFT_PX:
            return
        rows, cols = np.indices(self._field.shape[1:]) * WARP_BLOCK_PX
        of_the_scan = np.stack(self._read(cols + shift[0], rows + shift[1]))
        inside = slice(4, -4)
        errors = [
            float(((latest._field - model) ** 2)[:, inside, inside].mean())
            for model in (self._field, of_the_scan)
        ]
        self._evidence.append(errors[0] - errors[1])
        if len(self._evidence) == TESTS:
            self.scan_fixed = float(np.mean(self._evidence)) > 0

    @property
    def undecided(self) -> bool:
        """True while it may still turn out to belong to the scan."""
        return self.rms_px >= NOTABLE_PX and len(self._evidence) < TESTS

    def at(self, x: FloatArray, y: FloatArray, shift: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Displacement (x, y) at sample positions in a frame of drift `shift`, px."""
        if self.scan_fixed:
            return self._read(x + shift[0], y + shift[1])
        return self._read(x, y)

    def _read(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Interpolate; constant beyond the edges."""
        scale = [(y + 0.5) / WARP_BLOCK_PX - 0.5, (x + 0.5) / WARP_BLOCK_PX - 0.5]
        ux, uy = (
            ndimage.map_coordinates(component, scale, order=1, mode="nearest")
            for component in self._field
        )
        return ux, uy


def registered_mean(frames: Sequence[FloatArray], shifts: FloatArray) -> FloatArray:
    """Mean of frames moved back by their drift, (H, W); edges mirrored."""
    total = np.zeros(frames[0].shape)
    for frame, (dx, dy) in zip(frames, shifts, strict=True):
        total += ndimage.shift(frame, (-dy, -dx), order=1, mode="mirror")
    return total / len(frames)


def _smooth_complex(values: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(
        ndimage.gaussian_filter(values.real, sigma)
        + 1j * ndimage.gaussian_filter(values.imag, sigma)
    )


def _displacement(vectors: FloatArray, phases: FloatArray, weights: FloatArray) -> FloatArray:
    """Solve phase = -2 pi g.u per pixel in weighted least squares, (2, H, W)."""
    normal = np.einsum("kyx,ki,kj->yxij", weights, vectors, vectors)
    right = -np.einsum("kyx,ki,kyx->yxi", weights, vectors, phases) / (2 * np.pi)
    ridge = 1e-3 * np.abs(vectors).max() ** 2 * np.eye(2)
    return np.moveaxis(np.linalg.solve(normal + ridge, right[..., None])[..., 0], -1, 0)


def _block_mean(field: FloatArray) -> FloatArray:
    b = WARP_BLOCK_PX
    _, height, width = field.shape
    cut = field[:, : height // b * b, : width // b * b]
    return np.asarray(cut.reshape(2, height // b, b, width // b, b).mean(axis=(2, 4)))
