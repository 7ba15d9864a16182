"""Whether there is room for more frames."""

from __future__ import annotations

import shutil
from pathlib import Path

from livedetect.errors import RecordingError

RESERVE_BYTES_MAX = 64 * 2**20
RESERVE_SHARE = 0.02
ROOM_TO_CLOSE_BYTES = 2**20
FRAMES_IN_RESERVE = 4


def check_room(directory: Path, frame_bytes: int) -> None:
    """Raise `RecordingError` before the disk is so full that a session could not be closed.

    The reserve is 64 MiB, or 2 % of a small disk, and four frames in any case.
    """
    disk = shutil.disk_usage(directory)
    small = min(RESERVE_BYTES_MAX, int(RESERVE_SHARE * disk.total))
    reserve = max(small, ROOM_TO_CLOSE_BYTES + FRAMES_IN_RESERVE * frame_bytes)
    if disk.free < reserve:
        raise RecordingError(
            f"the disk is full: {in_words(disk.free)} are free at {directory}, and "
            f"{in_words(reserve)} are kept free"
        )


def estimate(directory: Path, frame_bytes: int) -> str:
    """A line for the user on how long the disk will last."""
    free = shutil.disk_usage(directory).free
    frames = max(0, free - RESERVE_BYTES_MAX) // max(1, frame_bytes)
    return (
        f"Recording to {directory}: at most {in_words(frame_bytes)} a frame, {in_words(free)} "
        f"free, room for {frames} frames or more."
    )


def in_words(size_bytes: float) -> str:
    """``3.2 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.4g} TiB"
