"""What an operator is shown of one defect, so that it can be believed or dismissed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

INSPECTION_SAMPLES = 64
"""Edge of the pictures of an `Inspection`, in samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One place of the specimen before and after; pictures are (y, x), float32, equal extent."""

    defect_id: int
    """The defect in their middle."""
    frame: int
    """Index of the latest frame that went into `after`."""
    x_px: float
    """Position in that frame, px."""
    y_px: float
    """Position in that frame, px."""
    edge_px: float
    """Extent of the pictures in pixels of the frame."""
    before: NDArray[np.float32]
    """(n, n) registered mean of the warm-up frames, data units; NaN where not seen."""
    after: NDArray[np.float32]
    """(n, n) registered mean of the last frames, data units; NaN where not seen."""
    residual: NDArray[np.float32] | None
    """(n, n) z of the deciding time window, NaN where not judged; None: the method has none."""
    frames_before: int
    """Frames in `before`."""
    frames_after: int
    """Frames in `after`."""
    window_frames: int
    """Length of the deciding time window."""


@runtime_checkable
class Inspectable(Protocol):
    """An engine that can show what it has found; a few milliseconds, between two frames."""

    def inspect(self, defect_id: int) -> Inspection:
        """Raises `SettingsError` for a defect that is not known or not in view."""
        ...
