"""The command that brings a package to the Python that runs livedetect."""

from __future__ import annotations

import shlex
import subprocess
import sys


def pip_install(*wanted: str) -> str:
    """The whole command, to be pasted into a shell.

    It names this Python: a plain ``pip`` is another one wherever the virtual environment is not
    active.

    Parameters
    ----------
    wanted : requirements as pip knows them, such as ``livedetect[formats]`` or ``napari>=0.5``.
    """
    python = sys.executable or "python"
    quoted = subprocess.list2cmdline([python]) if sys.platform == "win32" else shlex.quote(python)
    # double quotes are understood by every shell, that of Windows among them
    return " ".join([quoted, "-m pip install", *(f'"{name}"' for name in wanted)])
