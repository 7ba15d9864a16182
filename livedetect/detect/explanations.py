"""What made a patch: the kind of defect that explains it best, and where that lies.

The sites of a cell have hypotheses of their own. They are laid out alike for all sites, in
blocks of one kind, so that the patches of a frame are explained together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray, IntArray
from livedetect.detect.kernels import COMPILED, form

MOST_SURE = 0.95
"""Other kinds than these exist, and columns that are no Gaussians: a kind remains a hint."""
LOCATING = 3
"""Rows of the filters that estimate a height, and height x place (x, y)."""


class Site(Protocol):
    """What is known of one site of the cell; d samples of a patch, k hypotheses."""

    kinds: list[str]
    likely: FloatArray
    cost: FloatArray
    locating: FloatArray
    place_noise2: FloatArray
    spread_px: float


class Explanations:
    """Of patches at any site of the cell; noise units, one column of one patch at a time."""

    def __init__(self, sites: Sequence[Site]) -> None:
        names = sorted({kind for site in sites for kind in site.kinds})
        widths = [max(site.kinds.count(name) for site in sites) for name in names]
        self._names = names
        self._starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
        self._displaced = np.repeat([name == "displaced" for name in names], widths)
        places = [self._layout(site.kinds) for site in sites]
        length = int(sum(widths))
        self._filters = np.stack(
            [
                np.concatenate([padded(site.locating.T, LOCATING), _at(site.likely.T, at, length)])
                for site, at in zip(sites, places, strict=True)
            ]
        )
        self._cost = np.full((len(sites), length), np.inf)
        for cost, site, at in zip(self._cost, sites, places, strict=True):
            cost[at] = site.cost
        self._place_noise2 = np.stack([site.place_noise2 for site in sites])
        self._spread_px = np.array([site.spread_px for site in sites])

    def kinds(
        self, z: FloatArray, sublattice: IntArray, frames: IntArray
    ) -> list[tuple[str, float]]:
        """Most probable kind of patches (n, d) over `frames` (n,), and its probability.

        `sublattice` (n,) are their sites of the cell. All kinds count as equally likely
        beforehand; what explains nothing is ``unknown``.
        """
        if not len(z):
            return []
        length = frames[:, None]
        outputs = self._outputs(z, sublattice)[:, LOCATING:]
        support = np.sqrt(length) * outputs - length * self._cost[sublattice]
        strongest = np.maximum.reduceat(support, self._starts, axis=1)
        best, most = strongest.argmax(axis=1), strongest.max(axis=1)
        share = 1 / np.exp(strongest - most[:, None]).sum(axis=1)
        return [
            (self._names[index], round(min(probable, MOST_SURE), 3))
            if explains > 0
            else ("unknown", 0.0)
            for index, probable, explains in zip(
                best.tolist(), share.tolist(), most.tolist(), strict=True
            )
        ]

    def places(self, z: FloatArray, sublattice: IntArray) -> FloatArray:
        """(n, 2) best estimate of where the change in patches (n, d) lies, px from the site.

        One Gauss-Newton step, drawn to the site as far as the noise asks for it. A column
        that has moved is told by its own place.
        """
        outputs = self._outputs(z, sublattice)
        height, moved = outputs[:, :1], outputs[:, 1:LOCATING]
        noise2 = self._place_noise2[sublattice] / np.maximum(height**2, 1e-12)
        step = np.where(height == 0, 0, moved / np.where(height == 0, 1, height))
        spread = self._spread_px[sublattice, None]
        step = step * spread**2 / (spread**2 + noise2)
        length = np.hypot(step[:, :1], step[:, 1:])
        step = step * np.minimum(1.0, 2 * spread / np.maximum(length, 1e-12))
        moves = self._has_moved(outputs[:, LOCATING:] - self._cost[sublattice])
        return np.where(moves[:, None], 0.0, step)

    def _outputs(self, z: FloatArray, sublattice: IntArray) -> FloatArray:
        """(n, 3 + k) of the filters of each patch's site."""
        return form(COMPILED).filtered(z, sublattice, self._filters)

    def _has_moved(self, support: FloatArray) -> BoolArray:
        """(n,) True where a displacement explains best what `support` (n, k) says."""
        best = support.argmax(axis=1)
        return np.asarray(self._displaced[best] & (support.max(axis=1) > 0))

    def _layout(self, kinds: Sequence[str]) -> list[int]:
        """Where each of a site's hypotheses stands among those of all sites."""
        starts = dict(zip(self._names, self._starts.tolist(), strict=True))
        return [starts[kind] + kinds[:index].count(kind) for index, kind in enumerate(kinds)]


def padded(values: FloatArray, length: int) -> FloatArray:
    """float32 `values` with zeros behind them along the first axis, `length` in all."""
    return _at(values, list(range(len(values))), length)


def _at(values: FloatArray, places: Sequence[int], length: int) -> FloatArray:
    """(length, ...) float32 zeros with `values` at `places`."""
    laid_out = np.zeros((length, *values.shape[1:]), np.float32)
    laid_out[places] = values
    return laid_out
