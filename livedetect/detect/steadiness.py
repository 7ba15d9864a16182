"""Signs that the operator works: sharpness that changes fast, pauses, jumps, crowds."""

from __future__ import annotations

import statistics
from collections import deque
from typing import Any, Literal

import numpy as np

from livedetect.detect.arrays import FloatArray
from livedetect.detect.frame_rows import FrameRows
from livedetect.types import Frame

FAST_CHANGE = 0.2
"""Change of the logarithm of the sharpness against the last frames that is no slow drift."""
LONGEST_FREEZE_FRAMES = 30
"""What goes on changing for so long is how this stream is, not somebody at the focus."""
STEADY_SPREAD = 0.12
STEADY_FRAMES = 4
EVERYWHERE_SHARE = 0.6
"""Of the change that is unusual of the whole: half of the parts must show more, the same way."""
TELLING_PARTS = 3
"""Fewer say nothing of where a change is."""
FOLLOWING = 0.3
"""Share of the latest frame in what counts as usual."""
LONG_PAUSE = 5.0
"""In usual intervals between frames."""
SHORTEST_PAUSE_S = 0.5
USUAL_FRAMES = 5
"""Frames after which it is known what is usual."""
JUMP_CELLS = 0.1
JUMP_USUAL = 6.0
JUMP_INFLUENCE = 3.0
"""Part of the limit that an innovation counts for at most."""
CROWD = 8
"""New defects in one frame that a beam seldom makes at once, and a field that has moved does."""
CROWD_PATIENCE_FRAMES = 12
"""A check of the place has just been passed: what it held back may come as a crowd."""

Optics = Literal["", "changing", "steady"]


class Sharpness:
    """Contrast of neighbouring pixels relative to the mean, followed from frame to frame.

    The covariance of horizontal neighbours holds no noise, and divided by the squared mean
    no gain; it falls with the width of the probe. A hole that opens changes it too, but in
    some parts of the frame only.
    """

    def __init__(self) -> None:
        self.changing = False
        """True from the first unusual frame until the sharpness is steady again."""
        self.value = 0.0
        """Of the latest frame, dimensionless."""
        self.frozen_frames = 0
        """How long the latest change has lasted."""
        self._usual: float | None = None
        self._usual_parts: FloatArray | None = None  # (16,) logarithms
        self._frames = 0
        self._recent: deque[float] = deque(maxlen=STEADY_FRAMES)
        self._tolerance = FAST_CHANGE
        self._lowest = self._highest = 0.0

    def step(self, frame: FrameRows) -> Optics:
        """Take in a frame; what begins or ends with it, if anything."""
        self.value = frame.sharpness()
        if self.value <= 0:
            return ""
        now, parts = float(np.log(self.value)), np.log(frame.sharpness_of_parts())
        self._recent.append(now)
        if self.changing:
            return self._wait(now, parts)
        usual = now if self._usual is None else self._usual
        usual_parts = parts if self._usual_parts is None else self._usual_parts
        self._frames += 1
        unusual = abs(now - usual) > self._tolerance and self._frames > 1
        if unusual and self._is_everywhere(parts - usual_parts, now - usual):
            self.changing, self.frozen_frames = True, 1
            self._lowest, self._highest = min(now, usual), max(now, usual)
            self._recent.clear()
            return "changing"
        self._usual = usual + FOLLOWING * (now - usual)
        following = usual_parts + FOLLOWING * (parts - usual_parts)
        self._usual_parts = np.where(np.isfinite(following), following, parts)
        return ""

    def said(self, turn: Optics) -> dict[str, Any]:
        """What an event says of the change."""
        reason = "the sharpness is steady again"
        if turn == "changing":
            reason = "the sharpness changes fast: nothing is learnt or confirmed meanwhile"
        return {
            "reason": reason,
            "sharpness": self.value,
            "frozen_frames": self.frozen_frames,
        }

    def _is_everywhere(self, change: FloatArray, whole: float) -> bool:
        """Whether the `change` of the parts (16,) goes with that of the `whole`."""
        told = change[np.isfinite(change)]
        if len(told) < TELLING_PARTS:
            return True
        return float(np.median(told * np.sign(whole))) > EVERYWHERE_SHARE * self._tolerance

    def _wait(self, now: float, parts: FloatArray) -> Optics:
        self.frozen_frames += 1
        self._lowest, self._highest = min(now, self._lowest), max(now, self._highest)
        spread = max(self._recent) - min(self._recent)
        if self.frozen_frames >= LONGEST_FREEZE_FRAMES:
            self._tolerance = max(self._tolerance, self._highest - self._lowest)
        elif len(self._recent) < STEADY_FRAMES or spread > STEADY_SPREAD:
            return ""
        self.changing = False
        self._usual, self._usual_parts = now, parts
        return "steady"


class Pace:
    """The time between frames, and whether one was much longer than usual."""

    def __init__(self) -> None:
        self._latest: tuple[int, float] | None = None
        self._intervals: deque[float] = deque(maxlen=15)

    def paused(self, frame: Frame) -> bool:
        """Whether `frame` comes after a pause; missing frames are none."""
        interval, pause = self._interval(frame), self.would_pause(frame)
        self._latest = (frame.index, frame.time_s)
        if interval is not None and not pause:
            self._intervals.append(interval)
        return pause

    def would_pause(self, frame: Frame) -> bool:
        """As `paused`, of a frame that is not complete yet: nothing is noted."""
        interval = self._interval(frame)
        usual = statistics.median(self._intervals) if self._intervals else 0.0
        if interval is None or len(self._intervals) < USUAL_FRAMES or usual <= 0:
            return False
        return interval > max(LONG_PAUSE * usual, usual + SHORTEST_PAUSE_S)

    def _interval(self, frame: Frame) -> float | None:
        """Time since the latest frame over the number of frames, s; None without one before."""
        if self._latest is None or frame.index <= self._latest[0]:
            return None
        return (frame.time_s - self._latest[1]) / (frame.index - self._latest[0])

    def forget(self) -> None:
        """Other scan settings have another pace; the latest frame stays known."""
        self._intervals.clear()


class Jumps:
    """The drift that no prediction explains, and whether one frame's was unusual."""

    def __init__(self) -> None:
        self._square = 0.0
        self._frames = 0

    def step(self, innovation_px: float, cell_px: float) -> bool:
        """Whether a frame with this innovation may lie elsewhere."""
        limit = self.limit_px(cell_px)
        self._frames += 1
        jump = self._frames > USUAL_FRAMES and innovation_px > limit
        share = max(FOLLOWING / 3, 1 / self._frames)
        # one jump must not make the next one usual; many together do
        square = min(innovation_px, limit / JUMP_INFLUENCE) ** 2
        self._square += share * (square - self._square)
        return jump

    def limit_px(self, cell_px: float) -> float:
        """Innovation beyond which a frame may lie elsewhere, px."""
        return max(JUMP_CELLS * cell_px, JUMP_USUAL * float(np.sqrt(self._square)))


class Floods:
    """So many new defects in one frame that the field may have moved instead."""

    def __init__(self) -> None:
        self._trusted_frames = 0

    def step(self, newcomers: int) -> bool:
        """Whether the newcomers of one frame are to be doubted."""
        self._trusted_frames = max(0, self._trusted_frames - 1)
        return newcomers >= CROWD and not self._trusted_frames

    def trust(self) -> None:
        """The place has been checked: crowds are believed for a while."""
        self._trusted_frames = CROWD_PATIENCE_FRAMES
