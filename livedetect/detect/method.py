"""The seam between the detector and the methods it can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.regions import Region
from livedetect.settings import Settings
from livedetect.types import Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place that scored above the threshold in one frame."""

    position: FloatArray
    """(x, y) sample coordinates, px."""
    score: float
    """Novelty, higher is more anomalous."""
    p_value: float
    """Probability of such a score at one site of a defect-free frame."""
    window_frames: int
    """Frames averaged in the deciding time window."""
    sublattice: int
    """Index of the site within the unit cell."""
    kind: str
    """See `livedetect.types.Detection`."""
    confidence: float
    """Of the kind, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One frame as a method sees it."""

    candidates: Sequence[Candidate]
    """Non-maxima suppressed, best first."""
    shift: FloatArray
    """(x, y) drift of the frame, px."""
    registration: Registration | None = None
    """What is reported about it."""
    watched: BoolArray | None = None
    """(H / 8, W / 8) blocks of the frame in which defects can be found."""
    outlier_share: float = 0.0
    """Share of judged samples beyond 3 sigma away from known defects."""
    regions: Sequence[Region] = ()
    """Extended changes that appeared in this frame; their sites are no candidates."""
    changed_share: float = 0.0
    """Share of the watched sites that regions cover."""
    suspect: str = ""
    """Why the frame must not be trusted; empty if it can."""
    innovation_px: float = 0.0
    """Distance between predicted and measured drift, px."""
    slip_px: float = 0.0
    """Jump after which a lattice slip cannot be excluded, px; 0 if none."""

    @classmethod
    def rejected(cls, shift: FloatArray, why: str) -> Scored:
        """A frame that turned out not to be one of this crystal."""
        return cls(candidates=(), shift=shift, suspect=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseInView:
    """A phase or domain that the first frames show."""

    share: float
    """Of the watched field."""
    outlines: tuple[FloatArray, ...]
    """Polygons (n, 2) as (x, y), sample coordinates, px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the warm-up frames showed besides defects."""

    frame_correlation: float = 0.0
    """Correlation of the noise of successive frames; averaged frames are not independent."""
    phases: tuple[PhaseInView, ...] = ()
    """Phases and domains of the crystal, the largest first; empty if they were not told apart."""
    extended: tuple[Region, ...] = ()
    """Where they meet, and holes."""
    warnings: tuple[str, ...] = ()
    """What the user should know, in sentences."""


class Method(Protocol):
    """A model of one crystal: 1. fitted on construction, 2. `score`, 3. `learn`, in turns."""

    sites: int
    """Number of places judged in a frame."""
    merge_radius_px: float
    """Two markers closer than this are one defect, px."""

    @property
    def shift(self) -> FloatArray:
        """(x, y) drift of the latest frame, px."""
        ...

    @property
    def warm_up_shifts(self) -> FloatArray:
        """(frames, 2) drift (x, y) of the frames it was fitted on, px."""
        ...

    @property
    def lattice_px(self) -> FloatArray | None:
        """(2, 2) basis vectors (x, y), px; None without a lattice."""
        ...

    @property
    def threshold(self) -> float:
        """Score above which a place becomes a candidate."""
        ...

    def at_start(self) -> Sequence[Candidate]:
        """Defects that the first frames already held."""
        ...

    def in_warm_up(self) -> Sequence[tuple[int, Candidate]]:
        """Defects born within the warm-up frames, each with the frame it appeared in."""
        ...

    def findings(self) -> Findings:
        """What the first frames showed besides defects."""
        ...

    def score(self, frame: FloatArray) -> Scored:
        """Judge a frame, float32 (H, W)."""
        ...

    def to_frame(self, positions: FloatArray) -> FloatArray:
        """Pixels (n, 2) as (x, y) in the latest frame of sample positions (n, 2)."""
        ...

    def signal(self, positions: FloatArray, window_frames: int | None = None) -> FloatArray:
        """(n, d) residual around sample positions (n, 2), NaN where not watched now.

        Of the mean over `window_frames` frames, by default of the longest time window.
        """
        ...

    def z_at(self, positions: FloatArray, window_frames: int) -> FloatArray | None:
        """(n,) z of the mean over `window_frames` frames at pixels (n, 2) of the latest frame.

        NaN where not judged; None before the first scored frame and for methods without.
        """
        ...

    def learn(self, defects: FloatArray) -> None:
        """Follow the frame last scored, except around `defects` (n, 2), sample coordinates."""
        ...

    def watch(self, settings: Settings) -> None:
        """Judge another region of the frame."""
        ...

    def restart(self, shift: FloatArray | None = None) -> None:
        """Go on after an interruption: no prediction, no time window reaches back.

        The crystal is then looked for near the drift `shift` (x, y), or where it was.
        """
        ...

    def slip(self, frames: int) -> FloatArray | None:
        """Lattice vector (x, y), px, by which the drift of the latest frames, 1 to 8, is misjudged.

        (0, 0) if it is not; None if that cannot be told.
        """
        ...

    def sensitivity(self) -> Mapping[str, int | None]:
        """Frames that a defect of each kind needs at the present signal; None: not reliably."""
        ...

    def miss(self, frames: int) -> None:
        """Note frames that were not seen: the specimen went on drifting meanwhile."""
        ...


@runtime_checkable
class Relearnable(Protocol):
    """What a method offers beside `Method` if a newer model may take its place by itself."""

    def unlike_share(self) -> float | None:
        """Share of places that changed otherwise than their equivalents in other cells.

        Beyond 3 sigma, in the longest time window; None if there is nothing to compare.
        """
        ...

    def disown(self, regions: Sequence[Region]) -> None:
        """Forget `regions` that are not believed: their sites are crystal again."""
        ...

    def succeed(self, earlier: Method, offset: FloatArray, defects: FloatArray) -> None:
        """Take over what `earlier` knew of the same place.

        Its regions stay regions, and its `defects` (n, 2) are no part of the crystal.

        Parameters
        ----------
        offset : (x, y) from sample coordinates of `earlier` to one's own, px.
        defects : (n, 2) own sample coordinates, px.

        Raises
        ------
        LatticeNotFoundError
            This is a model of another crystal.
        """
        ...
