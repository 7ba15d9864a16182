"""The crystal lattice, found in the power spectrum of the first frames.

Real-space basis vectors are rows (x, y) in pixels, reciprocal ones rows in cycles per
pixel, so that ``basis @ reciprocal.T`` is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import fft, ndimage

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.errors import LatticeNotFoundError

MAX_FREQUENCY = 0.46
"""Cycles per pixel beyond which a peak is more likely scan noise than crystal."""
MIN_PERIODS = 6
"""A period must fit this often into the frame to count as lattice."""
MIN_PEAKS = 3
LOW_ORDER = 2
"""A crystal shows reflections along its short vectors, at least in one of these orders."""
NO_MORE = 0.02
"""Of the reflections' amplitude: a finer lattice that explains no more than this is none."""
GRAINS_SHARE, GRAIN_SHARE = 0.85, 0.25
"""Of what one lattice explains, that two grains must explain together to take its place, and each
of them without the other."""
COARSER = 1.5
"""Times the reciprocal cell of their common lattice that of a grain has at least."""
ALIKE = 0.12
"""Of the longer vector's square, by which lattices of two grains of a strained crystal differ."""
PEAK_TO_BACKGROUND = 6.0
REFINED_FRAMES = 6
"""So many place the reflections to a few hundredths of a Fourier bin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """A two-dimensional lattice and the Bragg reflections the frames really show."""

    basis_px: FloatArray
    """(2, 2), rows a1, a2 as (x, y), the two shortest lattice vectors, px."""
    reciprocal: FloatArray
    """(2, 2), rows b1, b2 as (x, y), cycles per px."""
    indices: IntArray
    """(n, 2) Miller indices of the reflections used, strongest first."""

    @property
    def wavevectors(self) -> FloatArray:
        """(n, 2) reflections as (x, y), cycles per px."""
        return self.indices @ self.reciprocal

    @property
    def constant_px(self) -> float:
        """Length of the shortest lattice vector, px."""
        return float(np.hypot(*self.basis_px.T).min())


@dataclass(frozen=True, slots=True)
class _Peaks:
    frequency: FloatArray  # (n, 2) as (x, y), cycles per px
    power: FloatArray  # (n,)


def find_lattice(frames: Sequence[FloatArray]) -> Lattice:
    """Lattice of `frames`.

    Parameters
    ----------
    frames : (H, W) float arrays of one crystal, registered or not.

    Raises
    ------
    LatticeNotFoundError
        Fewer than three reflections rise above six times their local background.
    """
    peaks = _bragg_peaks(_mean_power(frames), frames[0].shape)
    if len(peaks.power) < MIN_PEAKS:
        raise LatticeNotFoundError(
            f"only {len(peaks.power)} Bragg reflections stand out of the background"
        )
    reciprocal = _reciprocal_basis(peaks)
    indices = _index(peaks, reciprocal)
    if len(indices) < MIN_PEAKS or np.linalg.matrix_rank(indices) < 2:
        raise LatticeNotFoundError("the Bragg reflections found do not span a lattice")
    for step in (0.25, 0.08):
        reciprocal = _refine(frames, reciprocal, indices, step)
    return _reduced(reciprocal, indices)


def hann_window(shape: tuple[int, ...]) -> FloatArray:
    """Separable Hann window (H, W), float32."""
    down, across = (np.hanning(length).astype(np.float32) for length in shape)
    return np.outer(down, across)


def _mean_power(frames: Sequence[FloatArray]) -> FloatArray:
    """Mean Hann-windowed power spectrum, rows centred on zero frequency, smoothed by 1 bin."""
    window = hann_window(frames[0].shape)
    power = np.zeros((frames[0].shape[0], frames[0].shape[1] // 2 + 1), np.float32)
    flat = np.empty_like(window)
    for frame in frames:
        np.subtract(frame, frame.mean(), out=flat)
        flat *= window
        spectrum = fft.rfft2(flat)
        np.square(spectrum.real, out=spectrum.real)
        np.square(spectrum.imag, out=spectrum.imag)
        power += spectrum.real
        power += spectrum.imag
    return ndimage.gaussian_filter(fft.fftshift(power, axes=0), 1.0)


def _bragg_peaks(power: FloatArray, shape: tuple[int, ...], count: int = 24) -> _Peaks:
    """Local maxima at least `PEAK_TO_BACKGROUND` above the radial median, strongest first."""
    height, width = shape
    ky = fft.fftshift(fft.fftfreq(height))[:, None].astype(np.float32)
    kx = fft.rfftfreq(width)[None, :].astype(np.float32)
    radius = np.sqrt(ky**2 + kx**2)
    bins = (radius * min(shape)).astype(np.int32)
    background = ndimage.median_filter(_medians(power, bins), 9)
    contrast = power / np.maximum(background, np.finfo(np.float32).tiny)[bins]
    contrast[(bins < MIN_PERIODS) | (radius > MAX_FREQUENCY)] = 0
    contrast[:, kx[0] == 0] *= ky >= 0  # a real frame shows each reflection on both sides
    rows, cols = np.nonzero(contrast > PEAK_TO_BACKGROUND)
    highest = _is_highest(contrast, rows, cols)
    rows, cols = rows[highest], cols[highest]
    order = np.argsort(-power[rows, cols])[:count]
    order = order[power[rows, cols][order] > 2e-3 * power[rows, cols].max(initial=0)]
    rows, cols = rows[order], cols[order]
    frequency = np.stack(
        [
            (cols + _parabola_offset(power, rows, cols, axis=1)) / width,
            (rows + _parabola_offset(power, rows, cols, axis=0) - height // 2) / height,
        ],
        axis=1,
    )
    return _Peaks(frequency, power[rows, cols].astype(float))


def _medians(power: FloatArray, bins: IntArray) -> FloatArray:
    """(n,) median of the power (H, W), none of it negative, of every bin (H, W).

    One sort of whole numbers does it: the bin above, the power's bits, which are in the order
    of the numbers, below.
    """
    keys = bins.astype(np.uint64).ravel() << np.uint64(32)
    keys |= power.astype(np.float32).ravel().view(np.uint32)
    keys.sort()
    count = np.bincount(bins.ravel())
    first = np.cumsum(count) - count
    middle = np.stack([first + (count - 1) // 2, first + count // 2])
    found = (keys[middle] & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32)
    return np.asarray(found.mean(axis=0))


def _is_highest(values: FloatArray, rows: IntArray, cols: IntArray) -> BoolArray:
    """(n,) True for places whose value (H, W) nothing within three places exceeds."""
    steps = np.indices((7, 7)).reshape(2, -1, 1) - 3
    near = [
        np.clip(at + step, 0, length - 1)
        for at, step, length in zip((rows, cols), steps, values.shape, strict=True)
    ]
    return np.asarray(values[rows, cols] >= values[near[0], near[1]].max(axis=0))


def _parabola_offset(power: FloatArray, rows: IntArray, cols: IntArray, axis: int) -> FloatArray:
    """Sub-bin position of maxima, from a parabola through the logarithms of three bins."""
    step = (1, 0) if axis == 0 else (0, 1)
    last = np.array(power.shape) - 1
    before, centre, after = (
        np.log(
            power[
                np.clip(rows + off * step[0], 0, last[0]), np.clip(cols + off * step[1], 0, last[1])
            ].astype(float)
            + np.finfo(float).tiny
        )
        for off in (-1, 0, 1)
    )
    curvature = before - 2 * centre + after
    safe = np.where(curvature < 0, curvature, -1.0)
    return np.where(curvature < 0, 0.5 * (before - after) / safe, 0.0).clip(-0.5, 0.5)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A pair of reflections and what of all the reflections' amplitude its lattice explains."""

    pair: FloatArray  # (2, 2)
    explained: BoolArray  # (n,)
    share: float
    area: float


def _reciprocal_basis(peaks: _Peaks) -> FloatArray:
    """The pair of reflections that explains most peaks with the largest reciprocal cell."""
    choices = _choices(peaks)
    if not choices:
        raise LatticeNotFoundError("all Bragg reflections lie on one line")
    most = max(choice.share for choice in choices)
    as_good = [choice for choice in choices if choice.share >= most - NO_MORE]
    best = max(as_good, key=lambda choice: choice.area)
    best = _stronger_grain(best, choices, np.sqrt(peaks.power))
    whole = np.round(peaks.frequency[best.explained] @ np.linalg.inv(best.pair))
    return _shortest(np.linalg.lstsq(whole, peaks.frequency[best.explained], rcond=None)[0])


def _choices(peaks: _Peaks) -> list[_Choice]:
    """All lattices that pairs of strong reflections span and show."""
    weight = np.sqrt(peaks.power)
    found = []
    for first, second in combinations(range(min(len(weight), 12)), 2):
        pair = peaks.frequency[[first, second]]
        area = abs(float(np.linalg.det(pair)))
        if area < 0.15 * np.prod(np.hypot(*pair.T)):
            continue
        explained = _explained(peaks.frequency, pair)
        if _shows(peaks.frequency[explained], _shortest(pair)):
            share = float(weight[explained].sum() / weight.sum())
            found.append(_Choice(pair, explained, share, area))
    return found


def _stronger_grain(best: _Choice, choices: list[_Choice], weight: FloatArray) -> _Choice:
    """The lattice of one grain where two, turned against each other, are all that `best` explains.

    Grains that share some of their sites have a common lattice, which is that of none of them. A
    crystal with a larger cell has no second set of strong reflections of the same shape.
    """
    held = np.where(best.explained, weight, 0.0) / weight[best.explained].sum()
    coarser = [
        choice
        for choice in choices
        if choice.area > COARSER * best.area and choice.explained.sum() >= MIN_PEAKS
    ]
    coarser.sort(key=lambda choice: (-round(choice.share, 2), -choice.area))
    for one, other in combinations(coarser, 2):
        alone = [
            held[grain.explained & ~beside.explained].sum()
            for grain, beside in ((one, other), (other, one))
        ]
        together = held[one.explained | other.explained].sum()
        two = together >= GRAINS_SHARE and min(alone) >= GRAIN_SHARE
        if two and _alike(one.pair, other.pair):
            return one
    return best


def _alike(one: FloatArray, other: FloatArray) -> bool:
    """Whether two pairs of vectors (rows) span lattices of the same shape and size."""
    gram = [np.abs(pair @ pair.T) for pair in (_shortest(one), _shortest(other))]
    shapes = [np.array([*np.sort(np.diag(entry)), entry[0, 1]]) for entry in gram]
    return bool(np.abs(shapes[0] - shapes[1]).max() < ALIKE * shapes[0][1])


def _explained(frequency: FloatArray, pair: FloatArray, tolerance: float = 0.12) -> BoolArray:
    index = frequency @ np.linalg.inv(pair)
    return np.asarray((np.abs(index - np.round(index)) < tolerance).all(axis=1))


def _shows(frequency: FloatArray, reciprocal: FloatArray) -> bool:
    """Whether reflections (n, 2) of low order span a reciprocal lattice, given by short vectors.

    A fine enough lattice holds the reflections of two grains, nearly, but shows none of its own.
    """
    index = np.round(frequency @ np.linalg.inv(reciprocal)).astype(np.int64)
    order = np.abs(index).max(axis=1, initial=0)
    low = (order > 0) & (order <= LOW_ORDER)
    h, k = np.array([entry // np.gcd.reduce(entry) for entry in index[low]]).reshape(-1, 2).T
    short = (np.abs(h) <= 1) & (np.abs(k) <= 1)
    determinants = np.multiply.outer(h[short], k[short])
    return bool((np.abs(determinants - determinants.T) == 1).any())


def _shortest(basis: FloatArray) -> FloatArray:
    """Gauss-Lagrange reduction of two vectors (rows)."""
    first, second = basis
    for _ in range(16):
        if first @ first > second @ second:
            first, second = second, first
        shift = np.round(second @ first / (first @ first))
        if shift == 0:
            break
        second = second - shift * first
    return np.stack([first, second])


def _index(peaks: _Peaks, reciprocal: FloatArray, count: int = 8) -> IntArray:
    """Miller indices of the `count` strongest reflections that fit the lattice."""
    fits = _explained(peaks.frequency, reciprocal)
    indices = np.round(peaks.frequency[fits] @ np.linalg.inv(reciprocal)).astype(np.int64)
    indices = indices[np.abs(indices).sum(axis=1) > 0]
    sign = np.where((indices[:, 0] < 0) | ((indices[:, 0] == 0) & (indices[:, 1] < 0)), -1, 1)
    _, first_use = np.unique(indices * sign[:, None], axis=0, return_index=True)
    return np.asarray(indices[np.sort(first_use)][:count])


def _refine(
    frames: Sequence[FloatArray], reciprocal: FloatArray, indices: IntArray, step: float
) -> FloatArray:
    """Fit a paraboloid to the log power around each reflection (zoom DFT of `step` bins)."""
    shape = np.array(frames[0].shape)[::-1]
    guesses = indices @ reciprocal
    powers = _zoom_powers(frames, guesses, step)
    moved = [_paraboloid_peak(np.log(power)) * step / shape for power in powers]
    refined = guesses + np.array(moved)
    return np.asarray(np.linalg.lstsq(indices.astype(float), refined, rcond=None)[0])


def _zoom_powers(frames: Sequence[FloatArray], centres: FloatArray, step: float) -> FloatArray:
    """(n, 5, 5) power around `centres` (n, 2), `step` Fourier bins apart, summed over frames.

    Hann-windowed; the rows of all reflections are one matrix product.
    """
    height, width = frames[0].shape
    waves = [
        np.exp(-2j * np.pi * np.multiply.outer(near, np.arange(length))) * np.hanning(length)
        for near, length in (
            (centre[:, None] + np.arange(-2, 3) * step / length, length)
            for centre, length in zip(centres.T, (width, height), strict=True)
        )
    ]
    across, down = waves[0], waves[1].reshape(-1, height)
    real = np.concatenate([down.real, down.imag]).astype(np.float32)
    power = np.zeros((len(centres), 5, 5))
    for frame in frames[:REFINED_FRAMES]:
        lines = real @ (frame - frame.mean())
        lines = (lines[: len(down)] + 1j * lines[len(down) :]).reshape(-1, 5, width)
        power += np.abs(lines @ across.transpose(0, 2, 1)) ** 2
    return power


def _paraboloid_peak(values: FloatArray) -> FloatArray:
    """Peak (x, y) of a quadratic fitted to a (5, 5) array, in samples from its centre."""
    y, x = np.mgrid[-2:3, -2:3].reshape(2, -1)
    design = np.stack([np.ones(25), x, y, x * x, y * y, x * y], axis=1)
    c = np.linalg.lstsq(design, values.ravel(), rcond=None)[0]
    hessian = np.array([[2 * c[3], c[5]], [c[5], 2 * c[4]]])
    if np.linalg.det(hessian) <= 0 or c[3] >= 0:
        return np.zeros(2)
    return -np.linalg.solve(hessian, c[1:3]).clip(-2.5, 2.5)


def _reduced(reciprocal: FloatArray, indices: IntArray) -> Lattice:
    """Express the lattice in its two shortest real-space vectors, right-handed in (x, y)."""
    basis = _shortest(np.linalg.inv(reciprocal).T)
    if np.linalg.det(basis) < 0:
        basis[1] = -basis[1]
    new_reciprocal = np.linalg.inv(basis).T
    vectors = indices @ reciprocal
    new_indices = np.round(vectors @ np.linalg.inv(new_reciprocal)).astype(np.int64)
    return Lattice(
        basis_px=basis, reciprocal=np.ascontiguousarray(new_reciprocal), indices=new_indices
    )
