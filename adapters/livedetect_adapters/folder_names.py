"""What the name of a file in a watched folder says: whether it counts, and its place."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

from livedetect.errors import SourceError
from livedetect.stream.registry import reader_for

_TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".writing", ".lock", "~")

_TRUE_REGION = "region.npy"
"""Where a simulated specimen is no longer the crystal: beside its ``truth.csv`` no frames."""
LIBRARY = ".nsproj"
"""A library of Nion Swift is no frame: its data are in a folder of their own."""
# Swift names the files of its libraries after their uuid, so that nothing follows from the name
_SWIFT_DATA = re.compile(r"data_[a-z0-9]{20,26}\.(ndata|h5)")

NaturalKey = tuple[tuple[str, int], ...]


def counts(path: Path, pattern: str) -> bool:
    """Whether `path` is taken for frames.

    Ignored are hidden and temporary files, what no reader understands (``truth.csv``,
    ``meta.json`` and other texts among it), the ``region.npy`` of such a truth, libraries, and
    an ``.emi`` whose ``.ser`` holds the pixels.
    """
    name = path.name
    if name.startswith((".", "~")) or name.lower().endswith((*_TEMPORARY, LIBRARY)):
        return False
    if not fnmatch(name.lower(), pattern.lower()):
        return False
    if name == _TRUE_REGION and (path.parent / "truth.csv").exists():
        return False
    try:
        reader_for(path)
    except SourceError:
        return False
    return path.suffix.lower() != ".emi" or not any(path.parent.glob(f"{path.stem}_*.ser"))


def natural_key(name: str) -> NaturalKey:
    """Sorts ``f9`` before ``f10``: letters as letters, numbers as numbers.

    Names that mean nothing have the same key: they are taken in the order of their times.
    """
    if _SWIFT_DATA.fullmatch(name.lower()):
        return ()
    parts = re.findall(r"(\D*)(\d*)", name.lower())
    return tuple((text, int(digits or -1)) for text, digits in parts if text or digits)


def series_of(name: str) -> str:
    """The name without its numbers: files of one acquisition share it."""
    return re.sub(r"\d+", "#", name.lower())


def follows(key: NaturalKey, other: NaturalKey) -> bool:
    """Whether `key` is `other` with exactly one of its numbers raised by one."""
    if len(key) != len(other):
        return False
    changed = [(a, b) for a, b in zip(key, other, strict=True) if a != b]
    return len(changed) == 1 and changed[0][0] == (changed[0][1][0], changed[0][1][1] + 1)
