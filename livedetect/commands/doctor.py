"""``livedetect doctor``: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import os
import platform
import re
import sys
from ctypes.util import find_library
from dataclasses import dataclass

import typer

import livedetect
from livedetect.commands.viewer_program import has_display
from livedetect.installing import pip_install

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*([^;]*)(?:;(.*))?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_EXTRAS = {
    "viewer": "the napari viewer",
    "formats": "vendors' file formats",
    "dectris": "frames of DECTRIS detectors",
}
# Qt needs these on Linux and pip cannot bring them: library and Debian package
_LIBRARIES = {
    "EGL": "libegl1",
    "GL": "libgl1",
    "dbus-1": "libdbus-1-3",
    "xkbcommon-x11": "libxkbcommon-x11-0",
    "xcb-cursor": "libxcb-cursor0",
    "xcb-icccm": "libxcb-icccm4",
    "xcb-keysyms": "libxcb-keysyms1",
    "xcb-shape": "libxcb-shape0",
    "fontconfig": "libfontconfig1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A package that livedetect uses."""

    name: str
    """As pip knows it."""
    wanted: str
    """Limits on its version, as pip writes them."""
    extra: str
    """The extra that brings it, empty if it is always needed."""
    installed: str | None
    """Its version, None if it is missing."""


def doctor() -> None:
    """Show what is installed, what is missing, and the commands that bring it."""
    needed = requirements()
    missing = [entry for entry in needed if not entry.extra and entry.installed is None]
    lines = [*computer(), "", *packages(needed), "", *advice(needed), "", dose_advice()]
    sys.stdout.write("\n".join(lines) + "\n")
    raise typer.Exit(1 if missing else 0)


def computer() -> list[str]:
    """Lines on the computer and on Python."""
    display = "yes" if has_display() else "no (DISPLAY and WAYLAND_DISPLAY are not set)"
    return [
        f"livedetect  {livedetect.__version__}",
        f"Python      {platform.python_version()} ({sys.executable})",
        f"system      {platform.platform()}",
        f"cores       {os.cpu_count()}",
        f"display     {display}",
    ]


def requirements() -> list[Requirement]:
    """What livedetect's own metadata ask for, extras for users included."""
    from importlib import metadata  # here: no other command waits for it at its start

    found = (_requirement(text) for text in metadata.requires("livedetect") or ())
    return [entry for entry in found if entry.extra in ("", *_EXTRAS)]


def packages(needed: list[Requirement]) -> list[str]:
    """Lines on the packages, a group for each extra."""
    lines: list[str] = []
    for extra in ("", *_EXTRAS):
        group = [entry for entry in needed if entry.extra == extra]
        if not group:  # an installation from before there was this extra
            continue
        lines.append(f"for {_EXTRAS[extra]} [{extra}]:" if extra else "always needed:")
        lines += [
            f"  {entry.name:<14}{entry.installed or f'MISSING {entry.wanted}'}" for entry in group
        ]
    return lines


def advice(needed: list[Requirement]) -> list[str]:
    """The commands that bring what is missing."""
    lines = [
        _pip_line(extra, [e for e in needed if e.extra == extra and e.installed is None])
        for extra in ("", *_EXTRAS)
    ]
    lines.append(_apt_line())
    return [line for line in lines if line] or ["Nothing is missing."]


def dose_advice() -> str:
    """What a dose needs, and how to say it."""
    from livedetect.commands.dose_hint import DOSE_KEYS

    return (
        f"A dose in e/Å² needs {', '.join(DOSE_KEYS)}; what the files do not say, the settings do:"
        f"\n  livedetect run SOURCE {' '.join(f'--set {key}=...' for key in DOSE_KEYS)}"
    )


def _pip_line(extra: str, missing: list[Requirement]) -> str:
    if not missing:
        return ""
    command = pip_install(*(f"{entry.name}{entry.wanted}" for entry in missing))
    purpose = _EXTRAS.get(extra, "running at all")
    return f"Missing for {purpose}:\n  {command}"


def _apt_line() -> str:
    if sys.platform != "linux":
        return ""
    missing = [package for name, package in _LIBRARIES.items() if find_library(name) is None]
    if not missing:
        return ""
    return (
        "Libraries that windows need on Debian and Ubuntu:\n"
        f"  sudo apt-get install -y --no-install-recommends {' '.join(missing)}"
    )


def _requirement(text: str) -> Requirement:
    match = _REQUIREMENT.match(text)
    name, wanted, marker = match.groups() if match else (text, "", "")
    extra = _EXTRA.search(marker or "")
    return Requirement(
        name=name,
        wanted=wanted.strip(),
        extra=extra[1] if extra else "",
        installed=_version(name),
    )


def _version(name: str) -> str | None:
    from importlib import metadata  # here: no other command waits for it at its start

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
