"""From warm-up frames to a model, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import numpy as np

from livedetect.detect.admit import clipped_fraction
from livedetect.detect.announce import Stamp, View, defect_event
from livedetect.detect.arrays import FloatArray
from livedetect.detect.book import DefectBook
from livedetect.detect.crystal_model import CrystalModel, native_placement
from livedetect.detect.default_method import lattice_method
from livedetect.detect.kernels import why_plain
from livedetect.detect.method import Method, PhaseInView
from livedetect.detect.patterson import PattersonMethod
from livedetect.detect.scan_setting import ScanSetting
from livedetect.detect.semantic import SemanticMethod
from livedetect.detect.stored_mean import StoredMean
from livedetect.detect.tracking import SHADOW_AT_START, Tracker
from livedetect.detect.watch import outside_warnings
from livedetect.errors import LatticeNotFoundError
from livedetect.settings import Settings
from livedetect.types import Event, Frame

MethodFactory = Callable[[Sequence[FloatArray], Settings, float | None], Method]

METHODS: Mapping[str, MethodFactory] = {
    "lattice": lattice_method,
    "patterson": PattersonMethod,
    "semantic": SemanticMethod,
}
CLIPPED_SHARE = 0.05


def fit(frames: Sequence[FloatArray], settings: Settings, setting: ScanSetting) -> CrystalModel:
    """The method the user chose, or the Patterson branch where there is no lattice.

    `frames` are float32 (H, W), all of one scan `setting`.
    """
    fallback = False
    try:
        method = METHODS[settings.method](frames, settings, setting.dwell_us)
    except (LatticeNotFoundError, np.linalg.LinAlgError):  # or none that anything fits to
        fallback = True
        method = PattersonMethod(frames, settings, setting.dwell_us)
    basis = method.lattice_px
    cell_px = None if basis is None else float(np.hypot(*basis.T).min())
    return CrystalModel(
        method=method,
        setting=setting,
        mean=StoredMean.of(frames, method.warm_up_shifts, cell_px),
        placement=native_placement(setting),
        fallback=fallback,
    )


def learn(frames: Sequence[Frame], settings: Settings) -> CrystalModel:
    """`fit` to frames as they came."""
    return fit(Pixels(frames), settings, ScanSetting.of(frames[-1]))


class Pixels(Sequence[FloatArray]):
    """Frames as float32 (H, W), each converted when it is asked for: all at once are too much."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._frames)

    @overload
    def __getitem__(self, index: int) -> FloatArray: ...

    @overload
    def __getitem__(self, index: slice) -> Pixels: ...

    def __getitem__(self, index: int | slice) -> FloatArray | Pixels:
        """A frame, or some of them."""
        if isinstance(index, slice):
            return Pixels(self._frames[index])
        return self._frames[index].data.astype(np.float32)


def model_values(
    model: CrystalModel, warm_up: Sequence[Frame], settings: Settings, dose: float | None
) -> dict[str, Any]:
    """Values of `model_ready`, `dose` being that of the area in e/Å²."""
    pixel = model.setting.pixel_size_nm
    lattice = model.method.lattice_px
    return {
        "frames_used": len(warm_up),
        "first_frame": warm_up[0].index,
        "lattice_nm": None if lattice is None or pixel is None else (lattice * pixel).tolist(),
        "lattice_px": None if lattice is None else lattice.tolist(),
        "sites": model.method.sites,
        "false_markers_per_1000_frames": settings.false_markers_per_1000_frames,
        "fallback": model.fallback,
        "method": "patterson" if model.fallback else settings.method,
        "threshold": model.method.threshold,
        "sensitivity": dict(model.method.sensitivity()),
        "dose_used_e_per_A2": dose,
        "drift_px": np.round(model.method.shift + model.drift_origin_px, 3).tolist(),
        "phases": _phases(model),
        "frame_correlation": model.method.findings().frame_correlation,
        "warnings": _warnings(model, warm_up, settings),
    }


def first_defects(
    model: CrystalModel,
    warm_up: Sequence[Frame],
    tracker: Tracker,
    book: DefectBook,
    stamp: Stamp,
    view: View,
) -> list[Event]:
    """What the warm-up frames themselves held and the area did not know yet."""
    events: list[Event] = []
    for first, candidate in model.method.in_warm_up():
        for fresh in tracker.unknown([candidate]):
            defect = book.enter(tracker, fresh, warm_up[first].index, stamp.frame)
            events.append(
                defect_event("defect_confirmed", defect, stamp, view, during_warm_up=True)
            )
    # the rim of a region that has grown is a boundary as well, and no news
    known = sum(defect.region_id is not None for defect in tracker.active)
    extended = () if model.succeeds else model.method.findings().extended
    for region in extended[known:]:
        events += book.region(tracker, region, stamp, view, at_start=True)
    held = tracker.unknown(model.method.at_start())
    for candidate in tracker.unexplained(held, stamp.frame, SHADOW_AT_START):
        first_frame = warm_up[0].index
        defect = book.enter(tracker, candidate, first_frame, stamp.frame, at_start=True)
        events.append(defect_event("defect_at_start", defect, stamp, view))
    return events


def _told_phases(model: CrystalModel) -> Sequence[PhaseInView]:
    """Those from the start: later ones are regions that have grown."""
    return () if model.succeeds else model.method.findings().phases


def _phases(model: CrystalModel) -> list[dict[str, Any]]:
    """Share and outlines, px of the latest frame, of every phase; nothing if there is one."""
    to_frame = model.method.to_frame
    return [
        {
            "share": phase.share,
            "polygons_px": [np.round(to_frame(line), 1).tolist() for line in phase.outlines],
        }
        for phase in _told_phases(model)
    ]


def _warnings(model: CrystalModel, warm_up: Sequence[Frame], settings: Settings) -> list[str]:
    clipped = max(clipped_fraction(frame.data) for frame in warm_up)
    warnings = [*outside_warnings(settings, warm_up[-1].data.shape)]
    if clipped > CLIPPED_SHARE:
        warnings.append(
            f"{100 * clipped:.0f} % of the pixels are clipped at black level, which hides "
            "vacancies: raise the detector's offset"
        )
    if model.fallback:
        warnings.append("no lattice found: watching by Patterson windows, less sensitively")
    phases = _told_phases(model)
    if phases:
        shares = ", ".join(f"{100 * phase.share:.0f} %" for phase in phases)
        warnings.append(
            f"{len(phases)} phases or domains in view ({shares}): each is watched as it is"
        )
    slow = why_plain()
    return [*warnings, *([slow] if slow else []), *model.method.findings().warnings]
