"""The part of a distortion that stays with the frame while the specimen drifts.

What the first frames show is the distortion of the scan and that of the specimen, its strain.
After a drift d the displacement at a place x of the specimen has changed by w(x + d) - w(x), w
being the scan's; from such changes w is learnt, as far as they tell: a share of what the first
frames showed, and smooth waves. It is used once it has foretold later changes.
"""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels import COMPILED, form

ORDER = 4
"""Half periods over the field, along both axes together, of the finest wave."""
USUAL_PX = 1.0
"""Amplitude of a wave that is nothing unusual."""
ENOUGH_FORETOLD = 1.0
"""Sum of the squares explained, in those that the displacement of one frame is wrong by."""
TELLING = 0.5
"""Share of the blocks that must tell: in fewer, waves fit by chance, or an edge of the crystal."""
FEW_BLOCKS, FEWER = 8.0, 4
"""So few independent blocks, some sixteen cells along each axis, foretell little; what must be
foretold rises steeply below that, and not above, where waiting leaves markers behind."""
SHEAR_UNKNOWNS = 2
"""An offset and a slope, taken out along each axis."""
LEAST_ERROR_PX = 0.07
"""Displacements are hardly known better, and smaller changes do no harm."""
MOST_BLOCKS = 96
"""Along an axis: more do not make smooth waves any clearer."""


class ScanDistortion:
    """Learns from changes of a displacement what of it belongs to the scan."""

    def __init__(self, field_px: FloatArray, block_px: int, independent: float) -> None:
        """`field_px` (2, h, w) is that of the first frames, on blocks of `block_px`.

        `independent` is how many of its blocks do not share their noise.
        """
        self._field = field_px
        self._block = block_px
        self._independent = independent
        count = 1 + len(_orders())
        self._products = np.zeros((2, count, count))
        self._pulls = np.zeros((2, count))
        self._shares: FloatArray = np.zeros((2, count))
        self._error2 = np.inf
        self._foretold = 0.0
        self.trusted = False
        """True once it has foretold changes that it had not learnt; what it places stays placed."""

    def take_in(
        self, change: FloatArray, moved: FloatArray, usable: BoolArray, share: float = 1.0
    ) -> None:
        """Learn from the `change` (2, h, w), px, that a frame drifted by `moved` (x, y) shows.

        `usable` (h, w) are blocks in which it can be believed, a `share` of those in which it
        could be, away from the edges then and now.
        """
        step = max(1, max(usable.shape) // MOST_BLOCKS)
        usable = usable[::step, ::step]
        # as few blocks as unknowns, the shear's among them, are explained by anything
        if np.count_nonzero(usable) <= len(self._pulls[0]) + SHEAR_UNKNOWNS or share < TELLING:
            return
        waves = self._changes(moved)[..., ::step, ::step][..., usable]
        seen = change[..., ::step, ::step][..., usable]
        rows = np.nonzero(usable)[0]
        waves, seen = _without_shear(waves, rows), _without_shear(seen, rows)
        wrong = seen - np.einsum("kn,knb->kb", self._shares, waves)
        without, left = float(np.mean(seen**2)), float(np.mean(wrong**2))
        self._error2 = min(self._error2, 2 * without, 2 * left)
        usual = max(self._error2, LEAST_ERROR_PX**2)
        # what failed at first may have learnt
        self._foretold = max(self._foretold + without - left, -ENOUGH_FORETOLD * usual)
        enough = ENOUGH_FORETOLD * self._by_chance * usual
        self.trusted = self.trusted or self._foretold > enough
        self._products += np.einsum("knb,kmb->knm", waves, waves) / len(rows)
        self._pulls += np.einsum("knb,kb->kn", waves, seen) / len(rows)
        # never 0, or frames that show nothing would leave nothing to solve
        ridge = np.eye(waves.shape[1]) * usual / self._independent / USUAL_PX**2
        self._shares = np.linalg.solve(self._products + ridge, self._pulls[..., None])[..., 0]

    @property
    def _by_chance(self) -> float:
        """How much more must be foretold in a small view.

        In a few blocks waves fit by chance, and what made them fit once, an error that all
        frames have in common, is still there in the next.
        """
        return float(max(1.0, FEW_BLOCKS / self._independent) ** FEWER)

    def change(self, moved: FloatArray) -> FloatArray:
        """(2, h, w) float32 change of the displacement after a drift by `moved` (x, y), px.

        Its mean belongs to the drift that the registration finds, which looks at the middle most.
        """
        expected = np.einsum("kn,knij->kij", self._shares, self._changes(moved))
        down, across = (np.hanning(length + 2)[1:-1] for length in expected.shape[1:])
        mean = down @ expected @ across / (down.sum() * across.sum())
        return np.asarray(expected - mean[:, None, None], np.float32)

    def _changes(self, moved: FloatArray) -> FloatArray:
        """(2, n, h, w) change by which every part would show itself."""
        shape = self._field.shape[1:]
        rows, cols = np.indices(shape) + (moved[::-1] / self._block)[:, None, None]
        own = np.array(form(COMPILED).interpolate(self._field, rows, cols)) - self._field
        waves = _waves(shape, moved / self._block) - _waves(shape, np.zeros(2))
        return np.array([np.concatenate([part[None], waves]) for part in own])


def _orders() -> list[tuple[int, int]]:
    """Half periods down and across of all waves."""
    return [
        (down, across)
        for down in range(ORDER + 1)
        for across in range(ORDER + 1 - down)
        if down + across
    ]


def _waves(shape: tuple[int, ...], moved: FloatArray) -> FloatArray:
    """(n, h, w) cosines, read `moved` (x, y) blocks further on."""
    down, across = (
        np.cos(np.pi * np.outer(np.arange(ORDER + 1), np.arange(length) + 0.5 + by) / length)
        for length, by in zip(shape, moved[::-1].tolist(), strict=True)
    )
    return np.array([np.outer(down[i], across[j]) for i, j in _orders()])


def _without_shear(values: FloatArray, rows: FloatArray) -> FloatArray:
    """Values (..., n) of blocks in `rows` (n,) without what drift within a frame explains."""
    nuisance = np.stack([np.ones(len(rows)), rows - rows.mean()])
    nuisance /= np.maximum(np.sqrt((nuisance**2).sum(axis=1, keepdims=True)), 1e-12)
    return np.asarray(values - (values @ nuisance.T) @ nuisance)
