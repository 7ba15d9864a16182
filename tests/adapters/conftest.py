"""Watching a source as a session does: on a thread of its own, until it is stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import livedetect
from livedetect.types import Frame, Rejection
from tests.adapters.socket_sessions import Running


class Watching:
    """A live source being iterated; `items` grows as it delivers."""

    def __init__(self, source: str) -> None:
        self.items: list[object] = []
        self.stop = threading.Event()
        self.source = livedetect.open_source(source, stop=self.stop)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for item in self.source:
            self.items.append(item)

    @property
    def frames(self) -> list[Frame]:
        return [item for item in self.items if isinstance(item, Frame)]

    @property
    def rejections(self) -> list[Rejection]:
        return [item for item in self.items if isinstance(item, Rejection)]

    @property
    def files(self) -> list[str]:
        return [frame.meta["file"] for frame in self.frames]

    def wait_for(self, count: int, seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while len(self.items) < count:
            assert time.monotonic() < deadline, [type(item).__name__ for item in self.items]
            time.sleep(0.01)

    def join(self, seconds: float) -> None:
        """Wait until the source ends by itself."""
        self._thread.join(seconds)
        assert not self._thread.is_alive()

    def end(self) -> float:
        """Stop; the time it took, s."""
        began = time.monotonic()
        self.stop.set()
        self.join(5)
        return time.monotonic() - began


@pytest.fixture
def watch() -> Iterator[object]:
    """Start watching; at the end everything is stopped and no thread may be left."""
    before = set(threading.enumerate())
    started: list[Watching] = []

    def start(source: object) -> Watching:
        started.append(Watching(str(source)))
        return started[-1]

    yield start
    for watching in started:
        watching.end()
    new = {thread.name for thread in set(threading.enumerate()) - before}
    # zarr keeps one event loop for the whole process
    assert not {name for name in new if not name.startswith(("zarr", "asyncio"))}


@pytest.fixture
def writer() -> Iterator[object]:
    """Run Python statements in another process, with `folder`, numpy and a `frame` at hand."""
    running: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, body: str) -> subprocess.Popen[bytes]:
        script = (
            "import os, time\nfrom pathlib import Path\nimport numpy as np\n"
            f"folder = Path({str(folder)!r})\n"
            "def frame(seed):\n"
            "    return np.random.default_rng(seed).integers(1, 999, (32, 24)).astype('u2')\n"
        )
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        running.append(
            subprocess.Popen([sys.executable, "-W", "error", "-c", script + body], env=environment)
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def data() -> Path:
    """Directory of real microscope data, or a skip."""
    here = Path(__file__).parents[2]
    path = Path(os.environ.get("LIVEDETECT_DATA", here.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip("no real data: set LIVEDETECT_DATA")
    return path


@pytest.fixture
def running():
    sessions = []

    def begin(*args, **options):
        sessions.append(Running(*args, **options))
        return sessions[-1]

    yield begin
    for session in sessions:
        session.stop.set()
        session.thread.join(10)
