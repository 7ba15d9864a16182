"""What every reader must do; each reader's tests inherit it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from livedetect.errors import FrameReadError, SourceError
from livedetect.stream.registry import reader_for

FRAMES = np.random.default_rng(5).integers(1, 999, (4, 40, 24)).astype("f4")


def frame_of(seed):
    """The same pixels as `frame` of the writing processes."""
    return np.random.default_rng(seed).integers(1, 999, (32, 24)).astype("u2")


def save(folder, *numbers):
    """A file of its own for the frame of each number."""
    for number in numbers:
        np.save(folder / f"f{number:03}.npy", frame_of(number))


def read(path, position=0):
    """One frame of a file that is closed again."""
    with contextlib.closing(reader_for(path).open(path)) as stack:
        return stack.frame(position)


class ReaderContract:
    """Subclasses say how a file of the format is written."""

    suffix: str

    def write(self, path: Path, array: np.ndarray) -> None:
        raise NotImplementedError

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / f"frames{self.suffix}"

    def test_one_frame(self, path):
        self.write(path, FRAMES[1])
        stack = reader_for(path).open(path)
        frame = stack.frame(0)
        assert len(stack) == 1
        stack.close()
        np.testing.assert_array_equal(frame.data, FRAMES[1])

    def test_stack_in_any_order(self, path):
        self.write(path, FRAMES)
        stack = reader_for(path).open(path)
        frames = [stack.frame(position) for position in (2, 0, 3, 1)]
        assert len(stack) == 4
        stack.close()
        assert [frame.index for frame in frames] == [2, 0, 3, 1]
        for frame in frames:
            np.testing.assert_array_equal(frame.data, FRAMES[frame.index])

    def test_frames_are_read_only_native_and_contiguous(self, path):
        self.write(path, FRAMES)
        stack = reader_for(path).open(path)
        data = stack.frame(1).data
        stack.close()
        assert not data.flags.writeable
        assert data.flags.c_contiguous
        assert data.dtype.isnative

    def test_no_such_frame(self, path):
        self.write(path, FRAMES)
        stack = reader_for(path).open(path)
        with pytest.raises(FrameReadError, match="4"):
            stack.frame(4)
        stack.close()

    def test_text_under_a_wrong_name(self, path):
        path.write_text("these are words and no pixels\n" * 20, encoding="utf-8")
        with pytest.raises((SourceError, FrameReadError), match=path.name):
            reader_for(path).open(path)

    def test_closing_twice_is_allowed(self, path):
        self.write(path, FRAMES)
        stack = reader_for(path).open(path)
        stack.close()
        stack.close()


class FileContract(ReaderContract):
    """Of readers whose frames are in one file, and not in a directory."""

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.98])
    def test_cut_file_gives_no_false_pixels(self, path, share):
        self.write(path, FRAMES[:1])
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(FrameReadError):
            read(path)
