"""Defects over time: one real defect, one track, until it heals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from skimage import measure

from livedetect.detect.arrays import FloatArray
from livedetect.detect.method import Candidate

SHADOW_RADIUS = 1.8
"""In merge radii: so close to a strong defect, a weak marker is its own fringe."""
SHADOW_SCORE = 0.3
"""Of the strong one's score; real frames show fringes of new defects as far as the reach goes."""
SHADOW_AT_START = 0.03
"""The same at the end of the reach in the mean of all first frames, in which nothing forms."""
SIGNATURE_FRAMES = 8
ECHO_FRAMES = 8
"""So long the time windows still show a defect where it has left."""
HEALED_AMPLITUDE = 0.3
HEALED_FRAMES = 12


@dataclass(slots=True, kw_only=True)
class Defect:
    """A confirmed defect; mutable, private to the engine."""

    defect_id: int
    """Unique in the session."""
    position: FloatArray
    """(x, y) sample coordinates, px."""
    candidate: Candidate
    """The best look at it so far."""
    first_seen_frame: int
    """First frame in which it was detected."""
    confirmed_frame: int
    """Frame at which it was announced."""
    last_seen_frame: int
    """Latest frame in which it was detected."""
    at_start: bool = False
    """Held by the first frames already."""
    place: FloatArray | None = None
    """(x, y) in the area, nm (px without a pixel size), while no model is in use."""
    in_baseline: bool = False
    """The model in use has learnt it as part of the crystal: it leaves no residual."""
    region_id: int | None = None
    """The region it announces."""
    absorbed: bool = False
    """Swallowed by a region that has been announced."""
    dismissed: bool = False
    """The operator says it is none."""
    healed: bool = False
    """Its signal has vanished."""
    signature: FloatArray | None = None
    """(d,) mean residual of its first frames, against which healing is judged."""
    looks: int = 0
    """Frames that went into the signature."""
    weak_frames: int = 0
    """Frames in a row in which the signal was gone."""
    left: FloatArray | None = None
    """(x, y) where it stood before it moved, sample coordinates, px."""
    moved_frame: int = 0
    """When it did."""


@dataclass(slots=True)
class Tracker:
    """All defects of an area, in sample coordinates."""

    merge_radius_px: float
    """A candidate closer than this to a defect is that defect."""
    defects: list[Defect] = field(default_factory=list)
    """Every defect ever confirmed in this area."""

    @property
    def active(self) -> list[Defect]:
        """Defects that are there now."""
        return [defect for defect in self.defects if not defect.healed and not defect.absorbed]

    def newcomers(self) -> list[Defect]:
        """Active point defects that the baseline does not contain."""
        return [defect for defect in self._owners() if not defect.in_baseline]

    def enter(self, positions: FloatArray, learnt: Sequence[int]) -> None:
        """Go on with another model: where (n, 2) it sees the defects, and whose ids it has learnt.

        What a defect looked like belongs to the model that was left.
        """
        for defect, position in zip(self.defects, positions, strict=True):
            defect.position = position
            defect.in_baseline = defect.defect_id in learnt
            defect.signature, defect.looks, defect.weak_frames = None, 0, 0
            defect.left = None

    def unknown(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Candidates of a new model's warm-up frames at which no defect is known."""
        known = positions_of(self.active)
        return [
            candidate
            for candidate in candidates
            if np.hypot(*(known - candidate.position).T).min(initial=np.inf) > self.merge_radius_px
        ]

    def _owners(self) -> list[Defect]:
        return [
            defect for defect in self.active if defect.region_id is None and not defect.at_start
        ]

    def unexplained(
        self, candidates: Sequence[Candidate], frame: int, fringe: float = SHADOW_SCORE
    ) -> list[Candidate]:
        """Candidates that belong to no known defect; known ones are marked as seen.

        Defects of the first frames own nothing: they are part of the baseline, so what
        shows at their place is new. `fringe` is the share of a strong candidate's score
        that its fringe may have at the end of its reach.
        """
        fresh: list[Candidate] = []
        known, places = self._owners(), positions_of(candidates)
        apart = distances(places, positions_of(known))
        nearest, least = _nearest_of(apart)
        for row, candidate in enumerate(candidates):
            index = nearest[row] if least[row] < self.merge_radius_px else None
            if index is None:
                index = self._in_reach(candidate, known, apart[row])
            if index is not None:
                if self._see(known[index], candidate, frame, float(apart[row, index])):
                    apart[:, index] = np.hypot(*(places - candidate.position).T)
                    nearest, least = _nearest_of(apart)
            elif self._left_by(candidate, frame) is not None:
                continue
            elif not _in_shadow(candidate, fresh, self.merge_radius_px, fringe):
                fresh.append(candidate)
        return fresh

    def news(self, candidates: Sequence[Candidate], frame: int) -> list[Candidate]:
        """As `unexplained`, but no note is taken of what was seen."""
        fresh: list[Candidate] = []
        known = self._owners()
        apart = distances(positions_of(candidates), positions_of(known))
        for row, candidate in enumerate(candidates):
            near = apart[row].min(initial=np.inf) < self.merge_radius_px
            owned = near or self._in_reach(candidate, known, apart[row]) is not None
            echo = self._left_by(candidate, frame) is not None
            if not (owned or echo or _in_shadow(candidate, fresh, self.merge_radius_px)):
                fresh.append(candidate)
        return fresh

    def absorb(self, outline: FloatArray) -> None:
        """Point defects inside a new region's outline (n, 2) become part of it."""
        points = [defect for defect in self.active if defect.region_id is None]
        inside = measure.points_in_poly(positions_of(points), outline)
        for defect, swallowed in zip(points, inside, strict=True):
            defect.absorbed = bool(swallowed)

    def supersede(self, newcomer: Defect) -> None:
        """A defect of the first frames that has changed is a new defect, not two."""
        for defect in self.defects:
            distance = np.hypot(*(defect.position - newcomer.position))
            if defect.at_start and defect is not newcomer and distance < self.merge_radius_px:
                defect.healed = True

    def heal(self, signals: FloatArray) -> list[Defect]:
        """Judge the newcomers by the residual (n, d) at their places, NaN = not seen."""
        healed, newcomers = [], self.newcomers()
        seen = np.asarray(np.isfinite(signals).all(axis=1)).tolist()
        amplitudes = _amplitudes(signals, newcomers)
        for defect, signal, amplitude, whole in zip(
            newcomers, signals, amplitudes, seen, strict=True
        ):
            if whole and self._is_gone(defect, signal, amplitude):
                defect.healed = True
                healed.append(defect)
        return healed

    def _in_reach(
        self, candidate: Candidate, known: Sequence[Defect], distance: FloatArray
    ) -> int | None:
        """Index of the defect whose fringe explains a candidate, `distance` (n,) px from each."""
        for index in np.flatnonzero(distance < SHADOW_RADIUS * self.merge_radius_px).tolist():
            if candidate.score < SHADOW_SCORE * known[index].candidate.score:
                return int(index)
        return None

    def _left_by(self, candidate: Candidate, frame: int) -> Defect | None:
        """The defect that has just moved away from the candidate's place."""
        for defect in self.active:
            if defect.left is not None and frame - defect.moved_frame <= ECHO_FRAMES:
                distance = float(np.hypot(*(defect.left - candidate.position)))
                if distance < self.merge_radius_px:
                    return defect
        return None

    def _see(self, defect: Defect, candidate: Candidate, frame: int, distance: float) -> bool:
        """Note that `defect` was seen; True if it now stands at the candidate's place."""
        defect.last_seen_frame = frame
        near = distance < self.merge_radius_px
        better = near and not defect.at_start and candidate.score > defect.candidate.score
        if better:
            defect.candidate = _of_first_kind(defect.candidate, candidate)
            defect.position = candidate.position
        return better

    def _is_gone(self, defect: Defect, signal: FloatArray, amplitude: float) -> bool:
        """`amplitude` is the signal's (d,), relative to what the first frames showed."""
        if defect.signature is None or defect.looks < SIGNATURE_FRAMES:
            before = 0.0 if defect.signature is None else defect.signature * defect.looks
            defect.looks += 1
            defect.signature = np.asarray((before + signal) / defect.looks)
            return False
        defect.weak_frames = defect.weak_frames + 1 if amplitude < HEALED_AMPLITUDE else 0
        return defect.weak_frames >= HEALED_FRAMES


def _of_first_kind(first: Candidate, later: Candidate) -> Candidate:
    """A clearer look at a defect; what it was called stays.

    The longer it has been there, the more of it the level has taken up: half a change remains.
    """
    if first.kind == "unknown":
        return later
    return replace(later, kind=first.kind, confidence=first.confidence)


def _amplitudes(signals: FloatArray, defects: Sequence[Defect]) -> list[float]:
    """Of signals (n, d) relative to the defects' signatures; 0 for those without one."""
    if not defects:
        return []
    nothing = np.zeros(signals.shape[1])
    known = np.concatenate(
        [nothing if defect.signature is None else defect.signature for defect in defects]
    ).reshape(signals.shape)
    power = np.einsum("nd,nd->n", known, known)
    shared = np.einsum("nd,nd->n", signals, known)
    relative: list[float] = (shared / np.maximum(power, 1e-12)).tolist()
    return relative


def positions_of(defects: Sequence[Defect | Candidate]) -> FloatArray:
    """(n, 2) sample coordinates, px."""
    if not defects:
        return np.zeros((0, 2))
    return np.concatenate([defect.position for defect in defects]).reshape(-1, 2)


def distances(candidates: FloatArray, defects: FloatArray) -> FloatArray:
    """(n, m) of positions (n, 2) and (m, 2), px."""
    across, down = (np.subtract.outer(candidates[:, axis], defects[:, axis]) for axis in (0, 1))
    return np.asarray(np.sqrt(across * across + down * down))


def _nearest_of(apart: FloatArray) -> tuple[list[int], list[float]]:
    """Defect nearest to each candidate, and how far that is, from distances (n, m)."""
    if not apart.size:
        return [0] * len(apart), [np.inf] * len(apart)
    nearest: list[int] = apart.argmin(axis=1).tolist()
    least: list[float] = apart.min(axis=1).tolist()
    return nearest, least


def _in_shadow(
    candidate: Candidate,
    stronger: Sequence[Candidate],
    radius_px: float,
    fringe: float = SHADOW_SCORE,
) -> bool:
    for other in stronger:
        distance = float(np.hypot(*(other.position - candidate.position))) / radius_px
        if distance < SHADOW_RADIUS:
            outward = max(0.0, distance - 1) / (SHADOW_RADIUS - 1)
            share = SHADOW_SCORE * (fringe / SHADOW_SCORE) ** outward
            if candidate.score < share * other.score:
                return True
    return False
