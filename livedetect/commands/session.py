"""``livedetect info``, ``recover``, ``pack`` and ``report``: what to do with a recorded session."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livedetect.commands.interruption import interruptible
from livedetect.commands.telling import tell
from livedetect.errors import SourceError

if TYPE_CHECKING:
    from livedetect.stream.recording import Recording

Session = Annotated[Path, typer.Argument(metavar="SESSION", help="A recorded session.")]


def info(
    session: Session,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Show what a recorded session holds and how it ended."""
    from livedetect.stream.recording import Recording

    told = contents(Recording(session))
    if as_json:
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
        return
    width = max(map(len, told))
    sys.stdout.writelines(f"{name:<{width}}  {_said(value)}\n" for name, value in told.items())


def contents(recording: Recording) -> dict[str, Any]:
    """What `info` shows, by name."""
    session, end = recording.session, recording.end
    dispositions = recording.dispositions()
    state = (
        end["status"]
        if end
        else (
            f"not closed: still being recorded, or else: livedetect recover {recording.directory}"
        )
    )
    return {
        "source": session.get("source", ""),
        "started": session.get("started_utc", ""),
        "ended": end.get("ended_utc", "") if end else "",
        "status": state,
        "reason": end.get("reason", "") if end else "",
        "frames": recording.count(),
        "what became of them": dispositions,
        "other channels": recording.other_channels(),
        "arrays": {name: _layout(recording, name, n) for name, n in recording.arrays().items()},
        "events": dict(Counter(event["event"] for event in recording.events())),
        "commands": len(recording.commands()),
        "faults": recording.faults(),
        "settings": changed_settings(recording),
        "versions": session.get("versions", {}),
    }


def changed_settings(recording: Recording) -> dict[str, Any]:
    """The settings that differ from the defaults, by dotted name."""
    from livedetect.settings import Settings

    usual, used = _flat(Settings().as_dict()), _flat(recording.settings.as_dict())
    return {name: value for name, value in used.items() if value != usual.get(name)}


def recover(session: Session) -> None:
    """Put a session in order that was cut off, by a kill, a crash or a full disk."""
    from livedetect.stream.recover import recover as put_in_order

    found = put_in_order(session)
    state = "was in order already" if found.was_closed else "is closed now"
    tell(f"{session} {state}: {found.frames} frames.")
    if found.pending:
        tell(f"{found.pending} of them were not analysed; `livedetect replay --all` does that.")
    if found.lost:
        tell(f"The pixels of {found.lost} frames are missing or damaged; they are marked as lost.")


def pack(
    session: Session,
    to: Annotated[Path, typer.Option(metavar="FILE", help="FILE.tif, FILE.h5 or FILE.nxs.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there already.")
    ] = False,
) -> None:
    """Write a session's frames to one file: BigTIFF with OME metadata, or HDF5 after NeXus."""
    from livedetect.stream.pack import pack as write_packed

    for path in write_packed(session, to, overwrite=overwrite):
        tell(f"Written: {path}")


def report(
    session: Session,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to; default: SESSION-report beside it."),
    ] = None,
) -> None:
    """Write the report of a recorded session, from its frames as they were analysed.

    The session is replayed for it with its own settings and commands.
    """
    from livedetect.commands.options import RunOptions
    from livedetect.commands.play import NOWHERE, play
    from livedetect.commands.recorded import Recorded
    from livedetect.stream.recording import Recording

    played = Recorded(recording=Recording(session), every_frame=False)
    directory = to or session.resolve().with_name(f"{session.resolve().name}-report")
    options = RunOptions(report=directory, view=False, publish=NOWHERE)
    stop = threading.Event()
    with interruptible(stop):
        code = play(played.open, options, stop, recorded=played)
    raise typer.Exit(code)


def _layout(recording: Recording, array: str, frames: int) -> str:
    try:
        dtype, (height, width) = recording.frames.layout(array)
    except (SourceError, ValueError) as error:
        return f"damaged: {error}"
    return f"{frames} frames of {width} × {height} px, {dtype}"


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        nested = _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
        flat |= {prefix + key: entry for key, entry in nested.items()}
    return flat


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {entry}" for name, entry in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return str(value)
