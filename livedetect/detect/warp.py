"""Static distortion of the lattice: of the scan field, or of the specimen.

Which of the two it is shows only when the specimen drifts: a distortion of the scan stays
with the frame, strain stays with the specimen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from scipy import ndimage
from skimage import restoration

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.kernels.maps import Placement
from livedetect.detect.lattice import Lattice
from livedetect.detect.moved import moved_back

WARP_BLOCK_PX = 4
SMOOTHING_CELLS = 1.6
USED_REFLECTIONS = 4
NOTABLE_PX = 0.1
"""A warp smaller than this (rms) is left alone."""
ENOUGH_EVIDENCE_PX2 = 0.1
"""Mean squared difference between the two hypotheses, summed over the frames compared."""
LARGEST = 0.6
"""Lattice constants that the warp may reach."""
UNWRAPPED = 2.5
"""Phases that stay below this cannot have been wrapped."""
TYPICAL = 0.75
"""Quantile of the local amplitude that stands for this crystal, if it fills half the field."""
TRUSTED = 0.35
"""Below this share of it there is another crystal, or none, whose phase means nothing."""
EDGE_BLOCKS = 10
"""The local phase is not trusted closer to the edge."""


class Warp:
    """Displacement u of the lattice, from its local phase during warm-up.

    In sample coordinates at first; `settle` decides whether it belongs to the scan.
    """

    def __init__(
        self, field_px: FloatArray, reference: FloatArray, kernels: str = COMPILED
    ) -> None:
        self._kernels = kernels
        self.scan_fixed = False
        """True once the distortion has been seen to stay with the frame."""
        self._reference = reference  # mean drift of the frames that gave the field
        self._rms_px: float | None = None
        self._evidence = 0.0
        self._for_the_scan = 0.0
        self._field = np.ascontiguousarray(
            field_px, np.float32
        )  # (2, H / block, W / block) as (x, y)

    @classmethod
    def from_frames(
        cls,
        frames: Sequence[FloatArray],
        shifts: FloatArray,
        lattice: Lattice,
        kernels: str = COMPILED,
    ) -> Warp:
        """Geometric phase analysis (Hÿtch et al. 1998) of the registered mean of frames.

        Parameters
        ----------
        frames : (H, W) float32.
        shifts : (frames, 2) drift (x, y), px.
        """
        mean = _registered_mean(frames, shifts)
        flat = mean - ndimage.gaussian_filter(mean, 1.5 * lattice.constant_px)
        vectors = lattice.wavevectors[:USED_REFLECTIONS]
        vectors = vectors[np.argsort(np.hypot(*vectors.T))]
        field = np.zeros((2, mean.shape[0] // WARP_BLOCK_PX, mean.shape[1] // WARP_BLOCK_PX))
        # the longest periods first: short ones are ambiguous until most of the warp is known
        for count in (2, 3, USED_REFLECTIONS, USED_REFLECTIONS):
            if np.linalg.matrix_rank(vectors[:count], tol=1e-3) == 2:
                field = field + _remaining(flat, vectors[:count], field, lattice.constant_px)
        limit = LARGEST * lattice.constant_px
        return cls(np.clip(field, -limit, limit), np.mean(shifts, axis=0), kernels)

    @property
    def rms_px(self) -> float:
        """Root mean square length of the displacement, px."""
        if self._rms_px is None:  # the field never changes
            self._rms_px = float(np.sqrt((self._field**2).sum(axis=0).mean()))
        return self._rms_px

    def settle(self, latest: Warp, shift: FloatArray) -> None:
        """Compare with the displacement `latest` of a frame drifted by `shift` (x, y).

        What the latest frame shows beyond the warm-up's displacement is projected on what
        it would show if the displacement had stayed with the frame.
        """
        rows, cols = np.indices(self._field.shape[1:]) * WARP_BLOCK_PX
        moved = shift - self._reference
        of_the_scan = np.stack(self._read(cols + moved[0], rows + moved[1]))
        inside = slice(EDGE_BLOCKS, -EDGE_BLOCKS)
        difference = (of_the_scan - self._field)[:, inside, inside]
        found = (latest._field - self._field)[:, inside, inside]
        if not difference.size:
            return
        self._evidence += float((difference**2).mean())
        self._for_the_scan += float((found * difference).mean())
        if self._evidence >= ENOUGH_EVIDENCE_PX2:
            self.scan_fixed = self._for_the_scan > 0.5 * self._evidence

    @property
    def undecided(self) -> bool:
        """True while it may still turn out to belong to the scan."""
        return self._evidence < ENOUGH_EVIDENCE_PX2 and self.rms_px >= NOTABLE_PX

    def at(self, x: FloatArray, y: FloatArray, shift: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Displacement (x, y) at sample positions in a frame of drift `shift`, px."""
        if self.scan_fixed:
            moved = shift - self._reference
            return self._read(x + moved[0], y + moved[1])
        return self._read(x, y)

    def place(self, positions: FloatArray, shift: FloatArray) -> FloatArray:
        """Frame pixels (n, 2) of sample positions (n, 2) in a frame of drift `shift`."""
        to = self.placement(shift)
        return form(self._kernels).place(positions, to.field, to.block_px, to.moved, to.shift)

    def placement(self, shift: FloatArray) -> Placement:
        """From sample positions to pixels of a frame of drift `shift`."""
        moved = shift - self._reference if self.scan_fixed else np.zeros(2)
        return Placement(field=self._field, block_px=WARP_BLOCK_PX, moved=moved, shift=shift)

    def phases(self, shift: FloatArray, cell: FloatArray, shape: tuple[int, ...]) -> IntArray:
        """(2, H, W) uint16 place of every pixel in the cell; `cell` as in `plain.phases`."""
        moved = shift - self._reference if self.scan_fixed else np.zeros(2)
        out = cast("IntArray", np.empty((2, *shape), np.uint16))
        views = np.array([moved, shift], float)
        form(self._kernels).phases(self._field, WARP_BLOCK_PX, views, cell, out)
        return out

    def _read(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Interpolate; constant beyond the edges."""
        rows, cols = (y + 0.5) / WARP_BLOCK_PX - 0.5, (x + 0.5) / WARP_BLOCK_PX - 0.5
        ux, uy = form(self._kernels).interpolate(self._field, rows, cols)
        return ux, uy


def _registered_mean(frames: Sequence[FloatArray], shifts: FloatArray) -> FloatArray:
    """Mean of frames moved back by their drift, (H, W); edges mirrored."""
    total = np.zeros(frames[0].shape)
    for frame, shift in zip(frames, shifts, strict=True):
        total += moved_back(frame, shift, "mirror")
    return total / len(frames)


def _remaining(
    flat: FloatArray, vectors: FloatArray, field: FloatArray, period_px: float
) -> FloatArray:
    """(2, H / block, W / block) displacement not yet in `field`, from the local phases."""
    height, width = flat.shape
    y, x = np.ogrid[:height, :width]
    phases, weights = [], []
    for vector in vectors:
        along_x = np.exp(-2j * np.pi * vector[0] * (x - width / 2))
        along_y = np.exp(-2j * np.pi * vector[1] * (y - height / 2))
        local = _block_mean(flat * along_y * along_x)
        local = local * np.exp(2j * np.pi * np.tensordot(vector, field, 1))
        local = _smooth_complex(local, SMOOTHING_CELLS * period_px / WARP_BLOCK_PX)
        local = local * np.exp(-1j * np.angle(local.sum()))
        strength = np.minimum(np.abs(local) / np.quantile(np.abs(local), TYPICAL), 1.5)
        trusted = strength > TRUSTED
        phases.append(_continuous(np.angle(local), trusted))
        weights.append(np.where(trusted, strength, 0) ** 2)
    return _displacement(vectors, np.array(phases), np.array(weights))


def _continuous(phase: FloatArray, trusted: BoolArray) -> FloatArray:
    """Phase (H, W) without jumps of 2 pi, nearest to zero as a whole; 0 where not trusted.

    Unwrapped along the most reliable paths first (Herráez et al. 2002).
    """
    if np.abs(phase[trusted]).max(initial=0) < UNWRAPPED:
        return np.where(trusted, phase, 0)
    masked = restoration.unwrap_phase(np.ma.array(phase, mask=~trusted), rng=0)
    unwrapped = np.ma.getdata(masked)
    turns = np.round(np.median(unwrapped[trusted]) / (2 * np.pi))
    return np.where(trusted, unwrapped - 2 * np.pi * turns, 0)


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


def _block_mean(image: FloatArray) -> FloatArray:
    b = WARP_BLOCK_PX
    height, width = image.shape
    cut = image[: height // b * b, : width // b * b]
    return np.asarray(cut.reshape(height // b, b, width // b, b).mean(axis=(1, 3)))
