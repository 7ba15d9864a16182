"""Oversampled frames cost what they carry: they are binned before anything else.

A column is described completely by a few pixels; the wrapper converts between the
pixels of the frame and those of the binned frame.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from livedetect.detect.arrays import BoolArray, FloatArray
from livedetect.detect.kernels import COMPILED, form
from livedetect.detect.method import Candidate, Findings, Method, Relearnable, Scored
from livedetect.detect.regions import Region
from livedetect.detect.unfinished import Look, LooksAtBand, Rows
from livedetect.errors import LatticeNotFoundError
from livedetect.settings import Settings
from livedetect.types import Registration

WANTED_SCALE_PX = 12.0
"""Column scale (lattice constant of a simple cell) that still loses nothing."""


def binning_factor(scale_px: float) -> int:
    """Pixels to be averaged along each axis for a column scale in px."""
    return max(1, int(scale_px / WANTED_SCALE_PX))


def binned(frame: FloatArray, factor: int) -> FloatArray:
    """(H / factor, W / factor) block means, float32; an incomplete edge is cut."""
    return form(COMPILED).binned(frame, factor)


class BinnedMethod:
    """See `livedetect.detect.method.Method`: another method on binned frames."""

    def __init__(
        self,
        factor: int,
        frames: Sequence[FloatArray],
        settings: Settings,
        build: Callable[[Sequence[FloatArray], Settings], Method],
    ) -> None:
        self._factor = factor
        self._inner = build(
            [binned(frame, factor) for frame in frames], _scaled_regions(settings, factor)
        )
        self.sites = self._inner.sites
        self.merge_radius_px = factor * self._inner.merge_radius_px

    @property
    def shift(self) -> FloatArray:
        """(x, y) drift of the latest frame, px."""
        return np.asarray(self._factor * self._inner.shift)

    @property
    def warm_up_shifts(self) -> FloatArray:
        """(frames, 2) drift of the frames it was fitted on, px."""
        return np.asarray(self._factor * self._inner.warm_up_shifts)

    @property
    def lattice_px(self) -> FloatArray | None:
        """(2, 2) basis vectors (x, y), px."""
        lattice = self._inner.lattice_px
        return None if lattice is None else self._factor * lattice

    @property
    def threshold(self) -> float:
        """Score above which a place becomes a candidate."""
        return self._inner.threshold

    def at_start(self) -> Sequence[Candidate]:
        """Defects that the first frames already held."""
        return [self._outward(candidate) for candidate in self._inner.at_start()]

    def in_warm_up(self) -> Sequence[tuple[int, Candidate]]:
        """Defects born within the warm-up frames."""
        return [(first, self._outward(entry)) for first, entry in self._inner.in_warm_up()]

    def findings(self) -> Findings:
        """As binned."""
        found = self._inner.findings()
        phases = [
            dataclasses.replace(p, outlines=tuple(map(self._enlarged, p.outlines)))
            for p in found.phases
        ]
        return dataclasses.replace(
            found,
            phases=tuple(phases),
            extended=tuple(map(self._outward_region, found.extended)),
        )

    def score(self, frame: FloatArray) -> Scored:
        """Judge a frame, float32 (H, W)."""
        return self._outward_scored(self._inner.score(binned(frame, self._factor)), frame.shape)

    def look(self, rows: Rows) -> Look | None:
        """Judge the rows of an unfinished frame, where the inner method can."""
        if not isinstance(self._inner, LooksAtBand):
            return None
        frame, latest = binned(rows.frame, self._factor), binned(rows.latest, self._factor)
        seen = self._inner.look(Rows(frame, latest, rows.done // self._factor))
        if seen is None:
            return None
        trial = copy.copy(self)
        trial._inner = seen.method
        return Look(trial, self._outward_scored(seen.scored, rows.frame.shape))

    def _outward_scored(self, scored: Scored, shape: tuple[int, ...]) -> Scored:
        return dataclasses.replace(
            scored,
            candidates=[self._outward(candidate) for candidate in scored.candidates],
            shift=self._factor * scored.shift,
            registration=_scaled(scored.registration, self._factor),
            regions=[self._outward_region(region) for region in scored.regions],
            watched=_enlarged(scored.watched, self._factor, shape),
            innovation_px=self._factor * scored.innovation_px,
            slip_px=self._factor * scored.slip_px,
        )

    def to_frame(self, positions: FloatArray) -> FloatArray:
        """Pixels (n, 2) in the latest frame of sample positions (n, 2)."""
        inner = self._inner.to_frame(self._inward(positions))
        return np.asarray((inner + 0.5) * self._factor - 0.5)

    def signal(self, positions: FloatArray, window_frames: int | None = None) -> FloatArray:
        """(n, d) residual around sample positions (n, 2)."""
        return self._inner.signal(self._inward(positions), window_frames)

    def z_at(self, positions: FloatArray, window_frames: int) -> FloatArray | None:
        """(n,) z of a time window at pixels (n, 2) of the latest frame."""
        return self._inner.z_at(self._inward(positions), window_frames)

    def learn(self, defects: FloatArray) -> None:
        """Follow the frame last scored, except around `defects` (n, 2)."""
        self._inner.learn(self._inward(defects))

    def watch(self, settings: Settings) -> None:
        """Judge another region of the frame."""
        self._inner.watch(_scaled_regions(settings, self._factor))

    def restart(self, shift: FloatArray | None = None) -> None:
        """Go on after an interruption, from the drift `shift` or where it was."""
        self._inner.restart(None if shift is None else shift / self._factor)

    def unlike_share(self) -> float | None:
        """As binned."""
        inner = self._inner
        return inner.unlike_share() if isinstance(inner, Relearnable) else None

    def disown(self, regions: Sequence[Region]) -> None:
        """Forget regions that are not believed."""
        if isinstance(self._inner, Relearnable):
            self._inner.disown(regions)

    def succeed(self, earlier: Method, offset: FloatArray, defects: FloatArray) -> None:
        """Take over what `earlier` knew of the same place, see `Relearnable`."""
        same = isinstance(earlier, BinnedMethod) and earlier._factor == self._factor
        if not (same and isinstance(self._inner, Relearnable)):
            raise LatticeNotFoundError("the latest frames call for another binning")
        inner = earlier._inner if isinstance(earlier, BinnedMethod) else earlier
        self._inner.succeed(inner, offset / self._factor, self._inward(defects))

    def slip(self, frames: int) -> FloatArray | None:
        """As binned, px."""
        slip = self._inner.slip(frames)
        return None if slip is None else self._factor * slip

    def sensitivity(self) -> Mapping[str, int | None]:
        """As binned."""
        return self._inner.sensitivity()

    def miss(self, frames: int) -> None:
        """Note frames that were not seen."""
        self._inner.miss(frames)

    def _outward(self, candidate: Candidate) -> Candidate:
        position = (candidate.position + 0.5) * self._factor - 0.5
        return dataclasses.replace(candidate, position=position)

    def _outward_region(self, region: Region) -> Region:
        outline = (region.outline + 0.5) * self._factor - 0.5
        area = region.area_px2 * self._factor**2
        centre = (region.centre + 0.5) * self._factor - 0.5
        return dataclasses.replace(region, outline=outline, centre=centre, area_px2=area)

    def _enlarged(self, positions: FloatArray) -> FloatArray:
        return np.asarray((positions + 0.5) * self._factor - 0.5)

    def _inward(self, positions: FloatArray) -> FloatArray:
        return np.asarray((positions + 0.5) / self._factor - 0.5)


def _scaled_regions(settings: Settings, factor: int) -> Settings:
    """Region of interest and exclusions in binned pixels."""
    roi = _shrunk(settings.roi, factor) if settings.roi else None
    exclude = tuple(_shrunk(rectangle, factor) for rectangle in settings.exclude)
    return dataclasses.replace(settings, roi=roi, exclude=exclude)


def _shrunk(rectangle: tuple[int, ...], factor: int) -> tuple[int, ...]:
    x0, y0, x1, y1 = rectangle
    left, top = x0 // factor, y0 // factor
    return left, top, max(left + 1, -(-x1 // factor)), max(top + 1, -(-y1 // factor))


def _scaled(registration: Registration | None, factor: int) -> Registration | None:
    if registration is None:
        return None
    return dataclasses.replace(
        registration,
        drift_x_px=factor * registration.drift_x_px,
        drift_y_px=factor * registration.drift_y_px,
        row_jitter_rms_px=factor * registration.row_jitter_rms_px,
    )


def _enlarged(
    blocks: BoolArray | None, factor: int, shape: tuple[int, ...], block_px: int = 8
) -> BoolArray | None:
    if blocks is None:
        return None
    large = np.repeat(np.repeat(blocks, factor, axis=0), factor, axis=1)
    result = np.zeros((-(-shape[0] // block_px), -(-shape[1] // block_px)), bool)
    height, width = min(large.shape[0], result.shape[0]), min(large.shape[1], result.shape[1])
    result[:height, :width] = large[:height, :width]
    return result
