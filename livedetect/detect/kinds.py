"""A hint at what a defect is, from sign, place and shape of its residual.

Never a claim of chemistry: the residual says how bright a place became, not which atom
did it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livedetect.detect.arrays import FloatArray

DIPOLE_BALANCE = 0.35
"""Residuals whose positive and negative parts cancel to this share are displacements."""
FULL_COLUMN = 0.7
"""Share of a column's height that has to vanish before the column counts as empty."""
NOISE_Z = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the residual around one marker looks like."""

    residual: FloatArray
    """(d,) patch, in the units of the template; positive means more intense."""
    z: FloatArray
    """(d,) the same patch in noise standard deviations."""
    column_height: float | None
    """Contrast of the column at this place in those units, None for a hollow."""
    bright_columns: bool
    """False for inverted contrast."""


def guess_kind(evidence: Evidence) -> tuple[str, float]:
    """Kind and confidence (0 to 1) of one marker."""
    sign = 1.0 if evidence.bright_columns else -1.0
    strong = np.abs(evidence.z) > NOISE_Z
    residual = sign * evidence.residual[strong]
    if not len(residual):
        return "unknown", 0.0
    certainty = float(1 - np.exp(-(np.abs(evidence.z).max() - NOISE_Z) / 4))
    balance = float(residual.sum() / np.abs(residual).sum())
    if abs(balance) < DIPOLE_BALANCE:
        return "displaced", round(certainty * (1 - abs(balance)), 3)
    peak = float(residual[np.abs(residual).argmax()])
    kind, margin = _by_height(peak, evidence.column_height)
    return kind, round(certainty * margin, 3)


def _by_height(peak: float, height: float | None) -> tuple[str, float]:
    """Kind from the strongest change `peak` at a column of `height`, and how clear it is."""
    if height is None or height <= 0:
        return ("adatom", 0.8) if peak > 0 else ("dark", 0.5)
    share = peak / height
    if share > 0:
        return ("antisite", 0.6) if share > 0.3 else ("bright", 0.5)
    margin = min(1.0, 0.5 + abs(-share - FULL_COLUMN))
    return ("vacancy" if -share > FULL_COLUMN else "half_vacancy"), margin
