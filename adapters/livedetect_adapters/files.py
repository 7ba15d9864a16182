"""The state of a file on disk: identity, size and age."""

from __future__ import annotations

import math
import time
from pathlib import Path

Signature = tuple[int, ...]


def signature_of(path: Path) -> Signature:
    """Device, inode, size and modification time in ns; raises `OSError` if it is gone.

    Of a zarr array those of its description, which changes whenever the array grows.
    """
    status = path.stat()
    if path.is_dir():
        inner = [path / name for name in ("zarr.json", ".zarray") if (path / name).exists()]
        status = inner[0].stat() if inner else status
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def age_s(path: Path) -> float:
    """Seconds since the last modification, infinite for a file that is gone.

    Never negative, whatever the clocks say.
    """
    try:
        return max(0.0, time.time() - signature_of(path)[-1] * 1e-9)
    except OSError:
        return math.inf
