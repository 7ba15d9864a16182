"""What a place can be recognised by: all that is not periodic in a mean of the crystal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from livedetect.detect.affine import Affine
from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.stored_mean import StoredMean

LANDMARK = 7.0
"""Standard deviations of the noisier mean by which a landmark stands out."""
SEEN_AGAIN = 0.35
"""Share of a landmark's signal at which it is taken to be there again."""
HELD_CELLS = 0.6
ECHO = 0.35
"""Share of a landmark that the mean over neighbouring cells takes elsewhere, at most."""
ECHO_CELLS = 1.3
SMOOTHING_CELLS = 0.12
HIGH_PASS_PX = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """A mean laid out on some canvas, with and without the crystal."""

    image: FloatArray
    """(h, w) the mean itself."""
    known: BoolArray
    """(h, w) where it has data."""
    rest: FloatArray
    """(h, w) what is not periodic, in the units of `image`."""
    judged: BoolArray
    """(h, w) where `rest` means something."""
    noise: float
    """Standard deviation of the noise of `rest`."""
    held: BoolArray
    """(h, w) around defects that are known to be there, however new they are."""
    corner: FloatArray
    """(2,) (x, y) of the first pixel on the canvas."""


def landscape(
    mean: StoredMean, to_canvas: Affine, basis: FloatArray | None, defects: FloatArray
) -> Landscape:
    """`mean` laid out on a canvas.

    Parameters
    ----------
    defects : (n, 2) known defects as (x, y) on the canvas, px.
    to_canvas : from the mean's own pixels to those of the canvas.
    basis : (2, 2) lattice vectors (x, y) on the canvas, px; None without a lattice.
    """
    halves, known, corner = _laid_out(mean, to_canvas)
    rests = [_aperiodic(half, known, basis) for half in halves]
    judged = rests[0][1]
    first, second = rests[0][0], rests[1][0]
    apart = np.abs(first - second)[judged] if judged.any() else np.ones(1)
    noise = max(1.4826 * float(np.median(apart)) / 2, 1e-12)
    return Landscape(
        image=halves.mean(axis=0),
        known=known,
        rest=_without_echoes((first + second) / 2 * judged, basis),
        judged=judged,
        noise=noise,
        held=_around(defects - corner, known.shape, basis),
        corner=corner,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Landmarks of two landscapes in what both have seen."""

    shared: int
    """Seen in both."""
    lost: int
    """Seen in the old one only."""
    new: int
    """Seen in the new one only."""
    weight: float
    """Common signal over all signal, 0 to 1."""

    @property
    def convincing(self) -> bool:
        """Most of what was seen is seen again."""
        return self.shared > 0 and self.weight > 0.4 and self.shared >= self.lost + self.new

    @property
    def compelling(self) -> bool:
        """So much is seen again that it may be where it was not expected."""
        return self.shared > 1 and self.weight > 0.5 and self.shared >= 2 * (self.lost + self.new)


def agreement(old: Landscape, new: Landscape, place: FloatArray) -> Agreement:
    """Compare landmarks with `new` laid over `old`, moved by (x, y) canvas pixels."""
    a, b, held = _common(old, new, np.round(place).astype(int))
    if a.size == 0:
        return Agreement(shared=0, lost=0, new=0, weight=0.0)
    same = np.sign(a) == np.sign(b)
    low, high = np.minimum(np.abs(a), np.abs(b)) * same, np.maximum(np.abs(a), np.abs(b))
    limit = LANDMARK * max(old.noise, new.noise)
    marked = high > limit
    found = (marked & (low > SEEN_AGAIN * high)) | (held & (np.abs(b) > limit))
    touched = ndimage.binary_dilation(found, iterations=3)
    return Agreement(
        shared=_count(found),
        lost=_count((np.abs(a) > limit) & ~touched),
        new=_count((np.abs(b) > limit) & ~touched),
        weight=float(low[marked].sum() / max(float(high[marked].sum()), 1e-12)),
    )


def _common(
    old: Landscape, new: Landscape, place: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Both rests where both are judged, 0 elsewhere; `new` starts at pixel `place` of `old`.

    Third, where `old` holds known defects.
    """
    spans = []
    for axis, first in enumerate((int(place[1]), int(place[0]))):
        low = max(first, 0)
        high = max(low, min(first + new.rest.shape[axis], old.rest.shape[axis]))
        spans.append((slice(low, high), slice(low - first, high - first)))
    (a_rows, b_rows), (a_cols, b_cols) = spans
    both = old.judged[a_rows, a_cols] & new.judged[b_rows, b_cols]
    held = old.held[a_rows, a_cols] & both
    return old.rest[a_rows, a_cols] * both, new.rest[b_rows, b_cols] * both, held


def _around(places: FloatArray, shape: tuple[int, ...], basis: FloatArray | None) -> BoolArray:
    """(h, w) True within `HELD_CELLS` of places (n, 2)."""
    cell = HIGH_PASS_PX if basis is None else float(np.hypot(*basis.T).min())
    marks = np.zeros(shape, bool)
    cols, rows = np.round(places).astype(int).T
    inside = (rows >= 0) & (cols >= 0) & (rows < shape[0]) & (cols < shape[1])
    marks[rows[inside], cols[inside]] = True
    return np.asarray(ndimage.binary_dilation(marks, iterations=max(1, round(HELD_CELLS * cell))))


def _count(marked: BoolArray) -> int:
    """Connected patches, close ones taken together."""
    return int(ndimage.label(ndimage.binary_dilation(marked, iterations=2))[1])


def _laid_out(mean: StoredMean, place: Affine) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Both halves (2, h, w), where known, and the corner (x, y) on the canvas."""
    rows, cols = np.nonzero(mean.known)
    edges = np.array([(x, y) for x in (cols.min(), cols.max()) for y in (rows.min(), rows.max())])
    corners = place.apply(edges.astype(float))
    corner = np.floor(corners.min(axis=0))
    width, height = (np.ceil(corners.max(axis=0)) - corner).astype(int) + 1
    back = place.inverse
    matrix = np.ascontiguousarray(back.linear[::-1, ::-1])
    offset = back.apply(corner[None])[0][::-1]
    shape = (int(height), int(width))
    halves = [
        ndimage.affine_transform(half, matrix, offset, shape, order=3) for half in mean.halves
    ]
    inside = mean.known.astype(np.float32)
    known = ndimage.affine_transform(inside, matrix, offset, shape, order=1) > 0.99
    return np.stack(halves) * known, known, corner


def _aperiodic(
    image: FloatArray, known: BoolArray, basis: FloatArray | None
) -> tuple[FloatArray, BoolArray]:
    """What neighbouring cells do not share, and where it is known."""
    if basis is None:
        inside = ndimage.binary_erosion(known, iterations=round(HIGH_PASS_PX))
        smooth = ndimage.gaussian_filter(image, HIGH_PASS_PX)
        return (ndimage.gaussian_filter(image, 1.0) - smooth) * inside, inside
    steps = [step for vector in _short_vectors(basis) for step in (vector, -vector)]
    coefficients = ndimage.spline_filter(image.astype(np.float64), order=3)
    rest, inside = image.astype(np.float64), known.copy()
    for x, y in steps:
        rest -= ndimage.shift(coefficients, (y, x), order=3, prefilter=False) / len(steps)
        inside &= _moved(known, round(float(x)), round(float(y)))
    inside = ndimage.binary_erosion(inside)
    sigma = SMOOTHING_CELLS * float(np.hypot(*basis.T).min())
    return ndimage.gaussian_filter(rest * inside, sigma) * inside, inside


def _without_echoes(rest: FloatArray, basis: FloatArray | None) -> FloatArray:
    """`rest` without the echoes that a strong landmark leaves one cell away."""
    if basis is None:
        return rest
    size = np.abs(rest)
    reach = 2 * round(ECHO_CELLS * float(np.hypot(*basis.T).max())) + 1
    return rest * (size >= ECHO * ndimage.maximum_filter(size, reach))


def _short_vectors(basis: FloatArray) -> list[FloatArray]:
    """The two lattice vectors, and the third of a hexagonal lattice."""
    sides = np.hypot(*basis.T)
    third = min((basis[0] - basis[1], basis[0] + basis[1]), key=lambda v: float(np.hypot(*v)))
    extra = [third] if np.hypot(*third) < 1.2 * sides.max() else []
    return [basis[0], basis[1], *extra]


def _moved(known: BoolArray, x: int, y: int) -> BoolArray:
    result = np.zeros_like(known)
    height, width = known.shape
    to_rows, to_cols = slice(max(y, 0), height + min(y, 0)), slice(max(x, 0), width + min(x, 0))
    rows, cols = slice(max(-y, 0), height + min(-y, 0)), slice(max(-x, 0), width + min(-x, 0))
    result[to_rows, to_cols] = known[rows, cols]
    return result
