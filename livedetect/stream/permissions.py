"""What to say where the operating system forbids to look at a source."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livedetect.errors import SourceError


@contextmanager
def permitted(path: str | Path) -> Iterator[None]:
    """Raise `SourceError` saying what to do for a `PermissionError` on the way to `path`."""
    try:
        yield
    except PermissionError as error:
        raise forbidden(path) from error


def forbidden(path: str | Path) -> SourceError:
    """The error for a file or folder that may not be read."""
    # Windows says the same of a file that another program has opened for itself
    held = "; or close the program that holds it open" if sys.platform == "win32" else ""
    return SourceError(
        f"{path} cannot be read: the permission for it, or for a folder above it, is missing. "
        f"Ask its owner for it, or for a copy{held}"
    )


def was_forbidden(error: BaseException | None) -> bool:
    """Whether a `PermissionError` is what `error` goes back to."""
    while error is not None and not isinstance(error, PermissionError):
        error = error.__cause__
    return error is not None
