"""The arithmetic of the hot path in two forms that agree within float32 rounding.

`plain` is numpy and scipy, written to be read; `fast` is the same compiled by numba, fused
so that every pixel is touched as rarely as possible. Nothing is compiled, nor numba even
imported, before `form` is asked for the compiled form.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels.experts import Experts, Looked, Matched, Novelty
from livedetect.detect.kernels.maps import (
    Around,
    Expected,
    FilterScratch,
    Ground,
    Placement,
    Recent,
    Standardised,
    WarmUp,
)

COMPILED = "numba"
PLAIN = "numpy"
SLOWLY = "every frame takes about ten times as long as it could"

Result = TypeVar("Result")
Rest = ParamSpec("Rest")
_only_plain = contextvars.ContextVar("only_plain", default=False)

Line = tuple[float, float]


class Form(Protocol):
    """What both forms offer; outputs named `out_...` are written in place."""

    def row_statistics(self, frame: FloatArray) -> FloatArray:
        """(H, 8) what every row of a frame is like; see `plain_rows.row_statistics`."""
        ...

    def row_terms(
        self, frame: FloatArray, phases: IntArray, moved: IntArray, table: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Sums for the displacement of every row; see `plain.row_terms`."""
        ...

    def phases(
        self,
        field: FloatArray,
        block_px: float,
        shift: FloatArray,
        cell: FloatArray,
        out: IntArray,
    ) -> None:
        """Position of every pixel within the unit cell; see `plain.phases`."""
        ...

    def spline_of_smoothed(
        self, frame: FloatArray, displacement: FloatArray, sigma: float, scratch: FilterScratch
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
        self, values: FloatArray, covered: BoolArray, template: FloatArray, ground: Expected
    ) -> FloatArray:
        """(3, n) crystal, background and data to which gain and offset of a frame are fitted."""
        ...

    def robust_line(self, model: FloatArray, data: FloatArray) -> tuple[float, float]:
        """Gain and offset of ``data = offset + gain * model`` with Huber weights."""
        ...

    def subtract_crystal(
        self,
        values: FloatArray,
        covered: BoolArray,
        template: FloatArray,
        line: Line,
        ground: Expected,
    ) -> FloatArray:
        """Samples to residuals, in place; (3, n1, n2) what the cells' means tell the background."""
        ...

    def subtract_cells(self, values: FloatArray, covered: BoolArray, cells: FloatArray) -> None:
        """Subtract a plane in every cell, of heights (n1, n2), from the covered samples."""
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

    def by_place(self, latest: Standardised, frozen: BoolArray, phase: FloatArray) -> FloatArray:
        """(2, m1, m2) judged samples and their clipped z², by place in the cell."""
        ...

    def follow(
        self, recent: Recent, ground: Ground, settled: BoolArray, frozen: BoolArray, law: Line
    ) -> None:
        """Let the levels follow the residuals."""
        ...

    def systematic(self, ground: Ground, coefficients: FloatArray, rows: slice) -> None:
        """Set the variance that registration adds in some `rows` of the grid."""
        ...

    def all_true(self, cover: BoolArray | IntArray, patches: Around, least: int = 1) -> BoolArray:
        """(n,) True for patches that lie where `cover` (P, Q) is enough."""
        ...

    def any_bits(self, bits: IntArray, patches: Around, chosen: BoolArray) -> IntArray:
        """(n,) uint8 bits of (P, Q) set anywhere in the `chosen` patches; 0 in others."""
        ...

    def inside(self, positions: FloatArray, mask: BoolArray) -> BoolArray:
        """(n,) True for positions (n, 2) whose nearest pixel lies in `mask` (H, W)."""
        ...

    def keep_inside(
        self,
        positions: FloatArray,
        placement: Placement,
        watched: tuple[BoolArray, BoolArray],
        inout: BoolArray,
        blocks: tuple[int, BoolArray],
    ) -> None:
        """Which positions (n, 2) lie in a mask of the frame; see `plain_sites.keep_inside`."""
        ...

    def mark_blocks(self, positions: FloatArray, block_px: int, out: BoolArray) -> None:
        """Set the blocks (h, w) within one block of any position (n, 2)."""
        ...

    def mark_samples(self, centres: IntArray, offsets: IntArray, out: BoolArray) -> None:
        """Set the samples (P, Q) at `offsets` (d, 2) from any of the `centres` (n, 2)."""
        ...

    def place(
        self,
        positions: FloatArray,
        field: FloatArray,
        block_px: float,
        shift: FloatArray,
    ) -> FloatArray:
        """(n, 2) positions (n, 2) + warp + shift, (x, y), px."""
        ...

    def binned(self, frame: FloatArray, factor: int) -> FloatArray:
        """(H / factor, W / factor) block means; see `plain_means.binned`."""
        ...

    def mean_and_spread(self, values: FloatArray) -> Line:
        """Mean and standard deviation of all `values` (H, W)."""
        ...

    def blend(
        self,
        picture: FloatArray,
        level: FloatArray,
        fraction: FloatArray,
        first: IntArray,
        canvas: tuple[FloatArray, IntArray],
        memory: int,
    ) -> None:
        """Take a picture (h, w) into a running mean; see `plain_means.blend`."""
        ...

    def weighted(
        self, values: FloatArray, patches: Around, weights: FloatArray, chosen: BoolArray
    ) -> FloatArray:
        """(n,) weighted sums of patches of a map; see `plain_lines.weighted`."""
        ...

    def strongest_row(
        self, values: FloatArray, steps: list[tuple[int, int]]
    ) -> tuple[float, int, tuple[int, int], tuple[int, ...]]:
        """The row of columns that stands out most; see `plain_lines.strongest_row`."""
        ...

    def held_out(
        self, warm_up: WarmUp, inside: BoolArray, others: BoolArray, least: int, inflation: float
    ) -> tuple[FloatArray, BoolArray]:
        """Z (P, Q) of some frames against others; see `plain_held_out.held_out`."""
        ...

    def novelty(self, descriptors: FloatArray, model: Novelty) -> FloatArray:
        """(n,) novelty of descriptors (n, d); see `plain_experts.novelty`."""
        ...

    def matched(
        self, z: FloatArray, sublattice: IntArray, frames: IntArray, model: Matched
    ) -> FloatArray:
        """(2, n) surprise at patches (n, d); see `plain_experts.matched`."""
        ...

    def filtered(self, z: FloatArray, sublattice: IntArray, filters: FloatArray) -> FloatArray:
        """(n, k) outputs at patches (n, d); see `plain_experts.filtered`."""
        ...

    def most_novel(self, looked: Looked, experts: Experts) -> tuple[FloatArray, IntArray]:
        """Score (n,) and window (n,) of each site; see `plain_experts.most_novel`."""
        ...

    def nearest_site(
        self, positions: FloatArray, cells: IntArray, sites: FloatArray, inner: tuple[int, int]
    ) -> IntArray:
        """(n,) site nearest to each position (n, 2); see `plain_sites.nearest_site`."""
        ...

    def keep_apart(self, positions: FloatArray, radius_px: float) -> IntArray:
        """Indices of positions (n, 2), best first, that are `radius_px` from all kept before."""
        ...


def form(name: str) -> Form:
    """The form called `name`; the plain one where numba is missing or not wanted."""
    compiled = name == COMPILED and not _only_plain.get() and is_available()
    return _compiled() if compiled else _plain()


def as_set(
    method: Callable[Concatenate[Any, Rest], Result],
) -> Callable[Concatenate[Any, Rest], Result]:
    """Run a method of an object with the kernels that its `_settings` ask for."""

    @functools.wraps(method)
    def run(self: Any, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        with asked_for(self._settings.kernels):
            return method(self, *args, **kwargs)

    return run


@contextlib.contextmanager
def asked_for(kernels: str) -> Iterator[None]:
    """Run what is inside with the kernels of a setting; each thread has to ask for itself."""
    before = _only_plain.set(kernels == "plain")
    try:
        yield
    finally:
        _only_plain.reset(before)


def not_kept() -> bool:
    """True if the compiled form could not be stored and is compiled at every start."""
    if not is_available():
        return False
    names: list[str] = importlib.import_module("livedetect.detect.kernels.compile").not_kept
    return bool(names)


def compiled_into() -> str:
    """Where kernels that were not stored are kept from now on; empty while none was compiled.

    From any thread, while another one loads the kernels.
    """
    module = sys.modules.get("livedetect.detect.kernels.compile")
    directories: list[str] = getattr(module, "compiled_now", [])
    return directories[-1] if directories else ""


def why_plain() -> str:
    """Why the plain form serves now; empty while the compiled one does."""
    if _only_plain.get():
        return f"kernels = plain: {SLOWLY}"
    return "" if is_available() else f"numba is missing: {SLOWLY}"


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
