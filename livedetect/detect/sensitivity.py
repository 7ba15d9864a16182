"""What can be seen at the present signal: frames that a defect of each kind needs.

From the filters, the noise and the thresholds of this very session. A defect of
information d'² per frame is found at even odds once ``n d'² / (1 + n / K)`` exceeds the
square of the deviate that the false-marker budget asks for; K frames carry the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from livedetect.detect.judgement import Judgement
from livedetect.detect.kernels.maps import WINDOWS

STATED = ("vacancy", "half_vacancy", "displaced", "adatom", "antisite")


def frames_needed(
    judgement: Judgement, site_probability: float, baseline_frames: float, noise: float = 1.0
) -> Mapping[str, int | None]:
    """Frames by kind, at the site of the cell where the kind is hardest to see.

    Parameters
    ----------
    site_probability : of a false marker, per site and frame.
    baseline_frames : number of frames that the baseline rests on.
    noise : variance of the noise relative to the warm-up frames.

    Returns
    -------
    None for a kind that the longest time window does not show reliably.
    """
    needed: dict[str, int | None] = {}
    demanded = judgement.deviate_at(site_probability)
    for kind, information in judgement.filters.information.items():
        if kind in STATED:
            demand = demanded["displaced" if kind == "displaced" else "height"]
            needed[kind] = _frames(information / noise, demand, baseline_frames)
    return needed


def _frames(information: float, deviate: float, baseline_frames: float) -> int | None:
    for frames in range(1, WINDOWS[-1] + 1):
        gathered = frames * information / (1 + frames / baseline_frames)
        if np.sqrt(gathered) >= deviate:
            return frames
    return None
