"""Which lattice vector the registration has slipped by, told by the defects that are known.

A jump is seen by the lattice up to a lattice vector only. Defects are not periodic: after a
slip all of them stand one lattice vector beside their places.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from livedetect.detect.arrays import FloatArray

SEVERAL = 2
"""Defects that must agree: one may have moved by itself."""
LEAST_SHARE = 0.2
"""Of the known ones that must agree: where defects are many, some stand beside others by chance."""
REACH = 2
"""Lattice vectors, along each axis, that are tried."""


def slipped_by(
    known: FloatArray, seen: FloatArray, basis_px: FloatArray, radius_px: float
) -> FloatArray | None:
    """Lattice vector (x, y) from where defects are known to where they are seen, px.

    None where they are at their places, or where too few speak for another one.

    Parameters
    ----------
    known, seen : (n, 2) and (m, 2) sample coordinates, px.
    basis_px : (2, 2) lattice vectors (x, y).
    radius_px : distance at which two places are the same.
    """
    if min(len(known), len(seen)) < SEVERAL:
        return None
    steps = np.arange(-REACH, REACH + 1)
    vectors = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) @ basis_px
    tree = cKDTree(seen)
    near = np.array([tree.query(known + vector)[0] < radius_px for vector in vectors])
    found = near.sum(axis=1)
    at_home = int(found[len(vectors) // 2])
    best = int(found.argmax())
    unique = (found == found[best]).sum() == 1
    enough = max(SEVERAL, LEAST_SHARE * len(known))
    if not unique or found[best] < enough or found[best] <= 2 * at_home:
        return None
    return np.asarray(vectors[best])
