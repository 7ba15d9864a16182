"""How much of a defect's information the front-end keeps.

Registration, resampling, template and baseline lie between a frame and its residual. The best
linear test of residuals with mean change m and noise C has the information m' C⁻¹ m; the
simulator knows what the frame held, d'².
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from livedetect.detect.lattice_method import LatticeMethod
from livedetect.settings import Settings
from livedetect.types import SimulatedFrame, TrueDefect

FloatArray = NDArray[np.float64]

NEW_FRAMES = 8
"""From its birth on a defect is looked at for so long: later the baseline begins to hold it."""
PARTNER_CELLS = (-8, -4, 0, 4, 8)
"""Healthy sites so many cells away, along both axes, tell the noise."""
CLEAR_CELLS = 3.0
"""A partner has no defect nearer than this."""
RIDGE = 1e-3
"""Of the mean variance: smoothed residuals have directions without noise, and without meaning."""
HEALTHY_PER_SAMPLE = 10
"""Patches that a covariance needs, for each sample of a patch."""


@dataclass(slots=True)
class Patches:
    """Residuals (d,) of single frames, noise units, by place and frame."""

    changed: dict[int, dict[int, FloatArray]] = field(default_factory=dict)
    """Around defects of one kind."""
    healthy: dict[tuple[int, int], dict[int, FloatArray]] = field(default_factory=dict)
    """Around their partners."""
    held: dict[int, list[float]] = field(default_factory=dict)
    """d'² by defect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Information about the defects of one kind, per frame."""

    defects: int
    """Number of them."""
    residual: float
    """What the residuals hold, mean."""
    frame: float
    """What the frames held, mean d'²."""


def kept(stream: Iterable[SimulatedFrame]) -> dict[str, Kept]:
    """By kind of defect, of those born after the warm-up of `stream`.

    Raises `LatticeNotFoundError`.
    """
    settings, entries = Settings(), iter(stream)
    warm_up = list(itertools.islice(entries, settings.warm_up_frames))
    method = LatticeMethod([_float(entry) for entry in warm_up], settings)
    kinds: dict[str, Patches] = {}
    for entry in entries:
        method.score(_float(entry))
        _look(entry.truth, method, kinds)
        method.learn(np.zeros((0, 2)))
    found = {kind: _information(patches) for kind, patches in sorted(kinds.items())}
    return {kind: entry for kind, entry in found.items() if entry is not None}


def _float(entry: SimulatedFrame) -> NDArray[np.float32]:
    return entry.frame.data.astype(np.float32)


def _look(truth: Sequence[TrueDefect], method: LatticeMethod, kinds: dict[str, Patches]) -> None:
    """Take down the residuals around the youngest defects, and around their partners."""
    born = [defect for defect in truth if defect.snr2]
    if not born:
        return
    places = _sample_places(np.array([(entry.x_px, entry.y_px) for entry in born]), method)
    partners = _partners(places, method)
    for number, defect in enumerate(born):
        if not defect.in_view or defect.frame - defect.birth_frame >= NEW_FRAMES:
            continue
        patches = kinds.setdefault(defect.kind, Patches())
        around = method.signal(np.vstack([places[number], *partners[number]]), 1)
        if not np.isfinite(around[0]).all():
            continue
        name, frame = defect.defect_id, defect.frame
        patches.changed.setdefault(name, {})[frame] = around[0]
        patches.held.setdefault(name, []).append(float(defect.snr2 or 0.0))
        for partner, residual in enumerate(around[1:]):
            if np.isfinite(residual).all():
                patches.healthy.setdefault((name, partner), {})[frame] = residual


def _sample_places(in_frame: FloatArray, method: LatticeMethod) -> FloatArray:
    """Sample coordinates (n, 2) of pixels (n, 2) in the latest frame."""
    places = in_frame - method.shift
    for _ in range(3):  # what the warp adds changes little over its own length
        places = places - (method.to_frame(places) - in_frame)
    return places


def _partners(places: FloatArray, method: LatticeMethod) -> list[FloatArray]:
    """Equivalent sites (n, 2) of every place, away from all defects."""
    axes = method.lattice_px
    cells = [pair for pair in itertools.product(PARTNER_CELLS, repeat=2) if any(pair)]
    steps = np.array(cells) @ axes
    clear_px = CLEAR_CELLS * float(np.sqrt((axes**2).sum(axis=1)).max())
    found = []
    for place in places:
        sites = place + steps
        off = sites[:, None] - places
        near = np.sqrt((off**2).sum(axis=2)).min(axis=1) < clear_px
        found.append(sites[~near])
    return found


def _information(patches: Patches) -> Kept | None:
    """What the best linear test finds; None if there is too little noise to compare with.

    The two halves of a defect's frames have independent noise, so that products between them
    are free of it; what such a product is at healthy places, whose levels are known from few
    frames only, is no information.
    """
    noise = np.array([entry for seen in patches.healthy.values() for entry in seen.values()])
    pairs = [pair for seen in patches.changed.values() if (pair := _halves(seen))]
    beside = [pair for seen in patches.healthy.values() if (pair := _halves(seen))]
    if not pairs or len(noise) < HEALTHY_PER_SAMPLE * noise.shape[-1]:
        return None
    shapes, errors = _covariance(noise[::2]), _covariance(noise[1::2])
    inverse = np.linalg.inv(shapes + RIDGE * np.trace(shapes) / len(shapes) * np.eye(len(shapes)))
    signal = _product(pairs, inverse) - _product(beside, inverse)
    variance = inverse @ errors @ inverse
    power = _product(pairs, variance) - _product(beside, variance)
    return Kept(
        defects=len(pairs),
        residual=signal**2 / power,
        frame=float(np.mean([np.mean(entry) for entry in patches.held.values()])),
    )


def _covariance(noise: FloatArray) -> FloatArray:
    return np.asarray(np.cov(noise.T), float)


def _halves(seen: dict[int, FloatArray]) -> tuple[FloatArray, FloatArray] | None:
    """Means (d,) of every other frame, and of those between."""
    even, odd = ([seen[frame] for frame in seen if frame % 2 == part] for part in (0, 1))
    return (np.mean(even, axis=0), np.mean(odd, axis=0)) if even and odd else None


def _product(pairs: Sequence[tuple[FloatArray, FloatArray]], matrix: FloatArray) -> float:
    """Mean of first' `matrix` second."""
    return float(np.mean([first @ matrix @ second for first, second in pairs]))
