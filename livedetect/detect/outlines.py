"""The outline of a region, finer than its unit cells.

A site whose patch shows at least half of what the inside shows lies inside: on a straight
border that goes through a site half of its patch has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage import measure

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.grid import Grid
from livedetect.detect.phased import SitePatches
from livedetect.detect.regions import EVERYWHERE, FINE, Region
from livedetect.detect.time_window import Window

REACH_CELLS = 2
"""Cells around those of a region that may belong to it."""
OUTLINE_WINDOWS = (2, 4)
INSIDE_QUANTILE = 0.7
"""Of the changes in the region's cells, that stands for its inside: some are its rim."""
HALF = 0.5
TELLING = 1.0
"""Change, in noise variances, below which a kind of site does not tell inside from outside."""
STEPS_ACROSS = 64
"""Of an outline, in which the place farthest from its rim is looked for."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What changes are judged by: regions, and points among what lies around them."""

    grid: Grid
    """That the cells belong to."""
    patches: SitePatches
    """Of its sites."""
    windows: Sequence[Window]
    """Of the latest frame."""
    watched: BoolArray
    """(sites,) that are judged."""


def fine_outline(
    mask: BoolArray,
    at_hand: Surroundings,
    in_reach: Callable[[FloatArray, FloatArray], BoolArray],
) -> FloatArray | None:
    """Polygon (n, 2) as (x, y) in sample coordinates; None if the sites do not tell.

    Parameters
    ----------
    mask : (n1, n2) cells of the region.
    in_reach : of points (n, 2) with their distance (n,) from the nearest judged site, which
        may be taken to be as that site is.
    """
    grid, patches = at_hand.grid, at_hand.patches
    near = np.asarray(ndimage.binary_dilation(mask, EVERYWHERE, iterations=REACH_CELLS))
    sites = np.flatnonzero(np.asarray(patches.of_cell(near), bool) & at_hand.watched)
    core = np.asarray(patches.of_cell(mask)[sites], bool)
    telling, inside = _changed(sites, core, patches, at_hand.windows)
    if not (telling & inside).any():
        return None
    points, corner, shape = _fine_points(near, grid)
    tree = cKDTree(patches.positions[sites[telling]])
    distance, nearest = tree.query(points)
    drawn = (inside[telling][nearest] & in_reach(points, np.asarray(distance))).reshape(shape)
    drawn = _largest(np.asarray(ndimage.median_filter(drawn, 3)))
    if not drawn.any():
        return None
    longest = max(measure.find_contours(np.pad(drawn, 1).astype(float), 0.5), key=len)
    corners = (measure.approximate_polygon(longest, 1.0) - 0.5) / FINE + corner
    return np.asarray(grid.origin + corners @ grid.lattice.basis_px)


def outlined(region: Region, outline: FloatArray | None) -> Region:
    """The region with a finer outline, if there is one, and with a centre inside its outline."""
    if outline is not None:
        x, y = outline.T
        area = float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)
        region = replace(region, outline=outline, area_px2=area)
    if measure.points_in_poly(region.centre[None], region.outline)[0]:
        return region
    return replace(region, centre=_deepest(region.outline))


def _deepest(outline: FloatArray) -> FloatArray:
    """(x, y) of the place in a polygon (n, 2) that lies farthest from its rim, about."""
    least, size = outline.min(axis=0), np.ptp(outline, axis=0)
    step = max(float(size.max()) / STEPS_ACROSS, 1e-6)
    shape = tuple(np.ceil(size / step).astype(int) + 1)
    inside = measure.grid_points_in_poly(shape, (outline - least) / step)
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    return np.asarray(least + step * np.array(np.unravel_index(np.argmax(depth), shape)))


def _changed(
    sites: IntArray, core: BoolArray, patches: SitePatches, windows: Sequence[Window]
) -> tuple[BoolArray, BoolArray]:
    """(n,) sites of kinds that tell, and (n,) those that have changed like the `core` (n,)."""
    kinds = patches.sublattices(sites)
    telling, inside = np.zeros(len(sites), bool), np.zeros(len(sites), bool)
    for window in windows:
        if window.frames not in OUTLINE_WINDOWS:
            continue
        change = (patches.take(window.z, sites) ** 2).mean(axis=1) - 1
        for kind in np.unique(kinds[core]):
            usual = float(np.quantile(change[core & (kinds == kind)], INSIDE_QUANTILE))
            if usual > TELLING:
                telling |= kinds == kind
                inside |= (kinds == kind) & (change > HALF * usual)
    return telling, inside


def _fine_points(near: BoolArray, grid: Grid) -> tuple[FloatArray, FloatArray, tuple[int, int]]:
    """Points (n, 2) px that fill the box around cells, its corner in cells, and its shape."""
    rows, cols = np.nonzero(near)
    corner = np.array([rows.min(), cols.min()], float)
    shape = (int(np.ptp(rows) + 1) * FINE, int(np.ptp(cols) + 1) * FINE)
    cells = (np.indices(shape).reshape(2, -1).T + 0.5) / FINE + corner
    return grid.origin + cells @ grid.lattice.basis_px, corner, shape


def _largest(mask: BoolArray) -> BoolArray:
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return np.asarray(labels == 1 + np.bincount(labels.ravel())[1:].argmax())
