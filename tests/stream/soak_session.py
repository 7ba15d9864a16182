"""A long session, sampled as it runs; started by ``test_soak.py`` and by hand.

``python soak_session.py DIRECTORY seconds=600 fps=30 size=512 engine=light`` starts a producer
and a subscriber to the results, each in a process of its own, records and analyses, and writes a
JSON line every few seconds: resident memory, open files, p99 of the latency since the last line,
frames skipped so far and the load of the computer. The last line is the ledger.
``engine=detector`` analyses truly: the frames show a crystal that drifts, in fresh noise.
"""

import json
import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

from livedetect.settings import Settings
from livedetect.stream.client import ResultsClient
from livedetect.stream.frame_publisher import FramePublisher
from livedetect.stream.publish import ResultsPublisher
from livedetect.stream.record import Recorder
from livedetect.stream.registry import open_simulator, open_source
from livedetect.stream.session import SessionOptions, run_session
from livedetect.types import Frame, FrameResult, Phase

LOOP_FRAMES = 24
ROOM_PX = 24
SIGNAL, CLEAR = 5, 2000
DARK_LEVEL = 16


class LightEngine:
    """Looks at every pixel once, and finds nothing."""

    def step(self, item):
        if isinstance(item, Frame):
            item.data.sum()
        disposition = "scored" if isinstance(item, Frame) else getattr(item, "reason", "none")
        index = getattr(item, "index", 0)
        disposition = "none" if not hasattr(item, "index") else disposition
        return FrameResult(
            frame=index, time_s=item.time_s, phase=Phase.LIVE, disposition=disposition
        )

    def apply(self, _command):
        return ()

    def state(self):
        return {}


class Latencies:
    """A sink that keeps the latency of each frame until it is asked."""

    def __init__(self):
        self.values, self.lock = [], threading.Lock()
        self.skipped, self.phase, self.confirmed = 0, "", 0

    def on_result(self, result):
        self.confirmed += sum(event.event == "defect_confirmed" for event in result.events)

    def on_event(self, event):
        pass

    def on_status(self, status):
        self.skipped, self.phase = status.ledger.get("skipped", 0), str(status.phase)
        if status.last_latency_ms is not None:
            with self.lock:
                self.values.append(status.last_latency_ms)

    def take(self):
        with self.lock:
            values, self.values = self.values, []
        return values

    def close(self):
        pass


class Crystal:
    """A crystal under a drifting stage; noise is as cheap as a loop and never the same."""

    def __init__(self, size):
        self.size, self.rng = size, np.random.default_rng(0)
        spec = f"mos2?size={size + 2 * ROOM_PX}&frames=1&damage=0&detected_e_per_px={CLEAR}"
        (clear,) = (simulated.frame.data for simulated in open_simulator(spec))
        self.mean = clear * (SIGNAL / CLEAR) + DARK_LEVEL
        normal = self.rng.standard_normal((LOOP_FRAMES, size, size), dtype=np.float32)
        self.noise = list(normal)

    def frame(self, number):
        """The field of view at its drift, with shot noise from somewhere else in the pool."""
        noise = self.noise[number % LOOP_FRAMES]
        noise = np.roll(noise, self.rng.integers(self.size, size=2), axis=(0, 1))
        y, x = (round(ROOM_PX * (1 + np.sin(number / slow))) for slow in (570, 730))
        field = self.mean[y : y + self.size, x : x + self.size]
        shot = np.sqrt(field - DARK_LEVEL) * noise
        return np.round(np.maximum(field + shot, 0)).astype(np.uint16)


def produce(address, seconds, fps, size, ready):
    """Publish frames of a crystal at their pace."""
    crystal = Crystal(size)
    with FramePublisher(address, stream="soak") as publisher:
        ready.put(publisher.endpoint)
        publisher.wait_for_listener(120)
        begun, pause = time.monotonic(), threading.Event()
        for number in range(int(seconds * fps)):
            pause.wait(max(0.0, begun + number / fps - time.monotonic()))
            publisher.send(crystal.frame(number))


def subscribe(endpoint, heard, ended):
    """Follow the results as a viewer does."""
    client = ResultsClient(endpoint)
    while not ended.wait(0.05):
        heard.value += client.take().preview is not None
    client.close()


def sample(latencies, began_s):
    """One look at this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    values = latencies.take()
    return {
        "at_s": round(time.monotonic() - began_s, 1),
        "rss_mib": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "frames": len(values),
        "phase": latencies.phase,
        "skipped": latencies.skipped,
        "load": round(os.getloadavg()[0], 1),
        "p50_ms": round(float(np.percentile(values, 50)), 1) if values else None,
        "p99_ms": round(float(np.percentile(values, 99)), 1) if values else None,
    }


def tell(values):
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def engine_named(name):
    if name == "light":
        return LightEngine()
    from livedetect.commands.preparation import prepare_numerics
    from livedetect.detect.detector import Detector

    prepare_numerics(lambda _: None)
    return Detector(Settings())


def main():
    options = {"seconds": 600.0, "fps": 30.0, "size": 512, "engine": "light", "every": 10.0}
    for argument in sys.argv[2:]:
        key, _, value = argument.partition("=")
        options[key] = type(options[key])(value)
    processes = multiprocessing.get_context("spawn")
    ready, heard, ended = processes.Queue(), processes.Value("i", 0), processes.Event()
    shape = (options["seconds"], options["fps"], options["size"], ready)
    producer = processes.Process(target=produce, args=("tcp://127.0.0.1:0", *shape), daemon=True)
    producer.start()
    publisher = ResultsPublisher("tcp://127.0.0.1:0")
    viewer = processes.Process(target=subscribe, args=(publisher.endpoint, heard, ended))
    viewer.start()
    latencies, recorder = Latencies(), Recorder(Path(sys.argv[1]))
    engine = engine_named(options["engine"])
    begun, over = time.monotonic(), threading.Event()

    def watch():
        while not over.wait(options["every"]):
            tell(sample(latencies, begun))

    source = open_source(ready.get(timeout=120))
    threading.Thread(target=watch, daemon=True).start()
    outcome = run_session(
        source,
        engine,
        taps=[recorder, publisher],
        sinks=[recorder, publisher, latencies],
        options=SessionOptions(commands=[publisher], idle_timeout_s=60),
    )
    over.set()
    ended.set()
    viewer.join(10)
    tell(
        {
            "ledger": outcome.ledger,
            "faults": outcome.faults,
            "previews": heard.value,
            "confirmed": latencies.confirmed,
        }
    )


if __name__ == "__main__":
    main()
