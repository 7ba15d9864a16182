"""A defect that hops to a neighbouring site is one defect that has moved, not two.

It shows itself as a new marker beside a known defect of the same kind whose own signal is
gone in the very same time window. Where the frames do not say so clearly, it is a birth.
"""

from __future__ import annotations

import numpy as np

from livedetect.detect.arrays import FloatArray
from livedetect.detect.method import Candidate, Method
from livedetect.detect.tracking import Defect, Tracker

HOP_RADIUS = 1.9
"""In merge radii: 1.26 lattice constants of a honeycomb, the next site of its sublattice."""
CLEAR = 5.0
"""Expected signal, noise standard deviations, from which the lack of it means something."""
GONE = 0.4
"""Share of the expected signal below which it is gone, and above which it is there."""
LONGEST_WINDOW = 8


def hopped(candidate: Candidate, tracker: Tracker, method: Method) -> Defect | None:
    """The known defect that now stands at the place of a new `candidate`, if one does."""
    reach = HOP_RADIUS * tracker.merge_radius_px
    near = [
        defect
        for defect in tracker.newcomers()
        if np.hypot(*(defect.position - candidate.position)) < reach
    ]
    for defect in near:
        places = np.stack([defect.position, candidate.position])
        there, here = method.signal(places, candidate.window_frames)
        expected = _expected(defect, candidate.window_frames)
        power = float(expected @ expected)
        if power < CLEAR**2 or not np.isfinite([*there, *here]).all():
            continue
        if float(there @ expected) < GONE * power < float(here @ expected):
            return defect
    return None


def move(defect: Defect, candidate: Candidate, frame: int) -> None:
    """From now on `defect` stands where `candidate` is."""
    defect.left, defect.moved_frame = defect.position, frame
    defect.position, defect.candidate = candidate.position, candidate
    defect.last_seen_frame = frame
    defect.signature, defect.looks, defect.weak_frames = None, 0, 0


def _expected(defect: Defect, window_frames: int) -> FloatArray:
    """(d,) what a defect that is still there shows in a window.

    Its signature is the mean of the first looks at it, while the longest window filled.
    """
    if defect.signature is None:
        return np.zeros(1)
    filled = (defect.looks + 1) / (2 * LONGEST_WINDOW)
    return np.asarray(defect.signature / filled * np.sqrt(window_frames / LONGEST_WINDOW))
