"""Folders that results go to: made where they are not there, and never without a word."""

from __future__ import annotations

import tempfile
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


def make_folder_to_fill(folder: Path, option: str, tell: Callable[[str], None]) -> None:
    """Make `folder` if need be, and see that files can be put there.

    What is written at the end of a run only would else be missed when it is too late. Raises
    `SettingsError`, naming the `option`, if it cannot be made or written to.
    """
    make_folder_for(folder, option, tell)
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(
            f"{option} {folder} cannot be written: {error.strerror}; "
            "name a folder that you may write to"
        ) from error
