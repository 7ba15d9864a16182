"""What happened to all cells alike, and what to some of them only.

The instrument changes every cell in the same way, the beam one here and one there. After
the median over all cells has been taken out of a change, the share of samples that still
stand out tells the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livedetect.detect.arrays import BoolArray
from livedetect.detect.grid import Grid
from livedetect.detect.lattice import Lattice
from livedetect.detect.time_window import Window
from livedetect.errors import LatticeNotFoundError

STANDS_OUT = 3.0
MIN_CELLS = 25
"""Fewer have no usual change."""
SAME_AREA = 0.1
"""By which the area of the unit cell may differ: more than any drift of the scan."""


def unlike_share(grid: Grid, windows: Sequence[Window], ignored: BoolArray) -> float | None:
    """Share of samples beyond 3 sigma of what their equivalents in other cells do.

    Parameters
    ----------
    windows : residuals (P, Q) on `grid`; the last one counts. None if there is none.
    ignored : (P, Q) known defects and regions.
    """
    if not windows:
        return None
    judged = windows[-1].valid & ~ignored
    z = grid.by_cell(np.where(judged, windows[-1].z, np.nan)).transpose(1, 3, 0, 2)
    z = z.reshape(*grid.samples, -1)
    enough = np.isfinite(z).sum(axis=-1) >= MIN_CELLS
    if not enough.any():
        return None
    compared = z[enough]
    unlike = np.abs(compared - np.nanmedian(compared, axis=-1, keepdims=True)) > STANDS_OUT
    return float(unlike.sum() / np.isfinite(compared).sum())


def require_same_cell(earlier: Lattice, later: Lattice) -> None:
    """Raises `LatticeNotFoundError` if two lattices are not of one crystal."""
    before, now = (abs(float(np.linalg.det(each.basis_px))) for each in (earlier, later))
    if abs(now - before) > SAME_AREA * before:
        raise LatticeNotFoundError(
            f"the unit cell covers {now:.0f} px² in the latest frames, {before:.0f} px² before"
        )
