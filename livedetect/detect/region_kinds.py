"""Hole, domain or phase: what has become of the crystal in a region."""

from __future__ import annotations

from livedetect.detect.arrays import FloatArray

HOLE_SHARE = 0.6
"""Of the mean signal above the place between the columns that has to be gone."""
LOST_CONTRAST = 0.7
"""Of the crystal's, that is left at most where it has gone; its rim still shows some."""
BRIGHT_COLUMNS = -0.2
"""Skewness of the mean cell from which on what gets darker has gone, contrast or not."""
NO_DARK_COLUMNS = 0.35
"""And from which on what gets brighter has not. In between either may be: a honeycomb of bright
columns is skewed by its dark middles as a lattice of dark columns is."""
PERIODIC_SHARE = 0.15
"""Contrast of the mean changed cell, relative to the crystal's, that makes a domain."""


def kind_of_change(cells: FloatArray, template: FloatArray) -> str:
    """Kind of a wide region from its changed cells (n, m1, m2)."""
    spread = float(template.std())
    if spread == 0:
        return "phase"
    off, changed = (template - template.mean()) / spread, cells / spread
    periodic = changed.mean(axis=0)
    if _gone(float(changed.mean()), periodic, off) > HOLE_SHARE:
        return "hole"
    return "domain" if float(periodic.std()) > PERIODIC_SHARE else "phase"


def _gone(change: float, periodic: FloatArray, off: FloatArray) -> float:
    """Share of the mean signal that has gone, between columns there being none.

    Dark columns on a bright ground (annular bright field) leave brightness behind; so does what
    settles on bright ones, but that leaves their contrast. `off` (m1, m2) is the mean cell about
    its mean, all in its standard deviations.
    """
    skewness = float((off**3).mean())
    lost = 1 + float((periodic * off).mean()) < LOST_CONTRAST
    bright, dark = lost or skewness > BRIGHT_COLUMNS, lost and skewness < NO_DARK_COLUMNS
    darker = change / float(off.min()) if bright else 0.0
    brighter = change / float(off.max()) if dark else 0.0
    return max(darker, brighter)
