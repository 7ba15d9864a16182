"""Frames on disk: one zarr array for each dtype and shape, one chunk for each frame.

Nothing is sharded, because shards stall a live recording for half a second, and nothing is
rewritten: a chunk is complete before anybody is told of it.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from livedetect.errors import SourceError
from livedetect.stream.open_files import despite_readers
from livedetect.stream.session_files import array_name, sync, sync_directory
from livedetect.types import Frame

SYNC_THREADS = 8
GROWTH_FRAMES = 64
"""An array grows in such steps, as each step rewrites its description."""

# what reading a damaged array raises in the libraries underneath
_READ_ERRORS = (
    *(OSError, ValueError, LookupError, TypeError, RuntimeError),
    *(AttributeError, AssertionError, ArithmeticError, SystemError, MemoryError),
)
_BLOSC_HEADER_BYTES = 16


class FrameStore:
    """Appends frames to the arrays of a session directory; one thread only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._arrays: dict[tuple[str, str, tuple[int, ...]], _GrowingArray] = {}
        self._unsynced: list[Path] = []

    def add(self, frame: Frame, channel: str = "") -> tuple[str, int]:
        """Store the pixels; returns the array's name and the frame's place in it.

        Each `channel` has arrays of its own; the analysed one needs no name.

        Raises
        ------
        OSError
            The disk does not take them.
        ValueError, TypeError
            They are of a kind that zarr cannot hold.
        """
        key = (channel, frame.data.dtype.str, frame.data.shape)
        if key not in self._arrays:
            path = self._directory / array_name(len(self._arrays) + 1)
            self._arrays[key] = _GrowingArray(path, frame)
        array, slot = self._arrays[key].append(frame.data)
        self._unsynced.append(chunk_path(self._directory, array, slot, 1 + frame.data.ndim))
        return array, slot

    @property
    def unsynced(self) -> int:
        """Frames that a power cut could still take."""
        return len(self._unsynced)

    def sync(self) -> None:
        """Bring all stored frames to the disk itself; raises `OSError` if it does not take them."""
        chunks, self._unsynced = self._unsynced, []
        folders = {parent for chunk in chunks for parent in chunk.parents}
        inside = {folder for folder in folders if folder.is_relative_to(self._directory)}
        arrays = [folder / "zarr.json" for folder in inside if folder.parent == self._directory]
        # at once, because a file system answers many with a single turn of the disk
        with ThreadPoolExecutor(SYNC_THREADS, "livedetect-sync") as pool:
            list(pool.map(sync, [*chunks, *arrays]))
            list(pool.map(sync_directory, inside))

    def close(self) -> None:
        """Cut the arrays to the frames they hold."""
        for array in self._arrays.values():
            array.trim()


class _GrowingArray:
    def __init__(self, path: Path, like: Frame) -> None:
        shape = like.data.shape
        if like.data.size == 0:
            raise ValueError(f"a frame of shape {shape} has no pixels")
        told = dataclasses.asdict(like.calibration)
        self._name = path.name
        self._shape = shape
        self._length = 0
        self._array = zarr.create_array(
            store=str(path),
            shape=(GROWTH_FRAMES, *shape),
            chunks=(1, *shape),
            dtype=like.data.dtype,
            compressors=BloscCodec(cname="lz4", shuffle="bitshuffle"),
            dimension_names=("t", "y", "x") if len(shape) == 2 else None,
            attributes={name: value for name, value in told.items() if value is not None}
            | ({"stream": like.stream} if like.stream else {}),
            # a frame of zeros is a frame too, and a chunk that is not there is a fault
            config={"write_empty_chunks": True},
        )

    def append(self, data: NDArray[Any]) -> tuple[str, int]:
        slot = self._length
        if slot >= self._array.shape[0]:
            self._resize(slot + GROWTH_FRAMES)
        despite_readers(lambda: self._array.__setitem__(slot, data))
        self._length += 1
        return self._name, slot

    def trim(self) -> None:
        self._resize(self._length)

    def _resize(self, length: int) -> None:
        # whoever follows the recording may just be reading the array's description
        despite_readers(lambda: self._array.resize((length, *self._shape)))


class StoredFrames:
    """Reads the frames of a session directory; opens each array once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._arrays: dict[str, Any] = {}

    def read(self, array: str, slot: int) -> NDArray[Any]:
        """Pixels (y, x) as they were received, read-only; raises `SourceError`."""
        opened = self._opened(array)
        chunk = chunk_path(self._directory, array, slot, opened.ndim)
        if not chunk.is_file():
            raise SourceError(f"{self._directory / array}: the chunk of frame {slot} is missing")
        try:
            _check_chunk(opened, chunk)
            data: NDArray[Any] = np.array(opened[slot], order="C")
        except _READ_ERRORS as error:
            raise SourceError(
                f"{self._directory / array}: frame {slot} is damaged: {error}"
            ) from error
        data.setflags(write=False)
        return data

    def length(self, array: str) -> int:
        """Number of places for frames, written or not."""
        return int(self._opened(array).shape[0])

    def layout(self, array: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """Dtype and shape of the frames of an array."""
        opened = self._opened(array)
        return np.dtype(opened.dtype), tuple(opened.shape[1:])

    def _opened(self, array: str) -> Any:
        if array not in self._arrays:
            self._arrays[array] = open_array(self._directory / array, "r")
        return self._arrays[array]


def _check_chunk(array: Any, chunk: Path) -> None:
    """Blosc believes its header, and asks for as much memory as a damaged one says."""
    if not any(isinstance(codec, BloscCodec) for codec in array.compressors):
        return
    with chunk.open("rb") as file:
        header = file.read(_BLOSC_HEADER_BYTES)
    size, compressed = (int.from_bytes(header[at : at + 4], "little") for at in (4, 12))
    wanted = int(np.prod(array.chunks)) * array.dtype.itemsize
    if (size, compressed) != (wanted, chunk.stat().st_size):
        raise ValueError("its header does not fit its size")


def open_array(path: Path, mode: str) -> Any:
    """Open one array of frames; raises `SourceError`."""
    try:
        opened = zarr.open_array(str(path), mode=mode)
    except _READ_ERRORS as error:
        raise SourceError(f"{path} is missing or damaged: {error}") from error
    if opened.ndim < 2:
        raise SourceError(f"{path} holds no frames: its shape is {opened.shape}")
    return opened


def chunk_path(directory: Path, array: str, slot: int, ndim: int) -> Path:
    """The file of one frame, by zarr's default naming of chunks."""
    return directory.joinpath(array, "c", str(slot), *["0"] * (ndim - 1))


def trim_array(directory: Path, array: str, length: int) -> None:
    """Cut an array to `length` frames; raises `SourceError`."""
    opened = open_array(directory / array, "r+")
    if opened.shape[0] != length:
        opened.resize((length, *opened.shape[1:]))
