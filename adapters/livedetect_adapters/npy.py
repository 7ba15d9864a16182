"""NumPy files: ``.npy`` read frame by frame, ``.npz`` with a single image or stack."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from livedetect.errors import FrameReadError, SourceError
from livedetect_adapters.frames import ArrayStack


class NpyReader:
    """Opens ``.npy`` and ``.npz``; never unpickles."""

    suffixes: Sequence[str] = (".npy", ".npz")

    def open(self, path: Path) -> ArrayStack:
        """Open `path`; see `livedetect.protocols.Reader`."""
        try:
            if path.suffix.lower() == ".npz":
                return ArrayStack(_only_image(path), path.name)
            array = NpyFile(path)
        except OSError as error:
            if isinstance(error, (FrameReadError, SourceError)):
                raise
            raise FrameReadError(f"{path.name} cannot be read: {error}") from error
        return _stack_of(array, path.name)


def _stack_of(array: NpyFile, name: str) -> ArrayStack:
    try:
        return ArrayStack(array, name, release=array.close)
    except SourceError:
        array.close()
        raise


class NpyFile:
    """The array in an ``.npy`` file, read one frame at a time.

    Reading and not mapping: a mapped file that another program cuts short kills the process
    that looks at it.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self.shape, self._fortran, self.dtype = read_header(self._file, path.name)
            self._start = self._file.tell()
            self._check_size(path)
        except BaseException:
            self._file.close()
            raise

    def _check_size(self, path: Path) -> None:
        wanted = self._start + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        size = path.stat().st_size
        if self.dtype.kind != "O" and size < wanted:
            raise FrameReadError(f"{path.name} is incomplete: {size} of {wanted} bytes are there")

    def __getitem__(self, key: Any) -> NDArray[Any]:
        if self._fortran:
            return np.asarray(
                np.memmap(self._file, self.dtype, "r", self._start, self.shape, "F")[key]
            )
        shape = self.shape[1:] if len(self.shape) == 3 else self.shape
        count = int(np.prod(shape))
        position = key if len(self.shape) == 3 else 0
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


def _only_image(path: Path) -> NDArray[Any]:
    """The one array of two or three dimensions and real numbers in an ``.npz``."""
    with open_archive(path) as archive:
        members = archive.namelist()
        found = {member: _peek(archive, member, path.name) for member in members}
        images = [member for member in members if _is_image(*found[member])]
        named = [member for member in images if member in ("frames.npy", "image.npy", "data.npy")]
        if len(images) != 1 and len(named) != 1:
            names = ", ".join(member.removesuffix(".npy") for member in members)
            raise SourceError(
                f"{path.name} holds {names or 'no arrays'}: an .npz needs exactly one image or "
                "stack, or one array called frames, image or data"
            )
        try:
            return read_archived(archive, (named if len(named) == 1 else images)[0], path.name)
        except (zipfile.BadZipFile, EOFError) as error:
            raise FrameReadError(f"{path.name} is damaged: {error}") from error


def _peek(
    archive: zipfile.ZipFile, member: str, name: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    with archive.open(member) as file:
        return read_header(file, name)  # type: ignore[arg-type]


def _is_image(shape: tuple[int, ...], _fortran: bool, dtype: np.dtype[Any]) -> bool:
    return len(shape) in (2, 3) and dtype.kind in "uifc" and min(shape) > 0 and shape[-1] > 4


READER = NpyReader()
