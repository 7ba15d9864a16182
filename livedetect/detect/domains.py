"""Which phases or domains of the crystal the first frames show, and where they meet.

Every place has its own baseline, so that several domains can be watched with one model;
here they are told apart without being told how many there are: the unit cells of the mean
warm-up frame are clustered as they are, in phase with the lattice. Inversion domains, which
a Patterson function cannot tell apart, differ; another lattice is out of phase everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage import measure

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.grid import Grid
from livedetect.detect.independence import averaging_warning
from livedetect.detect.method import Findings, PhaseInView
from livedetect.detect.phases import classify
from livedetect.detect.regions import EVERYWHERE, Region
from livedetect.detect.watch import few_cells_warning

SMOOTHING_CELLS = 1.2
TIDIED_CELLS = 5
"""A phase is what prevails in so many cells along each axis."""
LEAST_SHARE = 0.04
"""Of the field, that a phase must have to itself, its rim left out."""
RIM_CELLS = 3
"""Scattered defects have no inside beyond such a rim."""
LEAST_CELLS = 100
"""Fewer cells say nothing of phases."""
BESIDE_CELLS = 2
LEAST_BOUNDARY = 6
"""Cells of a boundary worth a word."""


def phases_of_cells(grid: Grid, level: FloatArray, known: BoolArray, seed: int) -> IntArray:
    """Phase (n1, n2) of every cell, 0 the largest, -1 unknown.

    Parameters
    ----------
    level, known : (P, Q) lasting difference from the mean cell, and where it is known.
    """
    usable = grid.whole_cells(known)
    cells = grid.by_cell(level).transpose(0, 2, 1, 3).reshape(*grid.cells, -1)
    cells = cells - cells.mean(axis=-1, keepdims=True)
    cells = cells * usable[..., None]
    smooth = ndimage.gaussian_filter(cells, SMOOTHING_CELLS, axes=(0, 1))
    weight = ndimage.gaussian_filter(usable.astype(float), SMOOTHING_CELLS)
    described = (smooth / np.maximum(weight, 1e-3)[..., None])[usable]
    return _tidy(_labelled(described, usable, seed), usable)


def carried_on(phases: IntArray) -> IntArray:
    """Phases (n1, n2) whose unknown cells, those at the frame's edge, are as the nearest known."""
    if not (phases >= 0).any():
        return np.zeros_like(phases)
    nearest = ndimage.distance_transform_edt(
        phases < 0, return_distances=False, return_indices=True
    )
    return np.asarray(phases[tuple(nearest)])


def boundary_of(phases: IntArray) -> BoolArray:
    """(n1, n2) cells at which two phases meet."""
    highest = ndimage.maximum_filter(phases, footprint=EVERYWHERE)
    lowest = ndimage.minimum_filter(np.where(phases < 0, 99, phases), footprint=EVERYWHERE)
    return np.asarray((phases >= 0) & (highest != lowest))


def beside_others(phases: IntArray, extended: BoolArray) -> BoolArray:
    """(n1, n2) cells that are not judged by themselves: they belong to a boundary, or to a hole.

    `extended` (n1, n2) are cells that are no crystal; close to them its distortion is uncertain.
    """
    others = boundary_of(phases) | extended
    return np.asarray(ndimage.binary_dilation(others, EVERYWHERE, iterations=BESIDE_CELLS))


def found(
    phases: IntArray,
    grid: Grid,
    correlations: FloatArray,
    cells: float,
    holes: Sequence[Region] = (),
) -> Findings:
    """What is told of the phases (n1, n2), of the frames' independence and of few `cells`."""
    shares = shares_of(phases)
    several = len(shares) > 1
    told = [
        PhaseInView(share=share, outlines=tuple(outlines_of(phases == number, grid)))
        for number, share in enumerate(shares)
    ]
    return Findings(
        frame_correlation=round(float(correlations[1:2].sum()), 3),
        phases=tuple(told) if several else (),
        extended=(*(boundaries_of(phases, grid) if several else ()), *holes),
        warnings=(*few_cells_warning(cells), *averaging_warning(correlations)),
    )


def boundaries_of(phases: IntArray, grid: Grid) -> list[Region]:
    """The places at which phases meet, each once."""
    labels, count = ndimage.label(boundary_of(phases), EVERYWHERE)
    masks = [labels == label for label in range(1, count + 1)]
    return [
        _boundary(mask, grid, i)
        for i, mask in enumerate(m for m in masks if m.sum() >= LEAST_BOUNDARY)
    ]


def _boundary(mask: BoolArray, grid: Grid, number: int) -> Region:
    cells = np.argwhere(mask)
    middle = cells[np.hypot(*(cells - cells.mean(axis=0)).T).argmin()]
    outline = outlines_of(mask, grid)[0]
    return Region(
        number=number,
        kind="boundary",
        outline=outline,
        centre=np.asarray(grid.origin + (middle + 0.5) @ grid.lattice.basis_px),
        area_px2=float(mask.sum()) * abs(float(np.linalg.det(grid.lattice.basis_px))),
    )


def outlines_of(mask: BoolArray, grid: Grid) -> list[FloatArray]:
    """Polygons (n, 2) around cells (n1, n2), sample coordinates, px, the longest first."""
    contours = measure.find_contours(np.pad(mask, 1).astype(float), 0.5)
    rough = [measure.approximate_polygon(line, 0.5) for line in contours]
    placed = [grid.origin + (line - 0.5) @ grid.lattice.basis_px for line in rough]
    return sorted(placed, key=len, reverse=True)


def shares_of(phases: IntArray) -> list[float]:
    """Share of every phase of the cells that are known."""
    known = phases[phases >= 0]
    return [round(float(share), 3) for share in np.bincount(known) / max(len(known), 1)]


def _labelled(described: FloatArray, usable: BoolArray, seed: int) -> IntArray:
    phases = np.full(usable.shape, -1)
    phases[usable] = classify(described, seed=seed) if usable.sum() >= LEAST_CELLS else 0
    return phases


def _tidy(phases: IntArray, usable: BoolArray) -> IntArray:
    """What prevails around every cell; small phases belong to their surroundings."""
    counts = np.stack(
        [
            ndimage.uniform_filter((phases == label).astype(float), TIDIED_CELLS)
            for label in range(int(phases.max()) + 1)
        ]
    )
    first = counts.argmax(axis=0)
    shares = [_inner_share(first == label, usable) for label in range(len(counts))]
    counts = counts[[label for label, share in enumerate(shares) if share >= LEAST_SHARE]]
    prevailing = counts.argmax(axis=0) if len(counts) else np.zeros(usable.shape, np.int64)
    order = np.argsort(-np.bincount(prevailing[usable], minlength=max(len(counts), 1)))
    return np.where(usable, np.argsort(order)[prevailing], -1)


def _inner_share(mask: BoolArray, usable: BoolArray) -> float:
    """Share of the usable cells (n1, n2) that lie well inside a mask (n1, n2)."""
    inner = ndimage.binary_erosion(mask | ~usable, EVERYWHERE, iterations=RIM_CELLS, border_value=1)
    return float((inner & usable).sum()) / max(float(usable.sum()), 1.0)
