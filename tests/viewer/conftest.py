"""A display or a reason, engines in their own process, and a place for screenshots."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from livedetect.viewer.display import display_problem
from tests.viewer.recorded_run import record

PROGRAM = Path(__file__).parents[1] / "synthetic_engine.py"


@pytest.fixture(scope="session")
def needs_display():
    """Skip where no window can be shown; session-wide, to come before the application."""
    problem = display_problem()
    if problem is not None:
        pytest.skip(problem)


@pytest.fixture
def engine():
    """engine(endpoint, **options): (process, endpoint) of a synthetic engine."""
    processes = []

    def start(endpoint: str = "tcp://127.0.0.1:0", **options: float):
        words = [f"{key}={value}" for key, value in options.items()]
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), endpoint, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def screenshots(tmp_path) -> Path:
    """Where pictures of windows go: LIVEDETECT_SCREENSHOTS or the test's own folder."""
    folder = Path(os.environ.get("LIVEDETECT_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """(session directory, results) of a run in which much happens, see `recorded_run`."""
    folder = tmp_path_factory.mktemp("recorded") / "session"
    return folder, record(folder)


@pytest.fixture
def show_until(needs_display, qapp):  # noqa: ARG001 - it has to come first
    """show_until(condition, timeout_s): run the event loop until it holds."""

    def run(condition, timeout_s: float = 30.0):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            qapp.processEvents()
            value = condition()
            if value:
                return value
            time.sleep(0.002)
        raise AssertionError(f"not within {timeout_s} s")

    return run
