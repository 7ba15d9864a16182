"""A program that publishes a made-up run, for tests of those who watch.

A crystal of bright columns drifts slowly; at known frames known columns vanish. Usage:
``python synthetic_engine.py ENDPOINT [key=value ...]``; the bound endpoint is the first
line on standard output. It obeys ``stop`` and ``rebaseline`` and ends with its input.
"""

import dataclasses
import sys
import threading
import time

import numpy as np

from livedetect.errors import SettingsError
from livedetect.inspection import Inspection
from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.queries import answer_query
from livedetect.stream.status import SessionStatus
from livedetect.types import (
    Calibration,
    DefectEvent,
    Frame,
    FrameResult,
    NoticeEvent,
    Phase,
    Registration,
    Track,
)

WARM_UP = 12
SPACING_PX = 16.0
PIXEL_NM = 0.02
DOSE_PER_FRAME = 1000.0
KINDS = ("vacancy", "half_vacancy", "displaced", "adatom", "antisite", "unknown")


def drift_px(frame: int) -> tuple[float, float]:
    """Displacement of the crystal, (y, x) in px."""
    return 0.05 * frame, 0.1 * frame


def defects(size: int, frame: int) -> list[tuple[int, int, float, float]]:
    """(defect_id, birth frame, y, x) of all defects born up to `frame`; one every 5 frames."""
    dy, dx = drift_px(frame)
    columns = int(size / SPACING_PX) - 4
    born = range(max(0, (frame - 20) // 5 + 1))
    places = [(n, divmod((n * 37) % (columns * columns), columns)) for n in born]
    return [
        (n, 20 + 5 * n, (row + 2) * SPACING_PX + dy, (column + 2) * SPACING_PX + dx)
        for n, (row, column) in places
    ]


def picture(size: int, frame: int) -> np.ndarray:
    """The frame (size, size), float32."""
    rng = np.random.default_rng(frame)
    dy, dx = drift_px(frame)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    waves = np.cos(2 * np.pi * (y - dy) / SPACING_PX) + np.cos(2 * np.pi * (x - dx) / SPACING_PX)
    image = np.exp(3 * (waves - 2)) * 80 + 10
    for _, _, row, column in defects(size, frame):
        image *= 1 - np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 5.0**2))
    return rng.poisson(np.clip(image, 0.5, None)).astype(np.float32)


def result(size: int, frame: int, time_s: float, extra: tuple = ()) -> FrameResult:
    """What an engine that makes no mistakes would say of the frame."""
    phase = Phase.WARMING_UP if frame + 1 < WARM_UP else Phase.LIVE
    found = defects(size, frame)
    stamp = {"frame": frame, "time_s": time_s, "dose_e_per_A2": (frame + 1) * DOSE_PER_FRAME}
    events = [
        DefectEvent(
            event="defect_confirmed",
            defect_id=n,
            first_seen_frame=birth,
            y_px=y,
            x_px=x,
            kind=KINDS[n % len(KINDS)],
            **stamp,
        )
        for n, birth, y, x in found
        if birth == frame
    ]
    if frame + 1 == WARM_UP:
        lattice = [[SPACING_PX, 0.0], [0.0, SPACING_PX]]
        events.append(
            NoticeEvent(event="model_ready", values={"lattice_px": lattice, "sites": 9}, **stamp)
        )
    tracks = [
        Track(
            defect_id=n,
            x_px=x,
            y_px=y,
            x_nm=None,
            y_nm=None,
            kind=KINDS[n % len(KINDS)],
            confidence=0.9,
            score=7.5,
            first_seen_frame=birth,
            confirmed_frame=birth,
            last_seen_frame=frame,
        )
        for n, birth, y, x in found
    ]
    dy, dx = drift_px(frame)
    return FrameResult(
        phase=phase,
        disposition="warm_up" if phase is Phase.WARMING_UP else "scored",
        events=(*extra, *events),
        active_tracks=tuple(tracks),
        registration=Registration(drift_x_px=dx, drift_y_px=dy, gain=1.0, offset=0.0),
        warm_up_done=min(frame + 1, WARM_UP),
        warm_up_frames=WARM_UP,
        threshold=4.0,
        **stamp,
    )


def watched(size: int) -> np.ndarray:
    """Everything but a border of 24 px and a stain in the lower left, on blocks of 8 px."""
    blocks = np.zeros((size // 8, size // 8), bool)
    blocks[3:-3, 3:-3] = True
    blocks[-10:-5, 4:10] = False
    return blocks


def inspection(size: int, frame: int, defect_id: int) -> Inspection:
    """What the place of a defect looks like without noise."""
    found = {n: (y, x) for n, _, y, x in defects(size, frame)}
    if defect_id not in found:
        raise SettingsError(f"no defect has the id {defect_id}")
    y, x = found[defect_id]
    ramp = np.linspace(-1, 1, 64)
    away = ramp[:, None] ** 2 + ramp[None, :] ** 2
    crystal = 40 + 30 * np.cos(5 * np.pi * ramp)[:, None] * np.cos(5 * np.pi * ramp)[None, :]
    gone = np.exp(-away / 0.02)
    return Inspection(
        defect_id=defect_id,
        frame=frame,
        x_px=x,
        y_px=y,
        edge_px=80.0,
        before=crystal.astype(np.float32),
        after=(crystal * (1 - gone)).astype(np.float32),
        residual=(-9 * gone).astype(np.float32),
        frames_before=12,
        frames_after=8,
        window_frames=4,
    )


class Showing:
    """Answers questions about defects as an engine does."""

    def __init__(self, size: int) -> None:
        self.size, self.frame = size, 0

    def inspect(self, defect_id: int) -> Inspection:
        """The pictures of a defect that is there now."""
        return inspection(self.size, self.frame, defect_id)


def status(frame: int, fps: float) -> SessionStatus:
    """A plausible status: two frames were lost on the way."""
    warm = min(frame + 1, WARM_UP)
    ledger = {"sent": frame + 3, "received": frame + 1, "missing": 2, "warm_up": warm}
    return SessionStatus(
        frame=frame,
        phase=Phase.WARMING_UP if frame + 1 < WARM_UP else Phase.LIVE,
        ledger={**ledger, "scored": frame + 1 - warm},
        frames_per_s=fps,
        last_latency_ms=12.5,
    )


def run(publisher: ResultsPublisher, size: int, frames: int, fps: float, hatched: bool) -> None:
    """Publish until `frames`, a stop command, or the end of standard input."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    values = {"source": "synthetic", "session_id": "0" * 32, "version": "0", "settings": {}}
    publisher.on_event(NoticeEvent(event="run_started", frame=0, time_s=0.0, values=values))
    # rendered beforehand and then repeated: the time between frames must not depend on them
    pictures = [picture(size, frame) for frame in range(min(frames, 60))]
    stopped = False
    showing, dismissed = Showing(size), set()
    due = time.monotonic()
    for frame in range(frames):
        extra = []
        showing.frame = frame
        for query in publisher.queries():
            answer_query(query, showing)
        for command in publisher.poll():
            stopped |= command.name == "stop"
            if command.name in ("dismiss", "accept"):
                act = dismissed.add if command.name == "dismiss" else dismissed.discard
                act(command.args["defect_id"])
            values = {"name": command.name, "args": dict(command.args), "ok": True}
            stamp = {"frame": frame, "time_s": frame / fps}
            extra.append(NoticeEvent(event="command", values=values, **stamp))
        if stopped or ended.is_set():
            break
        image = pictures[frame % len(pictures)]
        calibration = Calibration(pixel_size_nm=PIXEL_NM)
        publisher.on_frame(
            Frame.from_array(image, index=frame, time_s=time.monotonic(), calibration=calibration)
        )
        said = result(size, frame, frame / fps, tuple(extra))
        publisher.on_result(
            dataclasses.replace(
                said,
                active_tracks=tuple(t for t in said.active_tracks if t.defect_id not in dismissed),
                dismissed_tracks=tuple(t for t in said.active_tracks if t.defect_id in dismissed),
                watched=watched(size) if hatched and frame >= WARM_UP else None,
            )
        )
        publisher.on_status(status(frame, fps))
        due += 1 / fps
        ended.wait(max(0.0, due - time.monotonic()))
    publisher.on_event(
        NoticeEvent(event="run_ended", frame=frames - 1, time_s=0.0, values={"status": "success"})
    )
    if not stopped:
        ended.wait(60.0)


def main() -> None:
    """Run with the command line's options."""
    options = {"size": 256, "frames": 100, "fps": 20.0, "hatched": 0}
    for argument in sys.argv[2:]:
        key, _, value = argument.partition("=")
        options[key] = type(options[key])(float(value))
    publisher = ResultsPublisher(sys.argv[1])
    sys.stdout.write(publisher.endpoint + "\n")
    sys.stdout.flush()
    try:
        size, frames = int(options["size"]), int(options["frames"])
        run(publisher, size, frames, float(options["fps"]), bool(options["hatched"]))
    finally:
        publisher.close()


if __name__ == "__main__":
    main()
