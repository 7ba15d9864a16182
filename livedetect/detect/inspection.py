"""Registered means before and after a defect, for the operator's eyes; nothing is decided here."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from livedetect.detect.arrays import FloatArray
from livedetect.detect.method import Method
from livedetect.detect.tracking import Defect, Tracker
from livedetect.errors import SettingsError
from livedetect.inspection import INSPECTION_SAMPLES, Inspection
from livedetect.types import Frame

RECENT_FRAMES = 8
MAX_RECENT_BYTES = 64 * 2**20
MAX_REFERENCE_BYTES = 128 * 2**20
MAX_REFERENCE_FRAMES = 16
EDGE_CELLS = 5.0
"""Extent of a picture in lattice constants: the defect and two cells on each side."""


class Looks:
    """Some of the warm-up frames and the latest ones, each with its drift."""

    DERIVED = ("_reference", "_recent")

    def __init__(self) -> None:
        self.restore_derived()

    def restore_derived(self) -> None:
        """Begin with nothing: pictures are no part of a detector's state."""
        self._reference: list[tuple[Frame, FloatArray]] = []
        self._recent: deque[tuple[Frame, FloatArray]] = deque(maxlen=RECENT_FRAMES)

    def begin(self, warm_up: Sequence[Frame], method: Method) -> None:
        """Keep some of the frames that `method` has learnt from."""
        pairs = list(zip(warm_up, method.warm_up_shifts, strict=True))
        most = min(MAX_REFERENCE_FRAMES, MAX_REFERENCE_BYTES // warm_up[0].data.nbytes)
        self._reference = pairs[:: -(-len(pairs) // max(most, 1))]
        self._recent.clear()
        for frame, shift in pairs[-RECENT_FRAMES:]:
            self.add(frame, shift)

    def add(self, frame: Frame, shift: FloatArray) -> None:
        """Keep a scored frame and its drift (x, y), px."""
        self._recent.append((frame, np.array(shift, float)))
        while sum(kept.data.nbytes for kept, _ in self._recent) > MAX_RECENT_BYTES:
            if len(self._recent) == 1:
                return
            self._recent.popleft()

    def move(self, start: FloatArray) -> None:
        """Go on with a model whose drift is zero where it was `start` (x, y) before, px."""
        self._reference = [(frame, shift - start) for frame, shift in self._reference]
        self._recent = deque(
            ((frame, shift - start) for frame, shift in self._recent), maxlen=RECENT_FRAMES
        )

    def at(self, defect: Defect, method: Method) -> Inspection:
        """The pictures of a defect; raises `SettingsError` if they cannot be made."""
        if not self._reference or not self._recent:
            raise SettingsError("nothing to look at yet: frames must come in first")
        latest, now = self._recent[-1]
        place = method.to_frame(defect.position[None])[0]
        height, width = latest.data.shape
        if not (0 <= place[0] < width and 0 <= place[1] < height):
            raise SettingsError(f"defect {defect.defect_id} has drifted out of the frame")
        edge = _edge_px(method)
        before, after = (
            mean_of([crop(frame.data, place + shift - now, edge) for frame, shift in pairs])
            for pairs in (self._reference, self._recent)
        )
        window = defect.candidate.window_frames
        return Inspection(
            defect_id=defect.defect_id,
            frame=latest.index,
            x_px=float(place[0]),
            y_px=float(place[1]),
            edge_px=edge,
            before=before,
            after=after,
            residual=_residual(method, place, edge, window),
            frames_before=len(self._reference),
            frames_after=len(self._recent),
            window_frames=window,
        )


def inspect(defect_id: int, tracker: Tracker, looks: Looks, method: Method | None) -> Inspection:
    """See `livedetect.inspection.Inspectable`."""
    found = [defect for defect in tracker.defects if defect.defect_id == defect_id]
    if method is None:
        raise SettingsError("the crystal is being learnt: look again after the warm-up")
    if not found:
        raise SettingsError(f"no defect has the id {defect_id!r}")
    return looks.at(found[0], method)


def _edge_px(method: Method) -> float:
    lattice = method.lattice_px
    if lattice is None:
        return float(INSPECTION_SAMPLES)
    return EDGE_CELLS * float(np.sqrt(np.abs(np.linalg.det(lattice))))


def _offsets(edge_px: float) -> FloatArray:
    half = (edge_px - edge_px / INSPECTION_SAMPLES) / 2
    return np.linspace(-half, half, INSPECTION_SAMPLES)


def crop(image: FloatArray, centre: FloatArray, edge_px: float) -> FloatArray:
    """(n, n) float32 of `image` (H, W) around `centre` (x, y), px, linear; NaN outside."""
    offsets = _offsets(edge_px)
    rows, columns = np.meshgrid(centre[1] + offsets, centre[0] + offsets, indexing="ij")
    low = np.maximum(0, np.floor([rows[0, 0], columns[0, 0]]).astype(int) - 1)
    high = np.ceil([rows[-1, -1], columns[-1, -1]]).astype(int) + 2
    part = image[low[0] : max(high[0], 0), low[1] : max(high[1], 0)].astype(np.float32)
    if part.size == 0:
        return np.full(rows.shape, np.nan, np.float32)
    return np.asarray(
        ndimage.map_coordinates(
            part, [rows - low[0], columns - low[1]], order=1, mode="constant", cval=np.nan
        )
    )


def mean_of(pictures: Sequence[FloatArray]) -> FloatArray:
    """Mean (n, n) over those that saw a place, NaN where none did."""
    stack = np.stack(pictures)
    seen = np.isfinite(stack)
    total = np.where(seen, stack, 0).sum(axis=0)
    count = seen.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _residual(
    method: Method, centre: FloatArray, edge_px: float, window_frames: int
) -> FloatArray | None:
    offsets = _offsets(edge_px)
    rows, columns = np.meshgrid(centre[1] + offsets, centre[0] + offsets, indexing="ij")
    positions = np.stack([columns.ravel(), rows.ravel()], axis=1)
    values = method.z_at(positions, window_frames)
    return None if values is None else values.reshape(rows.shape).astype(np.float32)
