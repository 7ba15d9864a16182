"""Other methods on the same frame, timed as their authors would call them."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from livedetect.detect.patterson import PattersonMethod
from livedetect.detect.segments import SegmentMethod
from livedetect.detect.semantic import SemanticMethod
from livedetect.settings import Settings

Frames = Sequence[NDArray[np.float32]]

FITTED_COLUMNS = 40
"""Columns that are really fitted; the time is scaled up to all of them."""
LOOPED_WINDOWS = 100
"""Windows that are really described one by one."""
COLUMN_RADIUS_PX = 5


def batched_windows(frames: Frames) -> float:
    """Ms of sliding windows: all FFTs at once, one call of libsvm's arithmetic."""
    return _timed_score(PattersonMethod(frames[:-1], Settings()), frames[-1])


def looped_windows(frames: Frames) -> float:
    """Ms of sliding windows in plain Python: one window after the other."""
    method = PattersonMethod(frames[:-1], Settings())
    edge = method._size
    _, descriptors = method.describe(frames[-1])
    begun = time.process_time()
    for _ in range(LOOPED_WINDOWS):
        _, one = method.describe(frames[-1][:edge, :edge])
        method.novelty.score(one)
    return 1e3 * (time.process_time() - begun) * len(descriptors) / LOOPED_WINDOWS


def semantic(frames: Frames) -> float:
    """Ms of the semantic scheme."""
    return _timed_score(SemanticMethod(frames[:-1], Settings()), frames[-1])


def gaussian_fits(frames: Frames) -> float:
    """Ms of a least-squares Gaussian at every column, scaled up from some of them."""
    image = frames[-1]
    begun = time.process_time()
    smooth = ndimage.gaussian_filter(image, 2)
    peaks = np.argwhere(smooth == ndimage.maximum_filter(smooth, 2 * COLUMN_RADIUS_PX - 1))
    margin = COLUMN_RADIUS_PX
    height, width = image.shape
    inner = (peaks >= margin).all(axis=1) & (peaks < [height - margin, width - margin]).all(axis=1)
    peaks = peaks[inner]
    finding = time.process_time() - begun
    begun = time.process_time()
    for row, column in peaks[:: max(1, len(peaks) // FITTED_COLUMNS)][:FITTED_COLUMNS]:
        _fit(image[row - margin : row + margin + 1, column - margin : column + margin + 1])
    fitted = min(FITTED_COLUMNS, len(peaks))
    return 1e3 * (finding + (time.process_time() - begun) * len(peaks) / max(fitted, 1))


def atomai_unet(frames: Frames) -> float:
    """Ms of the forward pass of AtomAI's U-Net with its default layers."""
    torch = importlib.import_module("torch")
    network = importlib.import_module("atomai.nets").Unet(nb_classes=1).eval()
    batch = torch.from_numpy(frames[-1])[None, None]
    with torch.no_grad():
        network(batch)
        begun = time.process_time()
        network(batch)
    return 1e3 * (time.process_time() - begun)


OTHERS: dict[str, Callable[[Frames], float]] = {
    "Guo et al., sliding windows, one by one": looped_windows,
    "Guo et al., sliding windows, batched FFT": batched_windows,
    "Guo et al., semantic image": semantic,
    "AtomAI U-Net forward": atomai_unet,
    "Gaussian fit of every column (scipy)": gaussian_fits,
}
"""By the name in the table; each takes the warm-up frames and one more."""


def _timed_score(method: SegmentMethod, frame: NDArray[np.float32]) -> float:
    begun = time.process_time()
    method.score(frame)
    return 1e3 * (time.process_time() - begun)


def _fit(patch: NDArray[np.float32]) -> None:
    y, x = np.indices(patch.shape) - COLUMN_RADIUS_PX

    def difference(p: NDArray[np.float64]) -> NDArray[np.float64]:
        model = p[0] + p[1] * np.exp(-((x - p[2]) ** 2 + (y - p[3]) ** 2) / (2 * p[4] ** 2))
        return np.asarray((model - patch).ravel())

    start = [float(patch.min()), float(np.ptp(patch)), 0.0, 0.0, 2.0]
    optimize.least_squares(difference, start, method="lm", max_nfev=200)
