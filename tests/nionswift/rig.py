"""A real Nion Swift in its own process, engines in theirs, and a subscriber here."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from livedetect.commands.nion_environment import nion_environment_variables
from livedetect.settings import Settings
from livedetect.stream.registry import open_source
from livedetect.types import Frame

DRIVER = Path(__file__).with_name("in_swift.py")
QUIET = "mos2?detected_e_per_px=10&dwell_us=1&seed=1&damage=0&drift_px=0&walk_px=0&max_defects=3"


def free_endpoint():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def until(condition, timeout_s=60.0):
    """Wait for a true value and return it."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout_s} s")


class Swift:
    """Nion Swift, driven from here: `swift.scan(size=256)` runs `scan` of the driver there."""

    def __init__(self, python, lattice, **bridge):
        self.results = bridge.setdefault("results", free_endpoint())
        bridge.setdefault("frames", "tcp://127.0.0.1:0")
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(240)
            variables = {"LIVEDETECT_LATTICE": lattice, "LIVEDETECT_BRIDGE": json.dumps(bridge)}
            self.process = subprocess.Popen(
                [python, str(DRIVER), str(server.getsockname()[1])],
                env=nion_environment_variables(**variables),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self._connection, _ = server.accept()
        self._connection.settimeout(180)
        self._stream = self._connection.makefile("rw", encoding="utf-8")

    def __getattr__(self, name):
        def ask(**args):
            return self.request(name, **args)

        return ask

    def request(self, request, /, **args):
        self._stream.write(json.dumps({"do": request, "args": args}) + "\n")
        self._stream.flush()
        answer = json.loads(self._stream.readline())
        if "error" in answer:
            raise AssertionError(f"in Swift: {answer['error']}")
        return answer["ok"]

    def stream(self, **settings):
        """Start to stream and return where."""
        assert self.start(**settings), self.status()["trouble"]
        return self.status()["endpoint"]

    def rest(self):
        """Stop everything; counts and settings go back to where they were."""
        self.abort()
        self.subscan(on=False)
        until(lambda: not self.scanning())
        self.stop_streaming()

    def close(self, timeout_s=60.0):
        with contextlib.suppress(OSError):
            self._stream.close()
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


class Subscriber:
    """The engine's own source, followed in a thread; `keep` makes of an item what is kept."""

    def __init__(self, address, keep=lambda item: item):
        self.items, self._keep = [], keep
        self._stop = threading.Event()
        self._source = open_source(address, Settings(), stop=self._stop, live=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        for item in self._source:
            self.items.append(self._keep(item))

    def frames(self):
        return [item for item in list(self.items) if isinstance(item, Frame)]

    def wait(self, count, timeout_s=60.0):
        until(lambda: len(self.frames()) >= count, timeout_s)
        return self.frames()

    @property
    def ended(self):
        return not self._thread.is_alive()

    def close(self):
        self._stop.set()
        self._thread.join(5.0)


class Engine:
    """``livedetect run`` on Swift's frames, in a process of its own."""

    def __init__(self, directory, source, results, **settings):
        self.events_file = directory / f"events-{time.monotonic_ns()}.jsonl"
        options = [f"--set={key}={value}" for key, value in settings.items()]
        command = [sys.executable, "-m", "livedetect", "run", source, "--no-view", *options]
        command += [
            f"--publish={results}",
            f"--events={self.events_file}",
            "--set=warm_up_frames=8",
        ]
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **threads},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def events(self, name=None):
        if not self.events_file.exists():
            return []
        text = self.events_file.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]
        return [event for event in lines if name in (None, event["event"])]

    def notes(self):
        """Texts of the notes that were left in the engine's log."""
        commands = self.events("command")
        return [event["args"]["text"] for event in commands if event["name"] == "note"]

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode
