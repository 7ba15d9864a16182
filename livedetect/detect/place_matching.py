"""Whether a place was seen before, and how it lies in the new frames.

Scale and rotation are known from the metadata and confirmed by the lattice; the
translation is found by what is not periodic (defects, disorder, edges): the crystal is
taken out, what is left is correlated for all translations, and the best of them are
judged by the landmarks that both show. A crystal without anything to recognise gives its
translation up to a lattice vector only: a match says whether it is certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from livedetect.detect.affine import Affine
from livedetect.detect.arrays import FloatArray
from livedetect.detect.correlation import Correlation, correlated
from livedetect.detect.landmarks import Agreement, Landscape, agreement, landscape
from livedetect.detect.stored_mean import StoredMean

SAME_LATTICE = 0.06
"""Largest misfit of two lattices that are still taken for one, in lattice constants."""
LEAST_OVERLAP = 0.2
"""Smaller overlaps, of the smaller field, are not searched."""
CANDIDATES = 8
EXPECTED_CELLS = 1.5
"""A place this near to where it is expected needs one landmark, others two."""
LATTICE_PHASE = 0.45
"""A translation found by landmarks is refined on the crystal within so many cells."""
COMMON_SPACING_PX = 8.0
"""Stands for the lattice constant where there is none, binned px."""
SEVERAL = 2
"""One landmark alone may come or go by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A mean with the lattice it shows."""

    mean: StoredMean
    """What was seen."""
    basis_px: FloatArray | None
    """(2, 2) lattice vectors (x, y), sample pixels; None without a lattice."""
    defects_px: FloatArray
    """(n, 2) known defects (x, y), sample pixels: landmarks before the mean shows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How the sample coordinates of a new segment lie in those of an old one."""

    to_old: Affine
    """From new to old sample coordinates, px."""
    overlap: float
    """Share of the smaller field that both have seen."""
    certain: bool
    """False: a lattice slip, or another place, cannot be excluded."""
    contradicted: bool
    """Landmarks that should be here are not: this is another place."""
    landmarks: int
    """Seen again."""


def best_match(old: Seen, new: Seen, guesses: Sequence[Affine]) -> Match | None:
    """The best founded match of several guesses of scale, rotation and place.

    None where no guess maps one lattice onto the other.
    """
    found = [match for guess in guesses if (match := _match(old, new, guess)) is not None]
    return max(found, key=lambda m: (m.certain, m.landmarks), default=None)


def _match(old: Seen, new: Seen, guess: Affine) -> Match | None:
    fitted = _fitted(old.basis_px, new.basis_px, guess)
    if fitted is None:
        return None
    canvas = old.mean.to_sample
    basis = None if old.basis_px is None else old.basis_px @ np.linalg.inv(canvas.linear).T
    on_canvas = canvas.inverse.after(fitted).after(new.mean.to_sample)
    known = landscape(old.mean, Affine.scaling(1, 1), basis, canvas.inverse.apply(old.defects_px))
    fresh = landscape(new.mean, on_canvas, basis, np.zeros((0, 2)))
    cell = COMMON_SPACING_PX if basis is None else float(np.hypot(*basis.T).min())
    expected = fresh.corner - known.corner
    place, said, certain, crystal = _place(known, fresh, expected, cell)
    smaller = min(float(fresh.known.sum()), float(old.mean.field_px))
    return Match(
        to_old=Affine(fitted.linear, fitted.origin + canvas.linear @ (place - expected)),
        overlap=min(1.0, crystal.overlap_at(place) / max(smaller, 1.0)),
        certain=certain,
        contradicted=not certain and _speaks_against(said),
        landmarks=said.shared,
    )


def _place(
    old: Landscape, new: Landscape, expected: FloatArray, cell: float
) -> tuple[FloatArray, Agreement, bool, Correlation]:
    """Translation (x, y), what speaks for it, whether it is certain, and the crystal's map."""
    crystal = correlated((old.image, old.known), (new.image, new.known))
    marks = correlated((old.rest, old.judged), (new.rest, new.judged))
    least = LEAST_OVERLAP * min(float(old.known.sum()), float(new.known.sum()))
    at_home = [marks.best_near(expected, EXPECTED_CELLS * cell), expected]
    elsewhere = list(marks.peaks(least, 0.7 * cell, CANDIDATES))
    refined = [crystal.best_near(p, LATTICE_PHASE * cell) for p in (*at_home, *elsewhere)]
    judged = [(place, agreement(old, new, place)) for place in refined]
    convincing = [entry for entry in judged if _convinces(entry, expected, cell)]
    if convincing:
        place, said = max(convincing, key=lambda entry: entry[1].shared * entry[1].weight)
        return place, said, True, crystal
    return *judged[1], False, crystal


def _convinces(entry: tuple[FloatArray, Agreement], expected: FloatArray, cell: float) -> bool:
    place, said = entry
    near = float(np.hypot(*(place - expected))) < EXPECTED_CELLS * cell
    return said.convincing if near else said.compelling


def _speaks_against(said: Agreement) -> bool:
    """Little of what was seen is here, or much is here that was not seen."""
    return said.lost + said.new >= SEVERAL and said.lost + said.new > 2 * said.shared


def _fitted(old: FloatArray | None, new: FloatArray | None, guess: Affine) -> Affine | None:
    """`guess` with the scale, rotation and shear that map one lattice onto the other."""
    if old is None or new is None:
        return guess
    mapped = new @ guess.linear.T
    whole = np.round(mapped @ np.linalg.inv(old))
    misfit = np.hypot(*(mapped - whole @ old).T).max() / np.hypot(*old.T).min()
    if abs(round(float(np.linalg.det(whole)))) != 1 or misfit > SAME_LATTICE:
        return None
    return Affine((np.linalg.inv(new) @ whole @ old).T, guess.origin)
