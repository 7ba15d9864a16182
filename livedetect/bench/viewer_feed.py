"""A program that publishes a made-up run at full rate, to measure viewers with.

``python -m livedetect.bench.viewer_feed MARKERS EDGE_PX RESULTS_PER_S`` writes the endpoint as
first line on standard output and publishes until its standard input ends. The time of a frame
is the monotonic clock of this computer when its result is handed over.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.status import SessionStatus
from livedetect.types import Frame, FrameResult, NoticeEvent, Phase, Track

SPACING_PX = 16.0
_PICTURES = 8
_KINDS = ("vacancy", "half_vacancy", "displaced", "adatom", "antisite", "unknown")


def pictures(edge_px: int) -> list[NDArray[np.uint8]]:
    """Eight frames (edge, edge) of a crystal with noise, each drifted by a pixel."""
    rng = np.random.default_rng(0)
    phase = 2 * np.pi * np.arange(edge_px) / SPACING_PX
    columns = np.exp(3 * (np.cos(phase)[:, None] + np.cos(phase)[None, :] - 2))
    counts = rng.poisson(80 * columns[None] + 10, (_PICTURES, edge_px, edge_px))
    return [np.roll(np.minimum(c, 255).astype(np.uint8), n, 1) for n, c in enumerate(counts)]


def tracks(count: int, edge_px: int, frame: int) -> tuple[Track, ...]:
    """Defects on columns of the crystal, drifting with it."""
    per_row = max(1, int(edge_px / SPACING_PX) - 2)
    return tuple(
        Track(
            defect_id=number,
            x_px=(number * 7 % per_row + 1) * SPACING_PX + frame % _PICTURES,
            y_px=(number // per_row % per_row + 1) * SPACING_PX,
            x_nm=None,
            y_nm=None,
            kind=_KINDS[number % len(_KINDS)],
            confidence=0.9,
            score=7.5,
            first_seen_frame=0,
            confirmed_frame=max(0, frame - number % 400),
            last_seen_frame=frame,
        )
        for number in range(count)
    )


def publish(publisher: ResultsPublisher, rate_per_s: float, markers: int, edge_px: int) -> None:
    """Publish results and frames until standard input ends."""
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    images = pictures(edge_px)
    held = [tracks(markers, edge_px, frame) for frame in range(_PICTURES)]
    _announce(publisher)
    due_s, frame = time.monotonic(), 0
    while not ended.is_set():
        now_s = time.monotonic()
        publisher.on_frame(Frame(data=images[frame % _PICTURES], index=frame, time_s=now_s))
        publisher.on_result(_result(frame, now_s, held[frame % _PICTURES]))
        publisher.on_status(_status(frame, rate_per_s))
        frame += 1
        due_s = max(due_s + 1 / rate_per_s, now_s)  # what is late is not made up for
        ended.wait(max(0.0, due_s - time.monotonic()))


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _announce(publisher: ResultsPublisher) -> None:
    values = {"source": "benchmark", "session_id": "0" * 32, "version": "0", "settings": {}}
    lattice = {"lattice_px": [[SPACING_PX, 0.0], [0.0, SPACING_PX]], "sites": 1}
    for name, told in (("run_started", values), ("model_ready", lattice)):
        publisher.on_event(NoticeEvent(event=name, frame=0, time_s=0.0, values=told))


def _result(frame: int, time_s: float, held: tuple[Track, ...]) -> FrameResult:
    return FrameResult(
        frame=frame,
        time_s=time_s,
        phase=Phase.LIVE,
        disposition="scored",
        active_tracks=held,
        dose_e_per_A2=1000.0 * frame,
        warm_up_done=12,
        warm_up_frames=12,
        threshold=4.0,
    )


def _status(frame: int, rate_per_s: float) -> SessionStatus:
    ledger = {"sent": frame + 1, "received": frame + 1, "scored": frame + 1}
    return SessionStatus(frame=frame, phase=Phase.LIVE, ledger=ledger, frames_per_s=rate_per_s)


def main(arguments: Sequence[str]) -> None:
    """Run with the command line's numbers."""
    markers, edge_px, rate_per_s = (int(word) for word in arguments)
    publisher = ResultsPublisher("tcp://127.0.0.1:0")
    sys.stdout.write(publisher.endpoint + "\n")
    sys.stdout.flush()
    try:
        publish(publisher, float(rate_per_s), markers, edge_px)
    finally:
        publisher.close()


if __name__ == "__main__":
    main(sys.argv[1:])
