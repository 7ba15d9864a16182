"""Frames of a session as napari wants them: a stack that is read from disk frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.errors import SourceError
from livedetect.stream.recording import Recording
from livedetect.viewer.recorded_timeline import Timeline

_PERCENTILES = (0.5, 99.8)
_CONTRAST_FRAMES = 6
_SAMPLES = 65_536


class FrameStack:
    """Frames (T, y, x) of one array of a session, as many as the slider has steps.

    Where a step belongs to another array, or its pixels are lost, the frame is empty. Slices
    like an array; only the frames that are asked for are read.
    """

    def __init__(self, recording: Recording, timeline: Timeline, array: str) -> None:
        self.recording = recording
        """Where the pixels are read; renewed while the session grows."""
        self._timeline = timeline
        self.array = array
        """Name of the array in the session directory."""
        self.dtype, self._frame_shape = recording.frames.layout(array)
        self.ndim = 3
        self.problems: dict[int, str] = {}
        """Why frames could not be read, by step."""
        self.low, self.high = self._contrast()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, rows and columns."""
        rows, columns = self._frame_shape[:2]
        return max(1, len(self._timeline.steps)), int(rows), int(columns)

    @property
    def size(self) -> int:
        """Number of pixels of all frames."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice):
            chosen = range(*first.indices(len(self)))
            return np.stack([self.frame(step)[tuple(rest)] for step in chosen])
        step = int(first)
        found = self.frame(step + len(self) if step < 0 else step)
        return np.asarray(found[tuple(rest)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All frames at once, for whoever insists."""
        return np.asarray(self[:], dtype=dtype)

    def frame(self, step: int) -> NDArray[Any]:
        """Pixels (y, x) of a step; at the lower end of the contrast where there are none."""
        if 0 <= step < len(self._timeline.steps):
            row = self._timeline.steps[step].row
            if row.array == self.array:
                try:
                    return self.recording.pixels(row)
                except SourceError as error:
                    self.problems[step] = str(error)
        return np.full(self.shape[1:], self.low, dtype=self.dtype)

    def _contrast(self) -> tuple[float, float]:
        """Levels of the first frames, which then stay: changes must not change the display."""
        self.low, self.high = 0.0, 1.0
        steps = (n for n, step in enumerate(self._timeline.steps) if step.row.array == self.array)
        chosen = [step for step, _ in zip(steps, range(_CONTRAST_FRAMES), strict=False)]
        levels = [_levels(self.frame(step)) for step in chosen]
        low, high = np.median(levels, axis=0) if levels else (0.0, 1.0)
        return float(low), float(high) if high > low else float(low) + 1.0


def _levels(data: NDArray[Any]) -> tuple[float, float]:
    step = max(1, int(np.sqrt(data.size / _SAMPLES)))
    sample = data[::step, ::step]
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, _PERCENTILES) if sample.size else (0.0, 1.0)
    return float(low), float(high)
