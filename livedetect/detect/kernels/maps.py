"""The maps on the lattice grid that the kernels read and write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from livedetect.detect.arrays import CACHE_LINE, BoolArray, FloatArray, IntArray, on_cache_lines

WINDOWS = (1, 2, 3, 4, 6, 8)
"""Frames averaged; each window is rescaled to unit variance, so one model serves all."""
FLOATS_OF_A_LINE = CACHE_LINE // 4
REMEMBERED = 8
"""Frames kept; one bit each in a history of coverage."""


NEIGHBOURS = np.indices((3, 3)).reshape(2, -1).T - 1
"""(9, 2) steps to the cells around a cell, and to itself."""
NOTABLE_Z = 3.5
"""A patch in which no |z| exceeds this holds no defect worth describing."""


class Around(NamedTuple):
    """Patches of equal shape, told by their centres.

    A table of all their samples is larger than the maps it points into.
    """

    centres: IntArray
    """(n,) int32 flat indices in maps (P, Q)."""
    offsets: IntArray
    """(d,) int32 from a centre to the samples of its patch."""

    @property
    def samples(self) -> IntArray:
        """(n, d) int32 flat indices."""
        return np.asarray(self.centres[:, None] + self.offsets)

    def at(self, chosen: IntArray | BoolArray | slice) -> Around:
        """Only the `chosen` ones."""
        return Around(self.centres[chosen], self.offsets)


def notable_in(z: FloatArray) -> IntArray:
    """(P, Q) uint8, a bit for each of the windows z (w, P, Q), the first lowest: where notable."""
    bits: IntArray = np.packbits(np.abs(z) > NOTABLE_Z, axis=0, bitorder="little")[0]
    return bits


def window_bits(frames: int) -> int:
    """Bits of a history of coverage in which the latest `frames` are all set."""
    return (1 << frames) - 1


@dataclass(slots=True, kw_only=True)
class Recent:
    """The latest residuals."""

    past: FloatArray
    """(8, P, Q) float32 ring of residuals."""
    history: IntArray
    """(P, Q) uint8, one bit per frame: covered or not, the latest lowest."""
    newest: int = REMEMBERED - 1
    """Position of the latest residual in the ring."""
    frames: int = 0
    """Residuals taken in so far."""

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Recent:
        """Nothing yet, on a grid of `shape` (P, Q)."""
        past = on_cache_lines((REMEMBERED, *shape))
        return cls(past=past, history=on_cache_lines(shape, np.uint8))

    @property
    def is_full(self) -> bool:
        """True once the oldest residual is the one of seven frames ago."""
        return self.frames >= REMEMBERED

    def advance(self) -> None:
        """Make room for the next residual in place of the oldest one."""
        self.newest = (self.newest + 1) % REMEMBERED
        self.frames += 1


@dataclass(slots=True, kw_only=True)
class Ground:
    """What a place normally looks like, and its noise."""

    base: FloatArray
    """(3, P, Q) float32: level, frames it rests on, systematic variance."""
    scale: FloatArray
    """(n1, n2) float32 noise of each cell relative to the warm-up."""
    phase: FloatArray
    """(m1, m2) float32 noise variance of one frame by place in the cell."""
    inflation: FloatArray
    """(6,) float32 factor on the noise of each time window."""
    known_frames: float
    """Frames a level must rest on before a place is judged."""

    def variance(self) -> FloatArray:
        """(P, Q) noise variance of one frame."""
        cells = self.scale[:, None, :, None] * self.phase[None, :, None, :]
        return cells.reshape(self.base.shape[1:])

    def spread(self, cells: FloatArray) -> FloatArray:
        """One value per cell (n1, n2) repeated over its samples, (P, Q)."""
        m1, m2 = self.phase.shape
        return np.repeat(np.repeat(cells, m1, axis=0), m2, axis=1)


@dataclass(slots=True, kw_only=True)
class Standardised:
    """A frame in all time windows; overwritten by the next one."""

    z: FloatArray
    """(6, P, Q) float32, unit variance on an unchanged crystal, 0 where not valid."""
    unbroken: IntArray
    """(P, Q) uint8, the lowest bits of the history of coverage that are all set; 0 where the
    level is not known. A window of n frames is valid from 2^n - 1 on, see `window_bits`."""
    notable: IntArray
    """(P, Q) uint8, a bit for each window, the first lowest: set where |z| is notable there."""
    cells: FloatArray
    """(2, n1, n2) float32 sums over each cell of validity and of clipped z², one frame."""
    counts: IntArray
    """(2,) valid samples that are not frozen, and how many of them lie beyond 3 sigma."""

    @classmethod
    def empty(cls, shape: tuple[int, int], cells: tuple[int, int]) -> Standardised:
        """Room for a grid of `shape` (P, Q) with `cells` (n1, n2)."""
        return cls(
            z=on_cache_lines((len(WINDOWS), *shape)),
            unbroken=on_cache_lines(shape, np.uint8),
            notable=on_cache_lines(shape, np.uint8),
            cells=np.zeros((2, *cells), np.float32),
            counts=np.zeros(2, np.int64),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterScratch:
    """Room for a frame while it is filtered along either axis."""

    rows: FloatArray
    """(H, W + n) float32, filtered along its rows. The rows do not lie a power of two apart:
    those that a filter along y needs would all want the same few places of the cache."""
    spline: FloatArray
    """(H, W) float32."""

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> FilterScratch:
        """Room for frames of `shape` (H, W)."""
        height, width = shape
        lines = -(-width // FLOATS_OF_A_LINE)
        stride = FLOATS_OF_A_LINE * (lines + 1 - lines % 2)
        return cls(rows=on_cache_lines((height, stride)), spline=on_cache_lines(shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """From sample coordinates to the pixels of a frame."""

    field: FloatArray
    """(2, h, w) float32 warp (x, y) of blocks, px."""
    block_px: float
    """Edge of a block."""
    shift: FloatArray
    """(x, y) drift, px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of a frame besides the template, before it is looked at."""

    level: FloatArray
    """(P, Q) lasting difference from the template."""
    known: BoolArray
    """(P, Q) True where `level` means something."""
    cells: FloatArray
    """(n1, n2) float32, the background that adds to it."""
    ignored: BoolArray
    """(n1, n2) cells that are no longer this crystal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """The frames that a baseline was learnt from, and the noise found in them."""

    values: FloatArray
    """(K, P, Q) float32 residuals."""
    covered: BoolArray
    """(K, P, Q) where they hold data."""
    variance: FloatArray
    """(P, Q) of one frame."""
    systematic: FloatArray
    """(P, Q) variance that registration adds."""
