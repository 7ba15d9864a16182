"""NumPy files: ``.npy`` read frame by frame, ``.npz`` of which one image or stack is chosen.

A ``.npy`` whose end is missing gives the frames that it holds. What Nion Swift exports as
``.npy`` has a ``.json`` of the same name beside it, which brings the calibration.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from livedetect.errors import FrameReadError, SourceError
from livedetect_adapters.choice import Item, chosen
from livedetect_adapters.frames import ArrayStack
from livedetect_adapters.nion_stack import stack_of


class NpyReader:
    """Opens ``.npy`` and ``.npz``; never unpickles."""

    suffixes: Sequence[str] = (".npy", ".npz")

    def open(self, path: Path) -> ArrayStack:
        """Open `path`; see `livedetect.protocols.Reader`."""
        return self.open_item(path, "")

    def open_item(self, path: Path, item: str) -> ArrayStack:
        """Open the array called `item`; see `livedetect.protocols.ItemReader`."""
        try:
            if path.suffix.lower() == ".npz":
                return ArrayStack(_image(path, item), path.name)
            if item:
                raise SourceError(f"{path.name} holds a single array: leave out ?item=")
            return _stack_of(NpyFile(path), path)
        except OSError as error:
            if isinstance(error, (FrameReadError, SourceError)):
                raise
            raise FrameReadError(f"{path.name} cannot be read: {error}") from error


def _stack_of(file: NpyFile, path: Path) -> ArrayStack:
    try:
        stack = stack_of(file, path.name, exported_properties(path), release=file.close)
    except SourceError:
        file.close()
        raise
    if file.missing_frames:
        stack.declared_frames = len(stack) + file.missing_frames
        stack.torn = (
            f"{path.name} is cut: {len(stack)} of {stack.declared_frames} frames are whole; "
            "the rest is lost; copy it again"
        )
    return stack


def exported_properties(path: Path) -> Mapping[str, Any]:
    """What Nion Swift wrote beside an exported ``.npy``; empty if there is nothing of Swift's."""
    try:
        properties = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(properties, dict) and "datum_dimension_count" in properties
    return properties if ours else {}


class NpyFile:
    """The array in an ``.npy`` file, read one frame at a time; `start` is where it begins.

    Reading and not mapping: a mapped file that another program cuts short kills the process
    that looks at it.

    Attributes
    ----------
    shape : (..., H, W) of the complete frames.
    missing_frames : how many more the header promises.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self._file = path.open("rb")
        try:
            self._file.seek(start)
            self.shape, self._fortran, self.dtype = read_header(self._file, path.name)
            self._start = self._file.tell()
            self.missing_frames = 0
            self._check_size(path)
        except BaseException:
            self._file.close()
            raise

    def _check_size(self, path: Path) -> None:
        wanted = self._start + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        size = path.stat().st_size
        if self.dtype.kind == "O" or size >= wanted:
            return
        complete = 0
        if len(self.shape) == 3 and not self._fortran:
            complete = (size - self._start) * self.shape[0] // (wanted - self._start)
        if complete <= 0:
            raise FrameReadError(f"{path.name} is incomplete: {size} of {wanted} bytes are there")
        self.missing_frames = self.shape[0] - complete
        self.shape = (complete, *self.shape[1:])

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """The frame at `key`: one index per leading axis; of a single image the whole of it."""
        if self._fortran:
            # a copy: Windows keeps a file from being deleted for as long as it is mapped
            mapped = np.memmap(self._file, self.dtype, "r", self._start, self.shape, "F")
            return np.array(mapped[key])
        leading, shape = self.shape[:-2], self.shape[-2:]
        indexes = key if isinstance(key, tuple) else (key,)
        position = int(np.ravel_multi_index(indexes, leading)) if leading else 0
        count = int(np.prod(shape))
        self._file.seek(self._start + position * count * self.dtype.itemsize)
        data = self._file.read(count * self.dtype.itemsize)
        return np.frombuffer(data, self.dtype, count).reshape(shape)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_header(file: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and dtype; leaves `file` at the first byte of the data."""
    magic = file.read(8)
    if not magic or not magic.strip(b"\0"):
        raise FrameReadError(f"{name} is empty ({len(magic)} bytes) or still being written")
    if magic[:6] != npy_format.MAGIC_PREFIX[:6][: len(magic)]:
        raise SourceError(
            f"{name} is no NumPy file, whatever its name says; save it with numpy.save"
        )
    if len(magic) < 8:
        raise FrameReadError(f"{name} is incomplete: only {len(magic)} bytes are there")
    try:
        if magic[6] == 1:
            return npy_format.read_array_header_1_0(file)
        return npy_format.read_array_header_2_0(file)
    except ValueError as error:
        if "EOF" in str(error):
            raise FrameReadError(f"{name} is incomplete: {error}") from error
        raise SourceError(f"{name} is a damaged NumPy file: {error}") from error


def read_archived(archive: zipfile.ZipFile, member: str, name: str) -> NDArray[Any]:
    """An ``.npy`` member of a zip archive, checked against its CRC; never unpickles."""
    try:
        with archive.open(member) as file:
            return np.asarray(npy_format.read_array(file, allow_pickle=False))
    except ValueError as error:
        raise SourceError(f"{name}: {member} cannot be used: {error}") from error


def open_archive(path: Path) -> zipfile.ZipFile:
    """The zip file `path`, or `FrameReadError` if it is cut, `SourceError` if it is none."""
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        with path.open("rb") as file:
            start = file.read(4)
        if start.startswith(b"PK") or not start.strip(b"\0"):
            raise FrameReadError(f"{path.name} is incomplete: {error}") from error
        raise SourceError(f"{path.name} is no zip archive, whatever its name says") from error


def _image(path: Path, wanted: str) -> NDArray[Any]:
    """The array `wanted` of an ``.npz``, or the only one that can be an image or a stack."""
    with open_archive(path) as archive:
        found = {member: _peek(archive, member, path.name) for member in archive.namelist()}
        images = [
            Item(
                key=member.removesuffix(".npy"),
                title="",
                detail=f"{' × '.join(map(str, shape))}, {dtype}",
                open=partial(read_archived, archive, member, path.name),
            )
            for member, (shape, _, dtype) in found.items()
            if _is_image(shape, dtype)
        ]
        named = [image for image in images if image.key in ("frames", "image", "data")]
        alone = len(named) == 1 and not wanted
        try:
            image: NDArray[Any] = chosen(named if alone else images, wanted, path.name).open()
        except (zipfile.BadZipFile, EOFError) as error:
            raise FrameReadError(f"{path.name} is damaged: {error}") from error
        return image


def _peek(
    archive: zipfile.ZipFile, member: str, name: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    with archive.open(member) as file:
        return read_header(file, name)  # type: ignore[arg-type]


def _is_image(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return len(shape) in (2, 3) and dtype.kind in "uifc" and min(shape) > 0 and shape[-1] > 4


READER = NpyReader()
