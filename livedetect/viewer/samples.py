"""Sample data for napari's File menu, from the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np

from livedetect.stream.registry import open_source
from livedetect.types import Frame

_SPEC = "sim:mos2?size=256&frames=60&seed=1&damage_from=12"


def mos2_stack() -> list[tuple[Any, dict[str, Any], str]]:
    """Sixty frames (T, y, x) of MoS2 that loses atoms from frame 12 on."""
    frames = [item.data for item in open_source(_SPEC) if isinstance(item, Frame)]
    stack = np.stack(frames)
    limits = [float(level) for level in np.percentile(stack[:12], (0.5, 99.8))]
    options = {"name": "MoS2 under the beam", "colormap": "gray", "contrast_limits": limits}
    return [(stack, options, "image")]
