"""The arithmetic of the hot path in two forms that agree within float32 rounding.

`plain` is numpy and scipy, written to be read; `fast` is the same compiled by numba, fused
so that every pixel is touched as rarely as possible. Nothing is compiled, nor numba even
imported, before `form` is asked for the compiled form.
"""

from __future__ import annotations

import functools
import importlib
from typing import Protocol, cast

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels.maps import FitGround, Ground, Recent, Standardised

COMPILED = "numba"
PLAIN = "numpy"

Line = tuple[float, float]


class Form(Protocol):
    """What both forms offer; outputs named `out_...` are written in place."""

    def row_terms(
        self, frame: FloatArray, phases: IntArray, moved: IntArray, table: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Sums for the displacement of every row; see `plain.row_terms`."""
        ...

    def phases(
        self,
        field: FloatArray,
        block_px: float,
        views: FloatArray,
        cell: FloatArray,
        out: IntArray,
    ) -> None:
        """Position of every pixel within the unit cell; see `plain.phases`."""
        ...

    def spline_of_smoothed(
        self, frame: FloatArray, displacement: FloatArray, sigma: float, scratch: FloatArray
    ) -> FloatArray:
        """(H, W) cubic spline coefficients of the frame behind its matched filter."""
        ...

    def sample(
        self, spline: FloatArray, positions: FloatArray, shift: FloatArray, edge_px: float
    ) -> tuple[FloatArray, BoolArray]:
        """(P, Q) values of a spline at positions (2, P, Q) + shift, and where they are valid."""
        ...

    def interpolate(self, field: FloatArray, rows: FloatArray, cols: FloatArray) -> FloatArray:
        """(2, ...) bilinear interpolation of a field (2, h, w), constant beyond its edges."""
        ...

    def fitted_samples(
        self, values: FloatArray, covered: BoolArray, template: FloatArray, ground: FitGround
    ) -> tuple[FloatArray, FloatArray]:
        """Model and data (n,) to which gain and offset of a frame are fitted."""
        ...

    def robust_line(self, model: FloatArray, data: FloatArray) -> tuple[float, float]:
        """Gain and offset of ``data = offset + gain * model`` with Huber weights."""
        ...

    def subtract_crystal(
        self, values: FloatArray, covered: BoolArray, template: FloatArray, line: Line
    ) -> FloatArray:
        """Samples to residuals, in place; (2, n1, n2) cell means of them and of coverage."""
        ...

    def subtract_cells(self, values: FloatArray, covered: BoolArray, cells: FloatArray) -> None:
        """Subtract one value per cell (n1, n2) from the covered samples, in place."""
        ...

    def smooth_cells(self, cells: FloatArray, sigma: float) -> FloatArray:
        """(n1, n2) Gaussian filter over cells, edges reflected."""
        ...

    def windows(
        self,
        values: FloatArray,
        covered: BoolArray,
        recent: Recent,
        ground: Ground,
        frozen: BoolArray,
        out: Standardised,
    ) -> None:
        """Take in a residual and standardise every time window that ends with it."""
        ...

    def follow(
        self, recent: Recent, ground: Ground, settled: BoolArray, frozen: BoolArray, law: Line
    ) -> None:
        """Let the levels follow the residuals."""
        ...

    def systematic(self, ground: Ground, coefficients: FloatArray) -> None:
        """Set the variance that registration adds."""
        ...

    def all_true(self, mask: BoolArray, patches: IntArray) -> BoolArray:
        """(n,) True for patches (n, d) of flat indices that lie in `mask` (P, Q)."""
        ...

    def any_above(
        self, values: FloatArray, patches: IntArray, chosen: BoolArray, limit: float
    ) -> BoolArray:
        """(n,) True for `chosen` patches (n, d) that hold a value of (P, Q) above `limit`."""
        ...

    def inside(self, positions: FloatArray, mask: BoolArray) -> BoolArray:
        """(n,) True for positions (n, 2) whose nearest pixel lies in `mask` (H, W)."""
        ...

    def mark_blocks(self, positions: FloatArray, block_px: int, out: BoolArray) -> None:
        """Set the blocks (h, w) within one block of any position (n, 2)."""
        ...

    def place(
        self,
        positions: FloatArray,
        field: FloatArray,
        block_px: float,
        moved: FloatArray,
        shift: FloatArray,
    ) -> FloatArray:
        """(n, 2) positions (n, 2) + warp + shift, (x, y), px."""
        ...

    def keep_apart(self, positions: FloatArray, radius_px: float) -> IntArray:
        """Indices of positions (n, 2), best first, that are `radius_px` from all kept before."""
        ...


def form(name: str) -> Form:
    """The form called `name`; the plain one where numba is missing."""
    return _compiled() if name == COMPILED and is_available() else _plain()


@functools.cache
def is_available() -> bool:
    """True if the compiled form can be had; compiles it or reads it from the disk's cache."""
    try:
        _compiled()
    except ImportError:
        return False
    return True


@functools.cache
def _compiled() -> Form:
    return cast("Form", importlib.import_module("livedetect.detect.kernels.fast"))


@functools.cache
def _plain() -> Form:
    return cast("Form", importlib.import_module("livedetect.detect.kernels.plain"))
