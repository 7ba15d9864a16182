"""The values that travel through livedetect: frames in, results and events out.

Everything here is immutable, keyword-only and free of behaviour beyond trivial
derivations. Arrays are indexed (y, x), C-contiguous and read-only. Positions named
``x_px``/``y_px`` count pixels of the frame they belong to, the centre of the first
pixel being (0, 0). A higher score is more anomalous, everywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livedetect.calibration import Calibration as Calibration  # noqa: PLC0414 - exported
from livedetect.jsonable import jsonable
from livedetect.true_defect import TrueDefect as TrueDefect  # noqa: PLC0414 - exported

RejectionReason = Literal["invalid", "suspect", "duplicate", "late", "skipped"]
Disposition = Literal["warm_up", "scored", "integrated", "pending", "none"] | RejectionReason


class Phase(StrEnum):
    """What the engine is doing; `stale` and `alarm` are separate flags of the session."""

    WAITING = "waiting"
    WARMING_UP = "warming_up"
    LIVE = "live"
    DRIFTED = "drifted"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One completed scan of one detector channel."""

    data: NDArray[Any]
    """Pixels (y, x), any real dtype, as received; read-only."""
    index: int
    """The source's index, from 0; gaps leave holes."""
    time_s: float = 0.0
    """Time since the source's first frame, s, from a monotonic clock where there is one."""
    calibration: Calibration = field(default_factory=Calibration)
    """How the frame was scanned."""
    stream: str = ""
    """Name of the channel, for example ``swift/HAADF``."""
    scan_id: str = ""
    """Frames of several channels of one scan share it; dose is counted once per scan."""
    saturation_value: float | None = None
    """Largest value the detector can report, in data units; None if unknown."""
    valid_rows: int | None = None
    """Rows really scanned; None or the height for a complete frame."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What else the source knew; scalars and strings only."""

    @classmethod
    def from_array(
        cls,
        array: ArrayLike,
        *,
        index: int = 0,
        time_s: float = 0.0,
        pixel_size_nm: float | None = None,
        calibration: Calibration | None = None,
    ) -> Frame:
        """Make a frame from a two-dimensional array.

        Parameters
        ----------
        array : (H, W) array of real numbers; it is copied.
        index : position in the stream, from 0.
        time_s : acquisition time since the first frame, s.
        pixel_size_nm : shorthand for ``Calibration(pixel_size_nm=...)``, checked like it.
        calibration : the full calibration; `pixel_size_nm`, if given, wins over its entry.
        """
        calibration = calibration or Calibration()
        if pixel_size_nm is not None:
            calibration = dataclasses.replace(calibration, pixel_size_nm=pixel_size_nm)
        data = np.array(array, order="C", copy=True)
        data.setflags(write=False)
        return cls(data=data, index=int(index), time_s=float(time_s), calibration=calibration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Frames that the source knows to be missing."""

    first_missing: int
    """Index of the first missing frame."""
    missing_frames: int
    """How many frames are missing."""
    reason: str = "missing"
    """Why, in a word or two."""
    time_s: float = 0.0
    """When the gap was noticed, s since the first frame."""
    epoch: str = ""
    """Start of the producer that it belongs to, hexadecimal; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A frame that reached us but cannot be analysed, for example a truncated file."""

    index: int
    """Index the frame would have had."""
    reason: RejectionReason = "invalid"
    """Its place in the ledger."""
    message: str = ""
    """What is wrong and, where known, what to do."""
    time_s: float = 0.0
    """When it was noticed, s since the first frame."""
    epoch: str = ""
    """Start of the producer that it belongs to, hexadecimal; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a source has to say that is no frame (restart, stall, change of settings)."""

    event: str
    """Name of the event it becomes."""
    index: int
    """Index of the frame it concerns, or of the latest one."""
    time_s: float = 0.0
    """When, s since the first frame."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialFrame:
    """The rows so far of a frame that is being scanned, see `livedetect.protocols.GivesRows`."""

    frame: Frame
    """As it will be, (H, W); only its first `valid_rows` rows hold data, the others anything."""
    first_row: int = 0
    """Rows before this one have been looked at."""

    @property
    def index(self) -> int:
        """Index that the whole frame will have."""
        return self.frame.index

    @property
    def time_s(self) -> float:
        """When the latest row came, s since the first frame."""
        return self.frame.time_s

    @property
    def rows_done(self) -> int:
        """Number of complete rows."""
        return self.frame.valid_rows or 0


SourceItem = Frame | Gap | Rejection | Notice | PartialFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What a source is, known when it has been opened."""

    name: str
    """What the user typed, or a clearer form of it."""
    live: bool
    """True: frames arrive by themselves and newest wins; False: finite, never drop."""
    frame_count: int | None = None
    """Number of frames, None if not known."""
    stored: bool = False
    """True while a live source yields what was there before we came: nothing may be skipped."""
    has_channels: bool = False
    """It can be asked for one of several channels (`Settings.stream`)."""
    remark: str = ""
    """What a user should know of its data before the run, in a sentence; empty if nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Where a frame lies on the specimen, relative to the first frame of its segment."""

    drift_x_px: float
    """Displacement of the crystal along x, px."""
    drift_y_px: float
    """Displacement of the crystal along y, px."""
    gain: float
    """Contrast relative to the warm-up frames, dimensionless."""
    offset: float
    """Mean background relative to the warm-up frames, in units of the frame's data."""
    row_jitter_rms_px: float = 0.0
    """Estimated rms of the row displacement, px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One marker candidate of one frame that passed the threshold."""

    x_px: float
    """Position in this frame, px."""
    y_px: float
    """Position in this frame, px."""
    score: float
    """Novelty score, higher is more anomalous."""
    p_value: float
    """Probability of such a score at one site of a defect-free frame."""
    window_frames: int
    """Number of frames averaged in the time window that scored highest."""
    sublattice: int
    """Index of the nearest column position within the unit cell."""
    kind: str = "unknown"
    """A hint: vacancy, half_vacancy, displaced, adatom, antisite, bright, dark, unknown."""
    confidence: float = 0.0
    """Of the kind, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A defect the engine currently holds."""

    defect_id: int
    """Unique in the session."""
    x_px: float
    """Position in the frame of the result that carries this track, px."""
    y_px: float
    """Position in the frame of the result that carries this track, px."""
    x_nm: float | None
    """Position on the specimen (drift removed), nm; None without a pixel size."""
    y_nm: float | None
    """Position on the specimen (drift removed), nm; None without a pixel size."""
    kind: str
    """As in `Detection`."""
    confidence: float
    """Of the kind, 0 to 1."""
    score: float
    """Highest score so far."""
    first_seen_frame: int
    """First frame in which it was detected."""
    confirmed_frame: int
    """Frame at which it was announced."""
    last_seen_frame: int
    """Latest frame in which it was detected."""
    at_start: bool = False
    """Held already by the first frames."""
    region_id: int | None = None
    """The region it announces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Common keys of every event; `as_dict` gives the JSON form of `contracts`."""

    event: str
    """Name of the event."""
    frame: int
    """The source's index of the frame it belongs to."""
    time_s: float
    """Time of that frame since the first frame, s."""
    area_id: int = 0
    """Place on the specimen."""
    segment_id: int = 0
    """Stretch of constant scan settings."""
    dose_e_per_A2: float | None = None  # noqa: N815
    """Cumulative incident fluence of the area, e/Å²; None if the current is unknown."""

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON-ready mapping: finite numbers, None, strings, lists."""
        raw = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        raw.update(raw.pop("values", None) or {})
        if raw.get("rows", ()) is None:  # only early events name their rows
            del raw["rows"]
        return {key: jsonable(value) for key, value in raw.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeEvent(Event):
    """Any event whose further keys are simple values (gap, model_ready, run_ended, ...)."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Further keys, merged into the JSON form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectEvent(Event):
    """defect_confirmed, defect_at_start, defect_healed or defect_migrated."""

    defect_id: int
    """Unique in the session."""
    first_seen_frame: int
    """First frame in which it was detected."""
    x_px: float
    """Position in frame `frame`, px."""
    y_px: float
    """Position in frame `frame`, px."""
    x_nm: float | None = None
    """Position on the specimen (drift removed), nm."""
    y_nm: float | None = None
    """Position on the specimen (drift removed), nm."""
    score: float | None = None
    """Novelty score, higher is more anomalous."""
    p_value: float | None = None
    """Probability of such a score at one site of a defect-free frame."""
    window_frames: int = 1
    """Length of the deciding time window."""
    kind: str = "unknown"
    """A hint, never a claim of chemistry."""
    confidence: float = 0.0
    """Of the kind, 0 to 1."""
    sublattice: int | None = None
    """Index of the nearest column position within the unit cell."""
    region_id: int | None = None
    """The region it announces, or None."""
    during_warm_up: bool = False
    """Found when the warm-up frames were scored again."""
    rows: tuple[int, int] | None = None
    """Confirmed from these rows (first, end) before the frame was complete; else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionEvent(Event):
    """region_confirmed: a hole, line, domain, phase, boundary or other extended object."""

    region_id: int
    """Unique in the session."""
    kind: str
    """hole, line, domain, phase, boundary or object."""
    polygon_px: tuple[tuple[float, float], ...]
    """Outline as (x, y) in frame `frame`, px."""
    area_nm2: float | None = None
    """Area, nm²; None without a pixel size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """All that is known after one item of the stream has been taken in."""

    frame: int
    """The source's index."""
    time_s: float
    """Since the first frame, s."""
    phase: Phase
    """After this item."""
    disposition: Disposition
    """Place of the frame in the ledger; ``none`` for gaps and notices."""
    events: tuple[Event, ...] = ()
    """In the order in which they happened."""
    detections: tuple[Detection, ...] = ()
    """Candidates above the threshold in this frame; empty during warm-up (no scores yet)."""
    active_tracks: tuple[Track, ...] = ()
    """Defects held after this frame, positions in this frame's pixels."""
    dismissed_tracks: tuple[Track, ...] = ()
    """Those that the operator has dismissed; never also in `active_tracks`."""
    registration: Registration | None = None
    """None where the frame was not registered."""
    area_id: int = 0
    """Place on the specimen."""
    segment_id: int = 0
    """Stretch of constant scan settings."""
    dose_e_per_A2: float | None = None  # noqa: N815
    """Cumulative incident fluence of the area, e/Å²."""
    warm_up_done: int = 0
    """Warm-up frames collected."""
    warm_up_frames: int = 0
    """Warm-up frames wanted."""
    integrated_frames: int = 1
    """Frames up to this one of which the sum was analysed."""
    threshold: float | None = None
    """Score above which a site becomes a candidate; None before the model is ready."""
    sensitivity: Mapping[str, int | None] | None = None
    """Frames that a defect of each kind needs at the present signal; None: not reliably."""
    watched: NDArray[np.bool_] | None = None
    """True where defects can be found, on blocks of `watched_block_px`; None: nowhere yet."""
    watched_block_px: int = 8
    """Edge of the blocks of `watched`, px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An order of the operator, from any client."""

    name: str
    """rebaseline, start_warm_up, return_to_area, accept, dismiss, set_alarm, roi or stop."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """Arguments by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFrame:
    """A frame together with its truth."""

    frame: Frame
    """What the microscope would have delivered."""
    truth: tuple[TrueDefect, ...]
    """Every defect present in it; those of the first frame are born in frame 0."""
    region: NDArray[np.bool_] | None = None
    """True inside a growing domain, on blocks of 4 x 4 px; None in a stream without one."""
