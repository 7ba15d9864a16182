"""The ideal observer: knows the crystal, the scan and the detector, and looks for known changes.

No detector can know as much. For every change that one column can undergo it correlates the
residual of a frame with the noise-free difference that the change makes, at the place where the
column really is in that frame: the matched filter. Its figures bound what can be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livedetect_simulators.crystal import Channel, Crystal
from livedetect_simulators.defects import hollows
from livedetect_simulators.detector import in_electrons, variance_of
from livedetect_simulators.imaging import Imaging
from livedetect_simulators.probe import profile_tables
from livedetect_simulators.scan import ScanPath
from livedetect_simulators.spec import SimulationSettings

DIRECTIONS = 8
"""Into which a displaced column is looked for."""
MARGIN_A = 0.5
"""Places nearer to the frame's edge are not looked at, in lattice constants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Everything that can happen to one column: a column appears here, one is lost there."""

    place: NDArray[np.float64]
    """(N, 2) where the change counts as being, px of the specimen."""
    gained: NDArray[np.float64]
    """(N, 3) column x, y, brightness that is there afterwards."""
    lost: NDArray[np.float64]
    """(N, 3) column x, y, brightness that was there before."""
    either_sign: NDArray[np.bool_]
    """(N,) whether the opposite change can happen as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one frame says about every change."""

    shown: NDArray[np.float64]
    """(N, 2) where the change would appear in the frame, px."""
    projection: NDArray[np.float64]
    """(N,) correlation of the residual with the expected difference, over the variance."""
    information: NDArray[np.float64]
    """(N,) variance of `projection` without the change: d'² of the change; 0 out of view."""
    third: NDArray[np.float64]
    """(N,) third cumulant of `projection` without the change, from Poisson's law."""


class IdealObserver:
    """Matched filters for the frames of one simulation.

    Parameters
    ----------
    settings, imaging, path : of the simulation.
    changes : what is looked for.
    expected : (H, W) electrons expected in a frame if nothing had been born.
    """

    def __init__(
        self,
        settings: SimulationSettings,
        imaging: Imaging,
        path: ScanPath,
        changes: Changes,
        expected: Callable[[int], NDArray[np.float32]],
    ) -> None:
        self._settings = settings
        self._imaging = imaging
        self._path = path
        self.changes = changes
        self._expected = expected

    def look(self, index: int, data: NDArray[np.generic]) -> Evidence:
        """Evidence of frame `index` with the reported values (H, W) `data`."""
        electrons = in_electrons(data, self._settings)
        expected = self._expected(index)
        # the beam flickers from frame to frame
        expected = expected * np.float32(electrons.sum() / expected.sum())
        weight = np.float32(1) / variance_of(expected, self._settings)
        seen = self._seen(index)
        sums = np.zeros((len(seen), 3))
        tables, widths = profile_tables(self._imaging.probe(index))
        changes = [self._columns(c[seen], index) for c in (self.changes.gained, self.changes.lost)]
        pairs = np.stack(changes, axis=1)
        residual = (electrons - expected) * weight
        sums[seen] = _correlated(residual, weight, pairs, self._path.rows(index), tables, widths)
        return Evidence(
            shown=self._path.shown(self.changes.place, index),
            projection=sums[:, 0],
            information=sums[:, 1],
            third=sums[:, 2],
        )

    def _seen(self, index: int) -> NDArray[np.bool_]:
        place = self.changes.place + self._path.drift(index)
        margin = MARGIN_A * self._settings.a_px
        high = np.array(self._settings.shape[::-1]) - 1 - margin
        return np.asarray(((place >= margin) & (place <= high)).all(axis=1))

    def _columns(self, columns: NDArray[np.float64], index: int) -> NDArray[np.float64]:
        """(M, 3) where columns lie without the rows' shifts, and their electrons."""
        xy = self._path.warped(columns[:, :2], index)
        return np.column_stack([xy, columns[:, 2] * self._imaging.electrons_per_brightness])


def possible_changes(crystal: Crystal, channels: Sequence[Channel]) -> Changes:
    """All that `channels` can do to the columns of `crystal`."""
    parts = [
        _brightness(crystal, [c for c in channels if c.kind not in ("adatom", "displaced")]),
        _adatoms(crystal, [c for c in channels if c.kind == "adatom"]),
        _displacements(crystal, [c for c in channels if c.kind == "displaced"]),
    ]
    return Changes(
        place=np.concatenate([part.place for part in parts]),
        gained=np.concatenate([part.gained for part in parts]),
        lost=np.concatenate([part.lost for part in parts]),
        either_sign=np.concatenate([part.either_sign for part in parts]),
    )


def _brightness(crystal: Crystal, channels: Sequence[Channel]) -> Changes:
    """Columns that become brighter or darker; by how much is all the same to a matched filter."""
    xy = crystal.xy[_hosts(crystal, channels)]
    gained = np.column_stack([xy, np.ones(len(xy))])
    lost = np.column_stack([xy, np.zeros(len(xy))])
    return Changes(place=xy, gained=gained, lost=lost, either_sign=np.ones(len(xy), bool))


def _adatoms(crystal: Crystal, channels: Sequence[Channel]) -> Changes:
    xy = hollows(crystal)[_hosts(crystal, channels)]
    gained = np.column_stack([xy, np.full(len(xy), crystal.type.adatom)])
    lost = np.column_stack([xy, np.zeros(len(xy))])
    return Changes(place=xy, gained=gained, lost=lost, either_sign=np.zeros(len(xy), bool))


def _displacements(crystal: Crystal, channels: Sequence[Channel]) -> Changes:
    hosts = _hosts(crystal, channels)
    before = np.column_stack([crystal.xy, crystal.brightness])[hosts]
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    steps = crystal.type.displacement * crystal.a_px * np.array([np.cos(angles), np.sin(angles)]).T
    lost = np.repeat(before, DIRECTIONS, axis=0)
    gained = lost.copy()
    gained[:, :2] += np.tile(steps, (len(before), 1))
    return Changes(
        place=lost[:, :2], gained=gained, lost=lost, either_sign=np.zeros(len(lost), bool)
    )


def _hosts(crystal: Crystal, channels: Sequence[Channel]) -> NDArray[np.bool_]:
    return np.asarray(np.isin(crystal.sublattice, [channel.sublattice for channel in channels]))


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def _correlated(
    residual: NDArray[np.float32],
    weight: NDArray[np.float32],
    pairs: NDArray[np.float64],
    shifts: NDArray[np.float64],
    tables: NDArray[np.float32],
    widths: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(M, 3) sums of s r/v, s^2/v and s^3/v^2 over the pixels, s being the difference of `pairs`.

    `residual` is r/v and `weight` 1/v, (H, W) each; `pairs` (M, 2, 3) columns gained and lost.
    """
    rows, cols = residual.shape
    phases, taps = tables.shape[1] - 1, tables.shape[2]
    reach = (taps - 2) // 2
    sums = np.zeros((pairs.shape[0], 3))
    apart = np.abs(pairs[:, 0, 0] - pairs[:, 1, 0]).max() if len(pairs) else 0.0
    width = taps + int(np.ceil(apart)) + 1
    difference = np.zeros(width, np.float32)
    for k in range(pairs.shape[0]):
        y_gained, y_lost = pairs[k, 0, 1], pairs[k, 1, 1]
        near = min(max(int(y_gained), 0), rows - 1)
        top = int(np.floor(min(y_gained, y_lost) + shifts[near, 1])) - reach
        bottom = int(np.floor(max(y_gained, y_lost) + shifts[near, 1])) + reach + 2
        for i in range(max(0, top), min(rows, bottom)):
            left = int(np.floor(min(pairs[k, 0, 0], pairs[k, 1, 0]) + shifts[i, 0])) - reach
            difference[:] = 0
            for which in range(2):
                x, y, amplitude = pairs[k, which, 0], pairs[k, which, 1], pairs[k, which, 2]
                if amplitude == 0:
                    continue
                if which == 1:
                    amplitude = -amplitude
                dy = i - y - shifts[i, 1]
                core = np.float32(amplitude * widths[0, 1] * np.exp(-dy * dy * widths[0, 0]))
                halo = np.float32(amplitude * widths[1, 1] * np.exp(-dy * dy * widths[1, 0]))
                place = x + shifts[i, 0]
                whole = int(np.floor(place))
                phase = int((place - whole) * phases + 0.5)
                offset = whole - reach - left
                for j in range(taps):
                    difference[offset + j] += (
                        core * tables[0, phase, j] + halo * tables[1, phase, j]
                    )
            for j in range(max(0, -left), min(len(difference), cols - left)):
                s, v = difference[j], weight[i, left + j]
                sums[k, 0] += s * residual[i, left + j]
                sums[k, 1] += s * s * v
                sums[k, 2] += s * s * s * v * v
    return sums
