"""Whether the frames are independent, or running averages of a live view.

An average over frames brings old noise along: the residual of one pixel then resembles that
of the frame before. Time windows gain less from such frames than from independent ones, and
no rate of false markers can be promised.
"""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray

DEPENDENT = 0.1
"""Correlation of successive frames from which on they are no longer taken as independent."""
OUTLYING = 4.0
"""Standard deviations at which a difference is clipped: births are not noise."""
FEWEST_FRAMES = 5
SPARSE = 3
"""Every so many samples along each axis suffice."""
MOST_SAMPLES = 40_000
"""Correlations are then known to half a per cent."""
CLIPPED_NORMAL = 0.9989
"""Mean of z² clipped at 16 for a normal z."""


def frame_correlations(values: FloatArray, covered: BoolArray) -> FloatArray:
    """Correlation of the noise of frames 0, 1, 2, ... apart, (lags,), negative ones as 0.

    What is static drops out of differences. The noise itself is that of the frames farthest
    apart; a running mean longer than half the warm-up is therefore underestimated.

    Parameters
    ----------
    values : (K, P, Q) residuals of the warm-up frames.
    covered : (K, P, Q) where they hold data.
    """
    count = len(values)
    everywhere = np.asarray(covered.all(axis=0))[::SPARSE, ::SPARSE]
    if count < FEWEST_FRAMES or not everywhere.any():
        return np.ones(1)
    few = np.flatnonzero(everywhere)
    few = few[:: -(-len(few) // MOST_SAMPLES)]
    noise = values[:, ::SPARSE, ::SPARSE].reshape(count, -1).take(few, axis=1)
    noise = noise - np.median(noise, axis=1, keepdims=True)
    scatter = np.array([_scatter(noise[lag:] - noise[:-lag]) for lag in range(1, count)])
    far = float(np.median(scatter[len(scatter) // 2 :]))
    correlations = np.clip(1 - scatter[: len(scatter) // 2] / max(far, 1e-30), 0, 1)
    dependent = np.append(correlations > DEPENDENT, False)
    correlations[int(dependent.argmin()) :] = 0
    return np.concatenate([[1.0], correlations])


def averaged_frames(correlations: FloatArray) -> int:
    """Frames that a plain running mean with these correlations would run over, 1 for none."""
    return max(1, round(1 / max(1 - _first(correlations), 0.02)))


def are_dependent(correlations: FloatArray) -> bool:
    """True if successive frames share notable noise."""
    return _first(correlations) > DEPENDENT


def averaging_warning(correlations: FloatArray) -> tuple[str, ...]:
    """What to tell the user; nothing if the frames are independent."""
    if not are_dependent(correlations):
        return ()
    length = max(2, averaged_frames(correlations))
    return (
        f"successive frames share noise (correlation {_first(correlations):.2f}), as running "
        f"means over about {length} frames do: no rate of false markers "
        "can be promised and defects show later; send the frames as they are acquired",
    )


def excess_variance(correlations: FloatArray, frames: int) -> float:
    """Variance of the mean of `frames` frames, relative to that of independent ones."""
    lags = np.arange(1, min(frames, len(correlations)))
    return float(1 + 2 * ((1 - lags / frames) * correlations[lags]).sum())


def _first(correlations: FloatArray) -> float:
    return float(correlations[1]) if len(correlations) > 1 else 0.0


def _scatter(differences: FloatArray) -> float:
    """Mean square, outliers clipped."""
    squares = differences**2
    rough = float(np.median(squares)) / 0.4549
    return float(np.minimum(squares, OUTLYING**2 * rough).mean()) / CLIPPED_NORMAL
