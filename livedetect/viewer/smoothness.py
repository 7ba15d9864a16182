"""How smooth the live view is, measured in a real window: one case, one process.

``python -m livedetect.viewer.smoothness`` reads a case as JSON from its first argument and
writes the figures as JSON to standard output. The results come from another process
(`livedetect.bench.viewer_feed`).
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

PROBE_MS = 10
_MEMORY_S = 1.0
_SETTLE_S = 3.0
_PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured."""

    markers: int = 500
    """Markers in every frame."""
    seconds: float = 20.0
    """How long, after three seconds to settle."""
    pattern: str = "mailbox"
    """``mailbox``: the live view; ``queued``: a Qt signal for every result, for comparison."""
    results_per_s: int = 60
    """Results published per second; previews come at 20 per second at most."""
    edge_px: int = 1024
    """Edge of the frames, px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured."""

    case: Case
    """Under which conditions."""
    latency_p50_ms: float
    """From the hand-over of a result to the event loop after its layers were drawn."""
    latency_p95_ms: float
    """As before."""
    latency_slope_ms_per_min: float
    """Growth of that latency; near zero where nothing piles up."""
    stall_p99_ms: float
    """Between two rounds of the GUI's event loop."""
    stall_max_ms: float
    """The longest of them."""
    images_per_s: float
    """Images shown."""
    gui_cpu_ms_per_image: float
    """Processor time of the GUI's thread for each image: comparable on busy computers too."""
    memory_slope_mb_per_min: float
    """Growth of the viewer's resident memory over the second half."""


@dataclass(slots=True)
class Probe:
    """Looks at the GUI's clock every ten milliseconds and notes what has changed."""

    drawn: Callable[[], tuple[int, float]]
    """Number of images drawn so far, and when the latest was handed over, s."""
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """(when, ms) of each image."""
    gaps_ms: list[float] = field(default_factory=list)
    """Between two looks."""
    memory_mb: list[tuple[float, float]] = field(default_factory=list)
    """(when, MB)."""
    cpu_s: list[float] = field(default_factory=list)
    """Processor time of the GUI's thread at the first look and at the latest, s."""
    images: int = 0
    """Seen so far."""
    last_s: float = 0.0
    """The last look; 0 before the first."""

    def look(self) -> None:
        """Called by a timer."""
        now_s = time.monotonic()
        if self.last_s:
            self.gaps_ms.append(1e3 * (now_s - self.last_s))
        self.last_s = now_s
        self.cpu_s = [*self.cpu_s[:1], time.thread_time()]
        images, handed_s = self.drawn()
        if images != self.images:
            self.images = images
            self.latencies.append((now_s, 1e3 * (now_s - handed_s)))
        if not self.memory_mb or now_s - self.memory_mb[-1][0] > _MEMORY_S:
            self.memory_mb.append((now_s, psutil.Process().memory_info().rss / 2**20))

    def figures(self, case: Case) -> Figures:
        """The summary; raises `RuntimeError` if nothing was shown."""
        if not self.latencies:
            raise RuntimeError(f"nothing was shown within {_PATIENCE_S:.0f} s")
        latency = np.array([ms for _, ms in self.latencies])
        span_s = max(self.latencies[-1][0] - self.latencies[0][0], 1e-3)
        memory = self.memory_mb[len(self.memory_mb) // 2 :]
        return Figures(
            case=case,
            latency_p50_ms=float(np.percentile(latency, 50)),
            latency_p95_ms=float(np.percentile(latency, 95)),
            latency_slope_ms_per_min=_slope(self.latencies),
            stall_p99_ms=float(np.percentile(self.gaps_ms, 99)),
            stall_max_ms=float(np.max(self.gaps_ms)),
            images_per_s=(len(latency) - 1) / span_s,
            gui_cpu_ms_per_image=1e3 * (self.cpu_s[-1] - self.cpu_s[0]) / len(latency),
            memory_slope_mb_per_min=_slope(memory),
        )


def _slope(series: list[tuple[float, float]]) -> float:
    """Rise per minute of values over seconds, by least squares."""
    if len(series) < 3:
        return 0.0
    when, value = np.array(series).T
    return float(60 * np.polyfit(when - when[0], value, 1)[0])


def measure(case: Case) -> Figures:
    """Open a window, feed it for as long as the case says, and close it."""
    import napari  # noqa: PLC0415 - needs a display

    feed, endpoint = _feed(case)
    try:
        from livedetect.viewer.app import new_window  # noqa: PLC0415

        viewer = new_window("livedetect: smoothness")
        drawn, close = _PATTERNS[case.pattern](viewer, endpoint, case.seconds)
        probe, timer = _probed(case, viewer, drawn)
        napari.run()
        timer.stop()
        close()
        return probe.figures(case)
    finally:
        feed.kill()
        feed.communicate()


def _feed(case: Case) -> tuple[subprocess.Popen[str], str]:
    numbers = (case.markers, case.edge_px, case.results_per_s)
    feed = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "livedetect.bench.viewer_feed", *map(str, numbers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert feed.stdout is not None  # noqa: S101 - a pipe
    return feed, feed.stdout.readline().strip()


def _probed(case: Case, viewer: Any, drawn: Callable[[], tuple[int, float]]) -> tuple[Probe, Any]:
    """A probe that begins once the first image is there and closes the window at the end.

    Its timer comes with it, to be kept as long as it is wanted.
    """
    from qtpy.QtCore import QTimer  # noqa: PLC0415

    probe, timer, start_s = Probe(drawn), QTimer(), [0.0]
    timer.setInterval(PROBE_MS)
    begun_s = time.monotonic()

    def tick() -> None:
        now_s = time.monotonic()
        if not start_s[0] and drawn()[0]:
            start_s[0] = now_s + _SETTLE_S
        if not start_s[0] and now_s > begun_s + _PATIENCE_S:
            viewer.close()
        if start_s[0] and now_s > start_s[0]:
            probe.look()
        if start_s[0] and now_s > start_s[0] + case.seconds:
            timer.stop()
            viewer.close()

    timer.timeout.connect(tick)
    timer.start()
    return probe, timer


def _mailbox(
    viewer: Any, endpoint: str, _seconds: float
) -> tuple[Callable[[], tuple[int, float]], Any]:
    """The live view as it is."""
    from livedetect.viewer.live_session import close_session  # noqa: PLC0415
    from livedetect.viewer.live_widget import LiveWidget  # noqa: PLC0415

    widget = LiveWidget(viewer, endpoint)
    viewer.window.add_dock_widget(widget, name="Live defects", area="right")
    session = widget.session

    def drawn() -> tuple[int, float]:
        latest = session.drawn
        return session.images_drawn, 0.0 if latest is None else latest.header["time_s"]

    return drawn, lambda: close_session(session)


def _queued(
    viewer: Any, endpoint: str, seconds: float
) -> tuple[Callable[[], tuple[int, float]], Any]:
    """What is often done: every message becomes a queued signal, and its slot draws."""
    from livedetect.viewer.smoothness_queued import QueuedView  # noqa: PLC0415

    view = QueuedView(viewer, endpoint, seconds + 2 * _SETTLE_S)
    return lambda: (view.images, view.handed_s), view.close


_PATTERNS = {"mailbox": _mailbox, "queued": _queued}


if __name__ == "__main__":
    found = measure(Case(**json.loads(sys.argv[1])))
    sys.stdout.write(json.dumps(dataclasses.asdict(found)) + "\n")
