"""A long session, sampled as it runs; started by ``test_soak.py`` and by hand.

``python soak_session.py DIRECTORY seconds=600 fps=30 size=512 engine=light`` starts a producer
and a subscriber to the results, each in a process of its own, records and analyses, and writes a
JSON line every few seconds: resident memory, open files, p99 of the latency since the last line.
The last line is the ledger. ``engine=detector`` analyses truly.
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

    def on_result(self, result):
        pass

    def on_event(self, event):
        pass

    def on_status(self, status):
        if status.last_latency_ms is not None:
            with self.lock:
                self.values.append(status.last_latency_ms)

    def take(self):
        with self.lock:
            values, self.values = self.values, []
        return values

    def close(self):
        pass


def produce(address, seconds, fps, size, ready):
    """Publish crystal frames in a loop, at their pace."""
    spec = f"mos2?size={size}&frames={LOOP_FRAMES}&damage=0&drift_px=0"
    frames = [np.round(simulated.frame.data) for simulated in open_simulator(spec)]
    frames = [frame.astype(np.uint16) for frame in frames]
    with FramePublisher(address, stream="soak") as publisher:
        ready.put(publisher.endpoint)
        publisher.wait_for_listener(60)
        begun, pause = time.monotonic(), threading.Event()
        for number in range(int(seconds * fps)):
            pause.wait(max(0.0, begun + number / fps - time.monotonic()))
            publisher.send(frames[number % LOOP_FRAMES])


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
        "p99_ms": round(float(np.percentile(values, 99)), 1) if values else None,
    }


def tell(values):
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def engine_named(name):
    if name == "light":
        return LightEngine()
    from livedetect.detect.detector import Detector

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
    begun, over = time.monotonic(), threading.Event()

    def watch():
        while not over.wait(options["every"]):
            tell(sample(latencies, begun))

    source = open_source(ready.get(timeout=120))
    threading.Thread(target=watch, daemon=True).start()
    outcome = run_session(
        source,
        engine_named(options["engine"]),
        taps=[recorder, publisher],
        sinks=[recorder, publisher, latencies],
        options=SessionOptions(commands=[publisher], idle_timeout_s=60),
    )
    over.set()
    ended.set()
    viewer.join(10)
    tell({"ledger": outcome.ledger, "faults": outcome.faults, "previews": heard.value})


if __name__ == "__main__":
    main()
