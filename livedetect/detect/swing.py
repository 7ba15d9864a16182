"""How the drift changes while a frame is scanned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livedetect.detect.arrays import FloatArray
from livedetect.detect.left_out import Remaining
from livedetect.detect.row_moments import rows_down, turns

SWING_SIGMA = 3.0
SWING_PX = 1.0
"""Less than this may as well come from the specimen: on real frames small swings are no motion."""
MISFIT_INFLUENCE = 4.0
"""Of what is usual, by which one frame may count at most."""
NARROWEST = 3.0
"""Times that the rows which remain may be nearer to each other, as a mean square, than all rows:
what the distortion is wrong by is taken for a swing that is larger by as much."""


class Swing:
    """How the drift changes within a frame: the turn of the Bragg phases from row to row.

    A displacement that grows along the rows by w turns the phase of reflection k by
    -2 pi k.w over the frame; the first moment of its rows tells by how much.
    """

    def __init__(self, window: FloatArray, vectors: FloatArray) -> None:
        """Rows are weighted with `window` (H,); `vectors` (n, 2) are the reflections."""
        self._down = rows_down(len(window)).astype(np.float32)
        self._inertia = float((window * self._down**2).sum() / window.sum())
        self._vectors = vectors
        self._solution: FloatArray | None = None

    def learn(
        self, terms: Sequence[FloatArray], amplitudes: Sequence[FloatArray], root: FloatArray
    ) -> None:
        """Note what is usual, from the rows' terms (H, n) of the `amplitudes` (n,).

        `root` (n,) are the weights of the reflections.
        """
        seen = [self._turn(*pair) for pair in zip(terms, amplitudes, strict=True)]
        self._usual = np.median(seen, axis=0)
        if len(self._vectors) <= 2:
            return
        weighted = self._vectors * root[:, None]
        self._solution = np.linalg.pinv(weighted) * root
        self._spread = np.sqrt(np.diag(np.linalg.inv(weighted.T @ weighted)))
        self._root = root
        self._misfit2 = float(np.mean([self._fit(self._usual - turn)[1] for turn in seen]))

    def step(
        self, terms: FloatArray, amplitude: FloatArray, remaining: Remaining | None = None
    ) -> FloatArray:
        """(x, y) change of the drift over the frame against what is usual, px.

        Parameters
        ----------
        terms : (H, n) what each row adds to the reflections.
        amplitude : (n,) their sum.
        remaining : where rows are missing, a distortion turns the phases by something else than
            usual, and a swing by more (if they lay in the middle) or less.
        """
        if self._solution is None:
            return np.zeros(2)
        usual, inertia, share = self._usual, self._inertia, 1.0
        if remaining is not None:
            usual, inertia = usual + remaining.turn, remaining.inertia
            share = float(np.abs(remaining.share).mean())
        narrow = self._inertia / max(inertia, 1e-12)
        if narrow > NARROWEST:
            return np.zeros(2)
        swing, misfit2 = self._fit(usual - self._turn(terms, amplitude))
        # a frame without the crystal must not hide what the next ones show
        misfit2 = min(share**2 * misfit2, MISFIT_INFLUENCE * self._misfit2)
        self._misfit2 += 0.1 * (misfit2 - self._misfit2)
        swing = swing / inertia
        error = self._spread * np.sqrt(self._misfit2) / (share * inertia)
        large = np.abs(swing) > np.maximum(SWING_SIGMA * error, SWING_PX * max(1.0, narrow))
        return np.where(large, swing, 0.0)

    def _fit(self, turned: FloatArray) -> tuple[FloatArray, float]:
        """Change of the drift (2,) times the inertia, and mean square of what it does not explain.

        `turned` (n,) is in cycles, times the inertia.
        """
        swing = self._solution @ turned
        misfit = (turned - self._vectors @ swing) * self._root
        return swing, float((misfit**2).sum() / (len(misfit) - 2))

    def _turn(self, terms: FloatArray, amplitude: FloatArray) -> FloatArray:
        """See `row_moments.turns`."""
        return turns(self._down @ terms, amplitude)
