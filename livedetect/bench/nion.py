"""``livedetect bench nion``: what the bridge costs Nion Swift, and how soon the beam is off.

A headless Swift with the simulated crystal and an engine, each in its own process, as at a
microscope. The figures are made in Swift, by `nionswift_plugin.livedetect_lattice.measure`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedetect.bench.table import markdown
from livedetect.errors import ProtocolError, SourceError
from livedetect.settings import Settings
from livedetect.stream.client import ResultsClient
from livedetect.stream.registry import open_source

CRYSTAL = "mos2?seed=1&detected_e_per_px=10&dwell_us=1&damage=100&drift_px=0.2&max_defects=40"
MEASURE = "nionswift_plugin.livedetect_lattice.measure"
SETTINGS = ("warm_up_frames=8",)
ALARM_PERIOD_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class NionPlan:
    """What is measured."""

    python: Path
    """Interpreter with Nion Swift and the plug-in."""
    environment: Mapping[str, str]
    """Of Swift."""
    results: str
    """Where the engine publishes."""
    pairs: int = 6
    """Pairs of blocks with and without the bridge."""
    count: int = 100
    """Results whose latency is taken."""


def measure(plan: NionPlan, size: int) -> dict[str, Any]:
    """The figures for frames of `size` × `size` px; raises `SourceError` if Swift fails."""
    command = [str(plan.python), "-m", MEASURE, f"--size={size}", f"--pairs={plan.pairs}"]
    swift = subprocess.Popen(  # noqa: S603 - our own program
        [*command, f"--results={plan.count}"],
        env=dict(plan.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        ready = _line(swift, "ready")
        latency = _with_engine(swift, plan, ready["endpoint"])
        with _taking(ready["endpoint"]):
            return {"size": size, **latency, **_line(swift, "measured")}
    finally:
        swift.kill()
        swift.wait()


def _with_engine(swift: subprocess.Popen[str], plan: NionPlan, source: str) -> dict[str, Any]:
    engine = _engine(source, plan.results)
    measured = threading.Event()
    alarms = threading.Thread(target=_raise_alarms, args=[plan.results, measured])
    alarms.start()
    try:
        return _line(swift, "latency")
    finally:
        measured.set()
        alarms.join()
        engine.kill()  # closing its session politely would take part of the next measurement
        engine.wait(60)


@contextlib.contextmanager
def _taking(source: str) -> Iterator[None]:
    """Take the frames and do nothing with them."""
    stop = threading.Event()
    frames = open_source(source, Settings(), stop=stop, live=True)
    thread = threading.Thread(target=deque, args=[frames, 0])
    thread.start()
    yield
    stop.set()
    thread.join()


def _line(swift: subprocess.Popen[str], event: str) -> dict[str, Any]:
    for text in swift.stdout or ():
        try:
            line = json.loads(text)
        except ValueError:
            continue  # Swift's own words
        if not isinstance(line, dict):
            continue
        if line.get("event") == "failed":
            raise SourceError(f"Nion Swift could not measure: {line.get('reason')}")
        if line.get("event") == event:
            return line
    raise SourceError("Nion Swift ended before it had measured anything")


def _raise_alarms(results: str, measured: threading.Event) -> None:
    """Have the alarm raised anew every second: setting the rule forgets that it was."""
    client = ResultsClient(results)
    while not measured.wait(ALARM_PERIOD_S):
        with contextlib.suppress(ProtocolError, TimeoutError):
            client.request("set_alarm", rule="count", limit=1.0, action="blank")
    client.close()


def _engine(source: str, results: str) -> subprocess.Popen[bytes]:
    settings = [f"--set={assignment}" for assignment in SETTINGS]
    command = [sys.executable, "-m", "livedetect", "run", source, "--no-view", *settings]
    return subprocess.Popen(  # noqa: S603 - our own program
        [*command, f"--publish={results}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _spread(figures: Mapping[str, Any], digits: int = 0) -> str:
    if not figures["n"]:
        return "–"
    p50, p95 = figures["p50"], figures["p95"]
    return f"{p50:.{digits}f} / {p95:.{digits}f} ({figures['n']})"


def _difference(figures: Mapping[str, Any]) -> str:
    low, high = figures["difference_percent_95"]
    return f"{figures['difference_percent']:+.2f} ({low:+.2f} to {high:+.2f})"


COLUMNS: Sequence[tuple[str, Callable[[Mapping[str, Any]], str]]] = (
    ("frame", lambda m: f"{m['size']}²"),
    ("to result, p50 / p95 ms (n)", lambda m: _spread(m["to_result"])),
    ("to blanked, p50 / p95 ms (n)", lambda m: _spread(m["to_blanked"])),
    ("period without, ms", lambda m: f"{m['period_without_ms']:.1f}"),
    ("with, ms", lambda m: f"{m['period_with_ms']:.1f}"),
    ("difference, % (95 %)", _difference),
    ("callback, p50 / p95 ms (n)", lambda m: _spread(m["callback"], 2)),
)


def table(measured: Sequence[Mapping[str, Any]]) -> str:
    """The figures as a Markdown table."""
    rows = [[form(figures) for _, form in COLUMNS] for figures in measured]
    return markdown([name for name, _ in COLUMNS], rows)
