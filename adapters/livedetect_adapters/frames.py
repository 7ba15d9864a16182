"""What an array from a file must be to hold frames, and a stack over such an array."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livedetect.errors import FrameReadError, SourceError
from livedetect.types import Calibration, Frame

# what reading one frame of a damaged file raises in the libraries underneath
READ_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def frame_layout(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> tuple[int, int, int]:
    """(T, H, W) of an array of frames, `name` being its file in messages.

    Raises
    ------
    SourceError
        The array holds no real numbers, is empty, in colour, or not (T, H, W) or (H, W).
    """
    if dtype.kind == "c":
        raise SourceError(f"{name} holds complex numbers; save the magnitude (numpy.abs) instead")
    if dtype.kind not in "uif":
        raise SourceError(
            f"{name} holds {dtype}, not numbers; save the pixels as uint16 or float32"
        )
    if len(shape) not in (2, 3):
        raise SourceError(
            f"{name} has {len(shape)} dimensions {shape}; needed are (T, H, W) or (H, W): "
            "choose one channel first"
        )
    if 0 in shape:
        raise SourceError(f"{name} is empty: its shape is {shape}")
    if len(shape) == 3 and shape[2] in (3, 4):
        raise SourceError(
            f"{name} is a colour image {shape}; save one grey channel, shape (H, W) or (T, H, W)"
        )
    if min(shape[-2:]) < 2:
        raise SourceError(f"{name} has frames of {shape[-2]} × {shape[-1]} pixels: no images")
    return (1, *shape) if len(shape) == 2 else (shape[0], shape[1], shape[2])


def owned(array: Any) -> NDArray[Any]:
    """A read-only copy in C order and native byte order; halves become float32.

    Half precision and long double exist neither on the wire nor in the compiled kernels.
    """
    data = np.asarray(array)
    dtype = {"f2": "f4", "f16": "f8", "f12": "f8"}.get(data.dtype.str[1:], data.dtype.str[1:])
    copy = np.array(data, dtype=np.dtype(dtype), order="C", copy=True)
    copy.setflags(write=False)
    return copy


class Unfolded:
    """An array (A, B, ..., H, W) as the stack (A·B·..., H, W), the first axis being slowest."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.dtype = array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape now."""
        return (math.prod(self._array.shape[:-2]), *self._array.shape[-2:])

    def __getitem__(self, position: int) -> Any:
        indexes = np.unravel_index(position, self._array.shape[:-2])
        return self._array[tuple(int(index) for index in indexes)]


def _one_series(array: Any) -> Any:
    """`array` without axes of length 1 before its images: (T, 1, 1, H, W) is (T, H, W)."""
    leading = tuple(array.shape[:-2])
    several = sum(length != 1 for length in leading)
    return Unfolded(array) if len(leading) > 1 and several <= 1 else array


class ArrayStack:
    """Frames of an array-like (T, H, W) or (H, W) that is read one frame at a time.

    Further axes of length 1 (a single channel, a single plane) are passed over.

    Parameters
    ----------
    array : has shape and dtype and is indexed by frame; any real dtype.
    name : of the file, for messages.
    calibration : of all frames.
    interval_s : time between two frames, s; None if the file does not say.
    meta : what else the file says; scalars and strings.
    release : closes the file.

    Attributes
    ----------
    acquired_s : when the first frame was acquired, s since the epoch; None if not known.
    stream : name of the channel; empty if not known.
    valid_rows : rows really scanned of a single image; None if not known.
    declared_frames : frames that the file promises; 0 if it does not say.
    torn : what is wrong behind the last complete frame; empty if nothing is.
    remark : what the user should know before the run; empty if nothing.
    """

    def __init__(
        self,
        array: Any,
        name: str,
        *,
        calibration: Calibration | None = None,
        interval_s: float | None = None,
        meta: Mapping[str, Any] | None = None,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self._array = array = _one_series(array)
        self._name = name
        self._calibration = calibration or Calibration()
        self._meta = dict(meta or {})
        self._release = release
        self.interval_s = interval_s
        self.acquired_s: float | None = None
        self.stream = ""
        self.valid_rows: int | None = None
        self.declared_frames = 0
        self.torn = ""
        self.remark = ""
        frame_layout(tuple(array.shape), np.dtype(array.dtype), name)

    def __len__(self) -> int:
        shape = self._array.shape
        return int(shape[0]) if len(shape) == 3 else 1

    def frame(self, position: int) -> Frame:
        """Frame at `position`; raises `FrameReadError` naming the file and the frame."""
        if not 0 <= position < len(self):
            raise FrameReadError(f"{self._name} has no frame {position}, only {len(self)}")
        try:
            data = owned(self._array[position] if len(self._array.shape) == 3 else self._array[:])
        except READ_ERRORS as error:
            raise FrameReadError(f"{self._name}, frame {position}: {error}") from error
        return Frame(
            data=data,
            index=position,
            time_s=position * (self.interval_s or 0.0),
            calibration=self._calibration,
            stream=self.stream,
            valid_rows=self.valid_rows,
            meta=self._meta,
        )

    def close(self) -> None:
        """Release the file."""
        self._release()
