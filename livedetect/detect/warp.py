"""Static distortion of the lattice: of the scan field, or of the specimen.

What is whose shows only when the specimen drifts: a distortion of the scan stays with the
frame, strain stays with the specimen.
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
from livedetect.detect.scan_distortion import ScanDistortion

WARP_BLOCK_PX = 4
SMOOTHING_CELLS = 1.6
BROAD_CELLS = 1.5
"""What is smoother than this is no lattice."""
FINEST = 4
"""Blocks for each lattice constant are enough for a field that is smoothed over more than one."""
USED_REFLECTIONS = 4
NOTABLE_PX = 0.1
"""A warp smaller than this (rms) is left alone."""
STALE_PX = 0.1
"""By so much a field read for another drift may be wrong."""
STEEP = 0.9
"""Quantile of the strain that decides."""
WARP_STEP_PX = 1.0
"""Drift after which the scan's part of a distortion is read anew."""
LOOK_STEP_PX = 0.8
"""Nearer to a drift that has been looked at, a frame tells nothing new."""
LOOK_STEP = 0.05
"""Or within this share of the drift so far."""
MOST_LOOKS = 200
LARGEST = 2.0
"""Lattice constants that the warp may reach."""
UNWRAPPED = 2.5
"""Phases that stay below this cannot have been wrapped."""
TYPICAL = 0.75
"""Quantile of the local amplitude that stands for this crystal, if it fills half the field."""
TRUSTED = 0.35
"""Below this share of it there is another crystal, or none, whose phase means nothing."""
EDGE_PX = 40
"""The local phase is not trusted closer to the edge."""
APART = 2.0
"""Widths of the smoothing, nearer than which another crystal makes a displacement uncertain."""
LARGEST_STRAIN = 0.15
"""No scan and no specimen distorts a lattice more; the phase of another crystal does."""
LEAST_PATCH = 0.02
"""Of the field, that must hang together to say how this crystal is distorted."""
UNLIKELY_PX = 1.0
"""By how much a frame cannot differ from the warm-up: where it does, its phase is wrong."""


class Warp:
    """Displacement u of the lattice, from its local phase during warm-up.

    In sample coordinates at first; `settle` learns what of it belongs to the scan.
    """

    def __init__(
        self,
        field_px: FloatArray,
        reference: FloatArray,
        smoothed: float,
        kernels: str = COMPILED,
        elsewhere: BoolArray | None = None,
    ) -> None:
        """From a field (2, h, w) smoothed over so many blocks, which means nothing `elsewhere`."""
        self._kernels = kernels
        self._reference = reference  # mean drift of the frames that gave the field
        self._rms_px: float | None = None
        self._good_for_px: float | None = None
        # (2, H / block, W / block) as (x, y)
        self._field = np.ascontiguousarray(field_px, np.float32)
        independent = self._field[0].size / (4 * np.pi * smoothed**2)
        self._scan = ScanDistortion(self._field, WARP_BLOCK_PX, independent)
        self._looked = np.asarray(reference, float)[None]  # drifts (n, 2) at which it was tried
        self._now = self._field
        self._placed_for: FloatArray | None = None
        none = np.zeros(self._field.shape[1:], bool)
        self._elsewhere = none if elsewhere is None else elsewhere
        self._apart = _apart_from(self._elsewhere, APART * smoothed)

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
        vectors = lattice.wavevectors[:USED_REFLECTIONS]
        vectors = vectors[np.argsort(np.hypot(*vectors.T))]
        block = _block_px(lattice.constant_px)
        waves = _local_waves(mean, vectors, block, lattice.constant_px)
        sigma = SMOOTHING_CELLS * lattice.constant_px / block
        field = np.zeros((2, *waves.shape[1:]), np.float32)
        trusted = np.ones(waves.shape, bool)
        # the longest periods first: short ones are ambiguous until most of the warp is known
        for count in (2, 3, USED_REFLECTIONS, USED_REFLECTIONS):
            if np.linalg.matrix_rank(vectors[:count], tol=1e-3) == 2:
                step, trusted = _remaining(waves[:count], vectors[:count], field, sigma)
                field = field + step
        sound = _sound(field / block, vectors, trusted)
        field = _on_blocks(_extended(field, sound, sigma), block, mean.shape)
        limit = LARGEST * lattice.constant_px
        elsewhere = _on_blocks(_large(~sound)[None].astype(np.float32), block, mean.shape)[0]
        field, reference = np.clip(field, -limit, limit), np.mean(shifts, axis=0)
        smoothed = sigma * block / WARP_BLOCK_PX
        return cls(field, reference, smoothed, kernels, elsewhere > 0.5)

    @property
    def rms_px(self) -> float:
        """Root mean square length of the displacement, px."""
        if self._rms_px is None:  # the field never changes
            self._rms_px = float(np.sqrt((self._field**2).sum(axis=0).mean()))
        return self._rms_px

    @property
    def good_for_px(self) -> float:
        """Drift for which pixels need not be placed anew, px; less where the field is steep.

        What stays with the scan is taken to move with the specimen, too: anew too often.
        """
        if self._good_for_px is None:  # the field never changes
            steep = float(np.quantile(_strain(self._field), STEEP)) / WARP_BLOCK_PX
            self._good_for_px = min(float(WARP_BLOCK_PX), STALE_PX / max(steep, 1e-6))
        return self._good_for_px

    def settle(self, latest: Warp, shift: FloatArray) -> None:
        """Learn from the displacement `latest` of a frame drifted by `shift` (x, y).

        What it shows beyond the warm-up's displacement tells what of that stays with the frame.
        """
        self._looked = np.vstack([self._looked, shift])
        moved = shift - self._reference
        change = latest._field - self._field
        rows, cols = (np.arange(length) * WARP_BLOCK_PX for length in change.shape[1:])
        inside = np.outer(_well_inside(rows, moved[1]), _well_inside(cols, moved[0]))
        apart = inside & self._apart & latest._apart
        if apart.any():
            # frames are moved back by whole px: what is left over moves all places alike
            change = change - np.median(change[:, apart], axis=1)[:, None, None]
        telling = apart & (np.hypot(*change) < UNLIKELY_PX)
        self._scan.take_in(change, moved, telling, float(telling.sum() / max(inside.sum(), 1)))
        self._placed_for = None

    def calls_for_a_look(self, shift: FloatArray) -> bool:
        """Whether a frame drifted by `shift` (x, y) would tell more of what stays with the scan."""
        if self.rms_px < NOTABLE_PX or len(self._looked) >= MOST_LOOKS:
            return False
        away = np.hypot(*(self._looked - shift).T).min()
        return bool(away > max(LOOK_STEP_PX, LOOK_STEP * np.hypot(*(shift - self._reference))))

    @property
    def scan_fixed(self) -> bool:
        """True once some of the distortion has been seen to stay with the frame."""
        return self._scan.trusted

    @property
    def undecided(self) -> bool:
        """True while it may still turn out to belong to the scan."""
        return not self.scan_fixed and self.rms_px >= NOTABLE_PX

    def at(self, x: FloatArray, y: FloatArray, shift: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Displacement (x, y) at sample positions in a frame of drift `shift`, px."""
        rows, cols = (y + 0.5) / WARP_BLOCK_PX - 0.5, (x + 0.5) / WARP_BLOCK_PX - 0.5
        ux, uy = form(self._kernels).interpolate(self._field_at(shift), rows, cols)
        return ux, uy

    def _field_at(self, shift: FloatArray) -> FloatArray:
        """(2, h, w) displacement in a frame of drift `shift`, or of one not far from it."""
        if not self.scan_fixed:
            return self._field
        if self._placed_for is None or np.abs(shift - self._placed_for).max() > WARP_STEP_PX:
            self._now = self._field + self._scan.change(shift - self._reference)
            self._placed_for = shift.copy()
        return self._now

    def is_elsewhere(self, positions: FloatArray) -> BoolArray:
        """(n,) sample positions (n, 2), px, that lay in another crystal, or none, at first."""
        last = np.array(self._elsewhere.shape[::-1]) - 1
        x, y = np.clip((positions // WARP_BLOCK_PX).astype(np.int64), 0, last).T
        return np.asarray(self._elsewhere[y, x])

    def place(self, positions: FloatArray, shift: FloatArray) -> FloatArray:
        """Frame pixels (n, 2) of sample positions (n, 2) in a frame of drift `shift`."""
        to = self.placement(shift)
        return form(self._kernels).place(positions, to.field, to.block_px, to.shift)

    def placement(self, shift: FloatArray) -> Placement:
        """From sample positions to pixels of a frame of drift `shift`."""
        return Placement(field=self._field_at(shift), block_px=WARP_BLOCK_PX, shift=shift)

    def phases(self, shift: FloatArray, cell: FloatArray, shape: tuple[int, ...]) -> IntArray:
        """(2, H, W) uint16 place of every pixel in the cell; `cell` as in `plain.phases`."""
        out = cast("IntArray", np.empty((2, *shape), np.uint16))
        field, at = self._field_at(shift), np.asarray(shift, float)
        form(self._kernels).phases(field, WARP_BLOCK_PX, at, cell, out)
        return out


def _apart_from(elsewhere: BoolArray, blocks: float) -> BoolArray:
    """(h, w) blocks farther than `blocks` from any that is `elsewhere` (h, w)."""
    if not elsewhere.any():
        return ~elsewhere
    return np.asarray(ndimage.distance_transform_edt(~elsewhere) > blocks)


def _well_inside(places: FloatArray, moved: float) -> BoolArray:
    """(n,) blocks that began at `places` (n,), px, and lie away from the edges then and now."""
    last = places[-1] - EDGE_PX
    now = places + moved
    return np.asarray((places >= EDGE_PX) & (places <= last) & (now >= EDGE_PX) & (now <= last))


def _registered_mean(frames: Sequence[FloatArray], shifts: FloatArray) -> FloatArray:
    """Mean of frames moved back by their drift in whole px, (H, W); edges mirrored.

    What is left over moves all phases of a frame alike, and of their mean.
    """
    total = np.zeros(frames[0].shape, np.float32)
    for frame, shift in zip(frames, shifts, strict=True):
        moved = frame
        for axis, by in zip((1, 0), np.round(shift).astype(int).tolist(), strict=True):
            if by:
                moved = moved.take(_mirrored(frame.shape[axis], by), axis=axis)
        total += moved
    total /= len(frames)
    return total


def _mirrored(length: int, by: int) -> IntArray:
    """(length,) places that lie `by` further on, mirrored at both ends."""
    places = np.abs(np.arange(by, length + by)) % (2 * length - 2)
    return np.asarray(np.minimum(places, 2 * length - 2 - places))


def _block_px(period_px: float) -> int:
    """Edge of the blocks on which local phases are found: some for each lattice constant."""
    larger = np.log2(max(period_px / (FINEST * WARP_BLOCK_PX), 1.0))
    return WARP_BLOCK_PX << int(larger)


def _local_waves(mean: FloatArray, vectors: FloatArray, block: int, period_px: float) -> FloatArray:
    """(n, H / block, W / block) complex amplitude of waves (n, 2) in every block of (H, W).

    Less what is broader than a cell, which is as good as constant within a block.
    """
    height, width = mean.shape
    rows, cols = height // block, width // block
    cut = mean[: rows * block, : cols * block].reshape(rows, block, -1)
    within = np.arange(block)
    means = np.full(block, 1 / block, np.float32) @ cut
    means = means.reshape(rows, cols, block).mean(axis=-1)
    broad = ndimage.gaussian_filter(means, BROAD_CELLS * period_px / block)
    waves = []
    for gx, gy in vectors.tolist():
        down, across = (np.exp(-2j * np.pi * g * within) / block for g in (gy, gx))
        lines = np.stack([down.real, down.imag]).astype(np.float32) @ cut
        line = lines[:, 0] + np.complex64(1j) * lines[:, 1]
        local = (line.reshape(-1, block) @ across.astype(np.complex64)).reshape(rows, cols)
        local -= broad * np.complex64(down.sum() * across.sum())
        local *= np.exp(-2j * np.pi * gy * (block * np.arange(rows) - height / 2))[:, None]
        local *= np.exp(-2j * np.pi * gx * (block * np.arange(cols) - width / 2))
        waves.append(local)
    return np.stack(waves)


def _on_blocks(field: FloatArray, block: int, shape: tuple[int, ...]) -> FloatArray:
    """A field (n, ...) on larger blocks, interpolated to those of `WARP_BLOCK_PX`."""
    if block == WARP_BLOCK_PX:
        return field
    rows, cols = (
        ((np.arange(length // WARP_BLOCK_PX) + 0.5) * WARP_BLOCK_PX / block - 0.5)
        for length in shape
    )
    at = np.meshgrid(rows, cols, indexing="ij")
    return np.stack([ndimage.map_coordinates(p, at, order=1, mode="nearest") for p in field])


def _remaining(
    waves: FloatArray, vectors: FloatArray, field: FloatArray, sigma: float
) -> tuple[FloatArray, BoolArray]:
    """Displacement (2, h, w) not yet in `field`, from the local `waves` (n, h, w).

    And where each wave is strong enough to be this crystal's, (n, h, w).
    """
    phases, weights = [], []
    for wave, vector in zip(waves, vectors.astype(np.float32), strict=True):
        known = vector[0] * field[0] + vector[1] * field[1]
        local = wave * np.exp(np.complex64(2j * np.pi) * known)
        local = _smooth_complex(local, sigma)
        local *= np.exp(-1j * np.angle(local.sum()))
        strength = np.abs(local)
        strength = np.minimum(strength / np.quantile(strength, TYPICAL), 1.5)
        trusted = strength > TRUSTED
        phases.append(_continuous(np.angle(local), trusted))
        weights.append(np.where(trusted, strength, 0) ** 2)
    found = np.array(weights)
    return _displacement(vectors, np.array(phases), found), found > 0


def _sound(field: FloatArray, vectors: FloatArray, trusted: BoolArray) -> BoolArray:
    """(h, w) blocks whose displacement is this crystal's, in a `field` (2, h, w) in blocks.

    Two reflections at least must be `trusted` (n, h, w) there, which for `vectors` (n, 2) on one
    line are not two. Beyond a grain boundary the other lattice leaks into the reflections and
    its phases jump.
    """
    unit = vectors / np.hypot(*vectors.T)[:, None]
    x, y = unit.T
    xx, xy, yy = (np.tensordot(g, trusted.astype(float), 1) for g in (x * x, x * y, y * y))
    sound = (xx * yy - xy**2 > 1e-2) & (_strain(field) < LARGEST_STRAIN)
    return _large(sound)


def _large(mask: BoolArray) -> BoolArray:
    """The parts of a mask (h, w) that are no specks."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= LEAST_PATCH * mask.size)[labels])


def _strain(field: FloatArray) -> FloatArray:
    """(h, w) root of the sum of squares of all derivatives of (2, h, w)."""
    slopes = [slope for part in field for slope in np.gradient(part)]
    return np.asarray(np.sqrt(np.sum(np.square(slopes), axis=0)))


def _extended(field: FloatArray, sound: BoolArray, sigma: float) -> FloatArray:
    """(2, h, w) field that goes on smoothly beyond its sound (h, w) blocks; 0 without any."""
    if sound.all():
        return field
    if not sound.any():
        return np.zeros_like(field)
    nearest = ndimage.distance_transform_edt(~sound, return_distances=False, return_indices=True)
    filled = field[:, nearest[0], nearest[1]]
    smooth = ndimage.gaussian_filter(filled, sigma, axes=(1, 2))
    return np.where(sound, field, smooth)


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
    smooth = np.empty_like(values)
    ndimage.gaussian_filter(values.real, sigma, output=smooth.real)
    ndimage.gaussian_filter(values.imag, sigma, output=smooth.imag)
    return smooth


def _displacement(vectors: FloatArray, phases: FloatArray, weights: FloatArray) -> FloatArray:
    """Solve phase = -2 pi g.u per block in weighted least squares, (2, h, w)."""
    gx, gy = vectors.T
    ridge = 1e-3 * np.abs(vectors).max() ** 2
    xx, xy, yy = (np.tensordot(g, weights, 1) for g in (gx * gx, gx * gy, gy * gy))
    xx, yy = xx + ridge, yy + ridge
    pulled = weights * phases / (-2 * np.pi)
    x, y = (np.tensordot(g, pulled, 1) for g in (gx, gy))
    determinant = xx * yy - xy**2
    return np.asarray(np.stack([yy * x - xy * y, xx * y - xy * x]) / determinant)
