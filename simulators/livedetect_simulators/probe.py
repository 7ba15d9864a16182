"""The probe: a Gaussian core with wider tails, spread over the pixels around each column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

PHASES = 128
"""Sub-pixel positions for which the probe is tabulated; errors stay below 0.004 px."""
REACH_SIGMAS = 3.2
TAIL_WIDTH = 2.0
"""Width of the tails relative to the core."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Intensity around a column, normalised to a sum of 1 over the pixels."""

    sigma_px: float
    """Standard deviation of the core, px."""
    tail: float
    """Share of the intensity in the tails."""

    @property
    def reach_px(self) -> int:
        """Beyond this distance the probe counts as zero, px."""
        return int(REACH_SIGMAS * TAIL_WIDTH * self.sigma_px) + 1


def add_columns(
    image: NDArray[np.float32],
    columns: NDArray[np.float64],
    shifts: NDArray[np.float64],
    probe: Probe,
) -> None:
    """Add the image of atomic columns to `image`.

    Parameters
    ----------
    image : (H, W) float32, changed in place.
    columns : (N, 3) float64, x and y in px and the summed intensity of each column.
    shifts : (H, 2) float64, displacement (x, y) in px of what each row shows.
    probe : shape of a column.
    """
    tables, widths = profile_tables(probe)
    _splat(image, columns, shifts, tables, widths)


@lru_cache(maxsize=64)
def profile_tables(probe: Probe) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Profiles along x (2, PHASES + 1, taps) and (2, 2) decay and height of those along y."""
    reach = probe.reach_px
    sigma = np.array([probe.sigma_px, TAIL_WIDTH * probe.sigma_px])
    share = np.array([1 - probe.tail, probe.tail])
    taps = np.arange(-reach, reach + 2)
    distance = taps[None, :] - np.linspace(0, 1, PHASES + 1)[:, None]
    height = 1 / (np.sqrt(2 * np.pi) * sigma)
    tables = height[:, None, None] * np.exp(-(distance**2) / (2 * sigma[:, None, None] ** 2))
    return tables.astype(np.float32), np.stack([1 / (2 * sigma**2), share * height], axis=1)


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def _splat(
    image: NDArray[np.float32],
    columns: NDArray[np.float64],
    shifts: NDArray[np.float64],
    tables: NDArray[np.float32],
    widths: NDArray[np.float64],
) -> None:
    rows, cols = image.shape
    phases = tables.shape[1] - 1
    taps = tables.shape[2]
    reach = (taps - 2) // 2
    for k in range(columns.shape[0]):
        x, y, amplitude = columns[k, 0], columns[k, 1], columns[k, 2]
        near = min(max(int(y), 0), rows - 1)
        middle = int(np.floor(y + shifts[near, 1]))
        for i in range(max(0, middle - reach), min(rows, middle + reach + 2)):
            dy = i - y - shifts[i, 1]
            core = np.float32(amplitude * widths[0, 1] * np.exp(-dy * dy * widths[0, 0]))
            halo = np.float32(amplitude * widths[1, 1] * np.exp(-dy * dy * widths[1, 0]))
            place = x + shifts[i, 0]
            whole = int(np.floor(place))
            phase = int((place - whole) * phases + 0.5)
            first = whole - reach
            low, high = max(0, -first), min(taps, cols - first)
            if high <= low:
                continue
            target = image[i, first + low : first + high]
            narrow = tables[0, phase, low:high]
            wide = tables[1, phase, low:high]
            for j in range(high - low):
                target[j] += core * narrow[j] + halo * wide[j]
