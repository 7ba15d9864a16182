"""``livedetect simulate``: plays the microscope."""

from __future__ import annotations

import itertools
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs

import typer

from livedetect.commands.telling import tell
from livedetect.errors import LivedetectError, RecordingError, SettingsError

if TYPE_CHECKING:
    from livedetect.stream.frame_publisher import FramePublisher
    from livedetect.types import Frame

_ADDRESS = re.compile(r"(tcp|ipc)://")
PUBLISHED_FPS = 10
USUAL_WAIT_S = 5.0
_LOOK_S = 0.1


def simulate(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="CRYSTAL?key=value&..., for example mos2?seed=1.")
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="DEST",
            help="A folder, a file .npy or .tif, or an address: tcp://127.0.0.1:5590, ipc://PATH.",
        ),
    ],
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of frames, over that of SPEC.")
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="S", min=0, help="Publishing: wait up to S seconds for a first listener (5)."
        ),
    ] = None,
    row_blocks: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Publishing: send each frame in N blocks of rows, spread over its time.",
        ),
    ] = 1,
) -> None:
    """Play the microscope: write simulated frames, with their truth in truth.csv and meta.json.

    To an address they are published instead, at fps (10 where SPEC does not say). The keys of
    SPEC are listed by `livedetect sources` under sim:.
    """
    wanted = spec if frames is None else with_option(spec, "frames", frames)
    if _ADDRESS.match(to):
        raise typer.Exit(publish(wanted, to, USUAL_WAIT_S if wait is None else wait, row_blocks))
    if wait is not None or row_blocks > 1:
        wrong = "--row-blocks" if wait is None else "--wait"
        raise SettingsError(f"{wrong} is for addresses; {to} is none")
    write(wanted, Path(to))
    tell(f"Written to {to}, with the truth beside it.")


def write(spec: str, destination: Path) -> None:
    """Write the frames of `spec`; raises `RecordingError` where `destination` takes none."""
    from livedetect.stream.registry import open_simulator

    simulator = open_simulator(spec)
    try:
        simulator.write(destination, progress=tell_progress)
    except LivedetectError:
        raise
    except OSError as error:
        raise RecordingError(
            f"--to {destination} cannot be written: {error.strerror or error}; "
            "name a place that you may write to and that has room"
        ) from error


def publish(spec: str, address: str, wait_s: float, row_blocks: int = 1) -> int:
    """Publish the frames of `spec` at their pace, whole or in blocks of rows; the exit code."""
    from livedetect.commands.interruption import interruptible
    from livedetect.stream.frame_address import curve_file
    from livedetect.stream.frame_publisher import FramePublisher
    from livedetect.stream.registry import open_simulator, resolve

    paced = spec if "fps=" in spec else with_option(spec, "fps", PUBLISHED_FPS)
    simulator = open_simulator(paced)
    frame_s = 1 / float(parse_qs(paced.partition("?")[2])["fps"][-1])
    scheme, target, options = resolve(address)
    curve = curve_file(options)
    stop = threading.Event()
    frames = (simulated.frame for simulated in simulator)
    first, sent = next(frames), 0
    with (
        interruptible(stop),
        FramePublisher(f"{scheme}://{target}", stream=first.stream, curve=curve) as publisher,
    ):
        tell(f"Publishing at {publisher.endpoint}")
        await_listener(publisher, wait_s, stop)
        for frame in itertools.chain([first], frames):
            if stop.is_set():
                publisher.close("abort")
                break
            if row_blocks > 1:
                send_in_blocks(publisher, frame, (row_blocks, frame_s), stop)
            else:
                publisher.send_frame(frame)
            sent += 1
    tell(f"{sent} frames published.")
    return 130 if stop.is_set() else 0


def send_in_blocks(
    publisher: FramePublisher, frame: Frame, pace: tuple[int, float], stop: threading.Event
) -> None:
    """Send the rows of `frame` as a scan gives them; `pace` is blocks per frame and its time, s."""
    height, (blocks, frame_s) = len(frame.data), pace
    row_s, begun_s = frame_s / height, time.monotonic()
    edges = [height * block // blocks for block in range(blocks + 1)]
    for first, end in itertools.pairwise(edges):
        if end > first and not stop.wait(max(0.0, begun_s + end * row_s - time.monotonic())):
            publisher.send_rows(
                frame.data[first:end],
                first_row=first,
                height=height,
                calibration=frame.calibration,
                stream=frame.stream or None,
                details={"scan_id": frame.scan_id} if frame.scan_id else None,
            )


def await_listener(publisher: FramePublisher, wait_s: float, stop: threading.Event) -> None:
    """Let the first listener come before the first frame, for `wait_s` seconds at most."""
    if wait_s <= 0 or publisher.wait_for_listener(min(_LOOK_S, wait_s)):
        return
    tell(f"Waiting up to {wait_s:g} s for a first listener (--wait S) ...")
    deadline = time.monotonic() + wait_s
    while not stop.is_set() and time.monotonic() < deadline:
        if publisher.wait_for_listener(_LOOK_S):
            return
    if not stop.is_set():
        tell("Nobody listens; the frames are published all the same.")


def tell_progress(written: int, of: int) -> None:
    """Say how far the writing is, ten times on the way."""
    if written == of or written % max(1, of // 10) == 0:
        tell(f"{written} of {of} frames")


def with_option(spec: str, name: str, value: float) -> str:
    """`spec` with one of its options replaced."""
    crystal, _, options = spec.partition("?")
    kept = [part for part in options.split("&") if part and not part.startswith(f"{name}=")]
    return f"{crystal}?{'&'.join([*kept, f'{name}={value}'])}"
