"""livedetect: marks beam-induced defects in atomic-resolution STEM frames as they form.

Exports are lazy, so that ``import livedetect`` stays fast and needs no optional package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livedetect.detect.detector import Detector as Detector
    from livedetect.detect.integration import Integrator as Integrator
    from livedetect.detect.integration import engine_for as engine_for
    from livedetect.errors import LivedetectError as LivedetectError
    from livedetect.settings import Settings as Settings
    from livedetect.stream.registry import open_source as open_source
    from livedetect.types import Calibration as Calibration
    from livedetect.types import DefectEvent as DefectEvent
    from livedetect.types import Event as Event
    from livedetect.types import Frame as Frame
    from livedetect.types import FrameResult as FrameResult
    from livedetect.types import Gap as Gap
    from livedetect.types import Phase as Phase
    from livedetect.types import RegionEvent as RegionEvent

_EXPORTS = {
    "Calibration": "livedetect.types",
    "DefectEvent": "livedetect.types",
    "Detector": "livedetect.detect.detector",
    "Event": "livedetect.types",
    "Frame": "livedetect.types",
    "FrameResult": "livedetect.types",
    "Gap": "livedetect.types",
    "Integrator": "livedetect.detect.integration",
    "LivedetectError": "livedetect.errors",
    "Phase": "livedetect.types",
    "RegionEvent": "livedetect.types",
    "Settings": "livedetect.settings",
    "engine_for": "livedetect.detect.integration",
    "open_source": "livedetect.stream.registry",
}

__all__ = ["__version__", *sorted(_EXPORTS)]  # noqa: PLE0604 - names of the lazy exports

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'livedetect' has no attribute {name!r}")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
