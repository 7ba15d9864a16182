"""The scan: where the probe really is while it thinks to walk along rows.

What is seen at (x, y) of a frame is displaced by the specimen's drift, by slow distortions
of the scan field and by the rows' own shifts. `ScanPath.rows` gives the shifts of one frame,
`ScanPath.shown` says where in that frame a point of the specimen appears.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from livedetect_simulators.randomness import Purpose, generator
from livedetect_simulators.spec import SimulationSettings
from livedetect_simulators.views import Views

MAINS_HZ = 50.0
FIRST_JUMP = 20
"""First frame that can lie elsewhere after a jump."""
SETTLED = 6.0
"""Time constants after which the flyback is forgotten."""


class ScanPath:
    """Drift, shear, jitter, mains wobble, warp and flyback of a whole stream."""

    def __init__(self, settings: SimulationSettings) -> None:
        self._settings = settings
        self.views = Views(settings)
        """How each frame is scanned."""
        self._drift = _drift(settings)
        self._before_jumps = set(_jumps(settings))
        self._phase = generator(settings, Purpose.PATH, 1).uniform(0, 2 * np.pi, 2)

    @property
    def extent(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest drift (x, y) of the stream, px of the first frame."""
        return self._drift.min(0), self._drift.max(0)

    def drift(self, frame: int) -> NDArray[np.float64]:
        """(2,) displacement (x, y) of the specimen at the start of `frame`, px of this frame."""
        return self._turned(self._drift[frame], frame)

    def placed(self, xy: NDArray[np.float64], frame: int) -> NDArray[np.float64]:
        """(N, 2) points of the specimen as the view of `frame` places them, drift left out."""
        return self.views.at(frame).placed(xy)

    def specimen(self, xy: NDArray[np.float64], frame: int) -> NDArray[np.float64]:
        """(N, 2) points of the specimen that `frame` shows at its pixels, undistorted."""
        return self.views.at(frame).specimen(xy - self.drift(frame))

    def _turned(self, vectors: NDArray[np.float64], frame: int) -> NDArray[np.float64]:
        view = self.views.at(frame)
        return np.asarray(vectors @ view.linear.T) if view.moved else vectors

    def rows(self, frame: int) -> NDArray[np.float64]:
        """(H, 2) displacement (x, y) in px of what each row of `frame` shows, jitter included."""
        settings, view = self._settings, self.views.at(frame)
        height, width = view.shape
        down = np.arange(height) / height
        # the stage jumps between two frames, not while one is scanned
        moving = frame - 1 if frame in self._before_jumps else frame
        step = self._turned(self._drift[moving + 1] - self._drift[moving], frame)
        rows = self.drift(frame) + down[:, None] * step
        rows[:, 0] += settings.shear_px * (down - 0.5)
        if settings.mains_px:
            seconds = (frame + down) * height * width * view.dwell_us * 1e-6
            rows[:, 0] += settings.mains_px * np.sin(2 * np.pi * MAINS_HZ * seconds)
        if settings.jitter_px:
            random = generator(settings, Purpose.SCAN, frame)
            rows[:, 0] += settings.jitter_px * random.standard_normal(height)
        return np.asarray(rows)

    def warped(self, xy: NDArray[np.float64], frame: int) -> NDArray[np.float64]:
        """(N, 2) placed points with the static distortion of the scan field added."""
        warp = self._settings.warp_px
        if not warp:
            return xy
        height, width = self.views.at(frame).shape
        x, y = (xy + self.drift(frame)).T
        wave = 2 * np.pi * np.array([y / height, x / width]) + self._phase[:, None]
        return xy + warp * np.sin(wave).T

    def flyback(self, count: int) -> NDArray[np.float64]:
        """(count,) displacement along x of what the first pixels of every row show, px."""
        tau = max(self._settings.settle_us / self._settings.pixel_dwell_us, 1e-6)
        return self._settings.flyback_px * np.exp(-np.arange(count) / tau)

    @property
    def settling_px(self) -> int:
        """Pixels at the left edge that the flyback still distorts."""
        if not self._settings.flyback_px:
            return 0
        tau = self._settings.settle_us / self._settings.pixel_dwell_us
        return min(int(SETTLED * tau) + 1, self._settings.shape[1])

    def shown(self, xy: NDArray[np.float64], frame: int) -> NDArray[np.float64]:
        """(N, 2) where points of the specimen appear in `frame`, px; row jitter averaged out."""
        view = self.views.at(frame)
        height = view.shape[0]
        # a column covers several rows: what counts is their mean shift
        wide = 0.15 * self._settings.a_px * view.scale
        smooth = gaussian_filter1d(self.rows(frame), wide, axis=0)
        points = self.warped(view.placed(xy), frame)
        row = np.clip(np.rint(points[:, 1] + self.drift(frame)[1]), 0, height - 1).astype(int)
        shown = points + smooth[row]
        if self.settling_px:
            bend = self.flyback(self.settling_px)
            at = np.clip(np.rint(shown[:, 0]), 0, None).astype(int)
            inside = at < len(bend)
            shown[inside, 0] -= bend[at[inside]]
        return np.asarray(shown)


def _drift(settings: SimulationSettings) -> NDArray[np.float64]:
    """(T + 1, 2) position of the specimen at the start of every frame, the first at 0."""
    random = generator(settings, Purpose.PATH)
    angle = random.uniform(0, 2 * np.pi)
    steps = settings.walk_px * random.standard_normal((settings.frames, 2))
    steps += settings.drift_px * np.array([np.cos(angle), np.sin(angle)])
    for frame, jump in _jumps(settings).items():
        steps[frame] += jump
    free = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    # the stage turns round before the stream leaves the piece of crystal that is held
    reach = float(min(settings.shape))
    return np.asarray(reach - np.abs((free + reach) % (4 * reach) - 2 * reach))


def _jumps(settings: SimulationSettings) -> dict[int, NDArray[np.float64]]:
    """Sudden displacements (x, y) of the stage, px, by the last frame before each."""
    possible = np.arange(FIRST_JUMP - 1, settings.frames - 1)
    random = generator(settings, Purpose.PATH, 2)
    count = min(settings.jumps, len(possible))
    angles = random.uniform(0, 2 * np.pi, count)
    when = random.choice(possible, count, replace=False) if count else possible[:0]
    along = settings.jump_px * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return {int(frame): step for frame, step in zip(when, along, strict=True)}
