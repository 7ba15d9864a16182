"""``livedetect demo --nion``: Nion Swift as the microscope, in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livedetect.commands.nion_environment import (
    nion_environment_variables,
    nion_python,
    window_command,
)
from livedetect.commands.options import RunOptions
from livedetect.commands.telling import tell
from livedetect.errors import SourceError

if TYPE_CHECKING:
    from livedetect.protocols import Source
    from livedetect.settings import Settings

CRYSTAL = "mos2?seed=1&detected_e_per_px=10&dwell_us=1&damage=25&drift_px=0.2&max_defects=30"
HEADLESS = "nionswift_plugin.livedetect_lattice.headless"
ALARM = ("alarm.rule=count", "alarm.limit=5", "alarm.action=blank")
FRAMES = 200
DIRECTORY = Path("livedetect-demo")
_ENDING_S = 30.0
_STATUSES_AFTER_ALARM = 6


def demo_nion(options: RunOptions, *, window: bool) -> int:
    """Run the demo through Swift; with `window` through the real one, else without any.

    Raises
    ------
    MissingExtraError
        Nion Swift is not installed; the message says how to install it.
    """
    from livedetect.commands.interruption import interruptible
    from livedetect.commands.play import play
    from livedetect.stream.registry import open_source

    python = nion_python(tell)
    frames, results = free_endpoint(), options.publish or free_endpoint()
    options = dataclasses.replace(
        options,
        view=options.view or False,
        publish=results,
        frames=options.frames or FRAMES,
        report=options.report or DIRECTORY,
        set=[*ALARM, *(options.set or [])],
    )
    stop = threading.Event()
    with interruptible(stop), Swift(python, frames, results, window=window) as swift:

        def open_swift(settings: Settings, stop: threading.Event) -> Source:
            return open_source(frames, settings, stop=stop, live=True)

        swift.follow(stop)
        return play(open_swift, options, stop)


def free_endpoint() -> str:
    """An address at which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


class Swift:
    """Swift with a crystal under its simulated beam; ends with the ``with`` block."""

    def __init__(self, python: Path, frames: str, results: str, *, window: bool) -> None:
        settings: dict[str, Any] = {"frames": frames, "results": results, "action": "blank"}
        wanted = {"LIVEDETECT_LATTICE": CRYSTAL}
        if window:
            settings |= {"stream_at_start": True}
            wanted |= {"LIVEDETECT_LATTICE_PLAY": "256"}
        kind = "with its window" if window else "without a window"
        tell(f"Starting Nion Swift {kind}, with a crystal under its simulated beam ...")
        command = window_command(python, tell) if window else [str(python), "-m", HEADLESS]
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            env=nion_environment_variables(LIVEDETECT_BRIDGE=json.dumps(settings), **wanted),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Swift:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        try:
            self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def end(self) -> None:
        """Ask Swift to end; a real one is ended by its user, or after the run."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.closed:
            stdin.close()

    def follow(self, stop: threading.Event) -> None:
        """Tell in a thread what happens in Swift; a Swift that dies ends the run."""
        threading.Thread(target=self._follow, args=[stop], name="swift", daemon=True).start()

    def _follow(self, stop: threading.Event) -> None:
        told = Told()
        for line in self._lines():
            for text in told.news(line):
                tell(f"Swift: {text}")
            if told.done:
                self.end()
        if self._process.wait() and not stop.is_set():
            tell(str(SourceError("Nion Swift ended unexpectedly")))
            stop.set()

    def _lines(self) -> Iterator[dict[str, Any]]:
        for text in self._process.stdout or ():
            try:
                line = json.loads(text)
            except ValueError:
                continue  # Swift's own words
            if isinstance(line, dict):
                yield line


class Told:
    """What of Swift's reports is new, in words."""

    def __init__(self) -> None:
        self._markers = 0
        self._action = ""
        self._after_alarm = 0
        self._defects = 0
        self.done = False
        """The beam has been off for a while: there is nothing more to see."""

    def news(self, line: dict[str, Any]) -> Iterator[str]:
        """What `line` says that was not said before."""
        if line.get("trouble"):
            yield str(line["trouble"])
        if line.get("action", "") != self._action:
            self._action = str(line["action"])
            yield self._action
        if line.get("markers", 0) > self._markers:
            self._markers = int(line["markers"])
            yield f"{self._markers} defects marked on the live image"
        if "blanked by" in str(line.get("alarm", "")):
            yield from self._dark(int(line.get("defects", 0)))

    def _dark(self, defects: int) -> Iterator[str]:
        self._after_alarm += 1
        if self._after_alarm == 2:  # the scan during which the beam went off is over
            self._defects = defects
        if self._after_alarm == _STATUSES_AFTER_ALARM:
            grown = defects - self._defects
            yield f"beam off: {grown} new defects since, the crystal keeps its {defects}"
            self.done = True
