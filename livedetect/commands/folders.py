"""Folders that results go to: made where they are not there, and never without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from livedetect.errors import SettingsError


def make_folder_for(path: Path, option: str, tell: Callable[[str], None]) -> None:
    """Make the folder in which `path` will lie; a slip of the pen shows in the line on it.

    Raises `SettingsError`, naming the `option`, if it cannot be made.
    """
    folder = path.parent
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{option} {path} cannot be written: {error.strerror}") from error
    tell(f"livedetect: {option}: the folder {folder} did not exist and was made")
