"""Sample data for napari's File menu, from the simulator."""

from __future__ import annotations

import atexit
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from livedetect.stream.registry import open_source
from livedetect.types import Frame

LayerData = tuple[Any, dict[str, Any], str]
_SPEC = "sim:{}?size=256&frames=60&seed=1&damage_from=12"


def mos2_stack() -> list[LayerData]:
    """Sixty frames (T, y, x) of MoS2 that loses atoms from frame 12 on."""
    return [_stack("mos2", "MoS2 under the beam")]


def ws2_stack() -> list[LayerData]:
    """Sixty frames (T, y, x) of WS2 that loses atoms from frame 12 on."""
    return [_stack("ws2", "WS2 under the beam")]


def mos2_session() -> list[LayerData]:
    """The frames of `mos2_stack`, analysed and recorded as a session in a temporary directory."""
    from livedetect.viewer.reader import read_session  # noqa: PLC0415 - it needs scipy

    return read_session(str(_recorded()))


def _stack(crystal: str, name: str) -> LayerData:
    frames = _frames(crystal)
    stack = np.stack([frame.data for frame in frames])
    limits = [float(level) for level in np.percentile(stack[:12], (0.5, 99.8))]
    options = {"name": name, "colormap": "gray", "contrast_limits": limits}
    return stack, options, "image"


def _frames(crystal: str) -> list[Frame]:
    return [item for item in open_source(_SPEC.format(crystal)) if isinstance(item, Frame)]


def _recorded() -> Path:
    """Analyse the sample as any other run; the directory goes when the program ends."""
    from livedetect.detect.detector import Detector  # noqa: PLC0415 - it needs scikit-learn
    from livedetect.stream.record import Recorder  # noqa: PLC0415
    from livedetect.stream.session import run_session  # noqa: PLC0415

    folder = tempfile.TemporaryDirectory(prefix="livedetect-sample-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    directory = Path(folder.name) / "mos2"
    recorder = Recorder(directory)
    source = open_source(_SPEC.format("mos2"), live=False)
    run_session(source, Detector(), taps=[recorder], sinks=[recorder])
    return directory
