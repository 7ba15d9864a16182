"""``livedetect simulate``: plays the microscope."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from livedetect.commands.play import tell
from livedetect.errors import SettingsError

_ADDRESS = re.compile(r"(tcp|ipc)://")


def simulate(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="CRYSTAL?key=value&..., for example mos2?seed=1.")
    ],
    to: Annotated[str, typer.Option(metavar="DEST", help="A folder, or a file .npy or .tif.")],
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of frames, over that of SPEC.")
    ] = None,
) -> None:
    """Play the microscope: write simulated frames, with their truth in truth.csv and meta.json.

    The keys of SPEC are listed by `livedetect sources` under sim:.
    """
    from livedetect.stream.registry import open_simulator

    if _ADDRESS.match(to):
        raise SettingsError(
            f"--to {to}: frames cannot be sent over a network yet; give a folder or a file"
        )
    simulator = open_simulator(spec if frames is None else with_frames(spec, frames))
    simulator.write(Path(to), progress=tell_progress)
    tell(f"Written to {to}, with the truth beside it.")


def tell_progress(written: int, of: int) -> None:
    """Say how far the writing is, ten times on the way."""
    if written == of or written % max(1, of // 10) == 0:
        tell(f"{written} of {of} frames")


def with_frames(spec: str, frames: int) -> str:
    """`spec` with its number of frames replaced."""
    crystal, _, options = spec.partition("?")
    kept = [part for part in options.split("&") if part and not part.startswith("frames=")]
    return f"{crystal}?{'&'.join([*kept, f'frames={frames}'])}"
