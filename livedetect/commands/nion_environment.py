"""A Python in which Nion Swift and our plug-in are installed: found, or made in a checkout.

Swift never shares a process with livedetect, and in a checkout not even an environment: it gets
``.venv-nion`` beside ``.venv``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from livedetect.errors import MissingExtraError

VARIABLE = "LIVEDETECT_NION_PYTHON"
PACKAGES = (
    "nionswift",
    "nionswift-instrumentation",
    "nionswift-usim",
    "nionui",
    "pyzmq",
    "msgpack",
    "numba",
    "scipy",
)
"""What Swift, its simulated microscope and our plug-ins import."""
CHECKOUT = Path(__file__).resolve().parents[2]
PROBE = "import nionswift_plugin.livedetect_bridge, nionswift_plugin.livedetect_lattice.headless"
_STAMP = "livedetect-nionswift.json"
_INSTALL_S = 900


def nion_python(tell: Callable[[str], None]) -> Path:
    """The interpreter to start Swift with.

    The environment variable `VARIABLE` names it; otherwise this one, if Swift is installed here;
    otherwise that of ``.venv-nion``, which is made in a checkout (a minute, 600 MB).

    Raises
    ------
    MissingExtraError
        There is none; the message says how to install it.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return _checked(Path(named), f"{VARIABLE}={named}")
    if not (CHECKOUT / "adapters" / "nionswift" / "pyproject.toml").exists():
        return _checked(Path(sys.executable), "this Python")
    return made(CHECKOUT / ".venv-nion", tell)


def nion_environment_variables(**wanted: str) -> dict[str, str]:
    """Environment for that interpreter; in a checkout our simulator is that of the checkout."""
    paths = [str(CHECKOUT), str(CHECKOUT / "simulators")]
    if not (CHECKOUT / "simulators").exists():
        return {**os.environ, **wanted}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **wanted}


def window_command(python: Path, tell: Callable[[str], None]) -> list[str]:
    """What starts the real Swift of that interpreter; its Qt is brought into ``.venv-nion``.

    Raises
    ------
    MissingExtraError
        Swift's Qt launcher is not there and cannot be installed.
    """
    launcher = python.parent / ("nionswift.exe" if os.name == "nt" else "nionswift")
    if not (python.parent / launcher.name.replace("nionswift", "nionswift-tool")).exists():
        if not python.is_relative_to(CHECKOUT / ".venv-nion"):
            raise MissingExtraError(
                f"Swift's window needs its Qt: {python} -m pip install nionswift-tool"
            )
        tell("Installing Swift's Qt into .venv-nion ...")
        _pip(python, "nionswift-tool")
    return [str(launcher)]


def made(directory: Path, tell: Callable[[str], None]) -> Path:
    """Bring ``.venv-nion`` up to date and return its interpreter.

    One process at a time: a second one that found it half made would clear it.

    Raises
    ------
    MissingExtraError
        It cannot be made, or another process has been at it for too long.
    """
    lock = directory.with_name(f"{directory.name}.lock")
    try:
        with FileLock(lock, timeout=_INSTALL_S):
            return _brought_up_to_date(directory, tell)
    except Timeout as error:
        raise MissingExtraError(
            f"Another process has been installing into {directory.name} for {_INSTALL_S} s; "
            f"end it and try again (it holds {lock.name})"
        ) from error


def _brought_up_to_date(directory: Path, tell: Callable[[str], None]) -> Path:
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = directory / _STAMP
    wanted = {"packages": list(PACKAGES), "plug_in": _fingerprint()}
    known = json.loads(stamp.read_text(encoding="utf-8")) if stamp.exists() else {}
    if known == wanted and python.exists():
        return python
    if known.get("packages") != wanted["packages"] or not python.exists():
        tell("Installing Nion Swift and its simulated microscope into .venv-nion ...")
        venv.create(directory, with_pip=True, clear=True)
        _pip(python, *PACKAGES)
    _pip(python, "--no-deps", "--force-reinstall", str(CHECKOUT / "adapters" / "nionswift"))
    stamp.write_text(json.dumps(wanted), encoding="utf-8")
    return python


def _fingerprint() -> str:
    """Of the plug-in's files, so that a changed one is installed again."""
    digest = hashlib.sha256()
    for path in sorted((CHECKOUT / "adapters" / "nionswift").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _pip(python: Path, *what: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", *what]
    done = subprocess.run(  # noqa: S603 - our own words
        command, capture_output=True, text=True, check=False, timeout=_INSTALL_S
    )
    if done.returncode:
        told = "\n".join(done.stderr.splitlines()[-5:])
        raise MissingExtraError(f"Nion Swift could not be installed into .venv-nion:\n{told}")


def _checked(python: Path, name: str) -> Path:
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user named
            [str(python), "-c", PROBE], capture_output=True, text=True, check=False, timeout=60
        )
        missing = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except OSError as error:
        missing = [str(error)]
    if missing:
        raise MissingExtraError(
            f"Nion Swift with livedetect's plug-in is not installed in {name} ({missing[0]}). "
            'Install it with that Python: pip install "livedetect-nionswift[lattice]", '
            f"or name another Python in the environment variable {VARIABLE}"
        )
    return python
