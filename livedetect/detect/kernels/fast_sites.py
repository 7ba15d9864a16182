"""Sites, positions and markers compiled by numba; documented in `plain_sites`."""

from __future__ import annotations

from typing import cast

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels import sites as compiled_sites
from livedetect.detect.kernels.maps import Around, Placement


def all_true(cover: BoolArray | IntArray, patches: Around, least: int = 1) -> BoolArray:
    """See `plain_sites.all_true`."""
    out = np.empty(len(patches.centres), bool)
    flat = cast("IntArray", np.ascontiguousarray(cover).view(np.uint8).reshape(-1))
    compiled_sites.all_true(flat, least, *patches, out)
    return out


def any_bits(bits: IntArray, patches: Around, chosen: BoolArray) -> IntArray:
    """See `plain_sites.any_bits`."""
    out: IntArray = cast("IntArray", np.empty(len(chosen), np.uint8))
    compiled_sites.any_bits(np.ascontiguousarray(bits).reshape(-1), *patches, chosen, out)
    return out


def inside(positions: FloatArray, mask: BoolArray) -> BoolArray:
    """See `plain_sites.inside`."""
    out = np.empty(len(positions), bool)
    compiled_sites.inside(np.ascontiguousarray(positions, float), np.ascontiguousarray(mask), out)
    return out


def mark_blocks(positions: FloatArray, block_px: int, out: BoolArray) -> None:
    """See `plain_sites.mark_blocks`."""
    compiled_sites.mark_blocks(np.ascontiguousarray(positions, float), block_px, out)


def mark_samples(centres: IntArray, offsets: IntArray, out: BoolArray) -> None:
    """See `plain_sites.mark_samples`."""
    around = np.ascontiguousarray(offsets, np.int64)
    compiled_sites.mark_samples(np.ascontiguousarray(centres, np.int64), around, out)


def place(
    positions: FloatArray,
    field: FloatArray,
    block_px: float,
    shift: FloatArray,
) -> FloatArray:
    """See `plain_sites.place`."""
    start = np.ascontiguousarray(positions, float)
    out = np.empty_like(start)
    compiled_sites.place(start, field, block_px, np.asarray(shift, float), out)
    return out


def keep_inside(
    positions: FloatArray,
    placement: Placement,
    watched: tuple[BoolArray, BoolArray],
    inout: BoolArray,
    blocks: tuple[int, BoolArray],
) -> None:
    """See `plain_sites.keep_inside`."""
    to = placement
    shift = np.asarray(to.shift, float)
    compiled_sites.keep_inside(
        positions, to.field, to.block_px, shift, *watched, inout, blocks[0], blocks[1]
    )


def nearest_site(
    positions: FloatArray, cells: IntArray, sites: FloatArray, inner: tuple[int, int]
) -> IntArray:
    """See `plain_sites.nearest_site`."""
    out = np.empty(len(positions), np.int64)
    around, places = np.ascontiguousarray(cells), np.ascontiguousarray(positions, float)
    compiled_sites.nearest_site(places, around, sites, *inner, out)
    return out


def keep_apart(positions: FloatArray, radius_px: float) -> IntArray:
    """See `plain_sites.keep_apart`."""
    out = np.empty(len(positions), np.int64)
    kept = compiled_sites.keep_apart(np.ascontiguousarray(positions, float), radius_px, out)
    return out[:kept]
