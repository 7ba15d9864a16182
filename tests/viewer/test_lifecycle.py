"""Opening and closing: programs that start twice, freeze, are killed, or find nothing to show."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgpack
import pytest
import zmq

from livedetect.stream.client import ResultsClient
from livedetect.viewer.display import display_problem

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

if display_problem() is None:
    from livedetect.viewer.live_widget import LiveWidget


@pytest.fixture
def view():
    """view(*arguments): the process of ``livedetect view``; killed at the end."""
    programs = []

    def start(*arguments):
        command = [sys.executable, "-m", "livedetect.viewer", *map(str, arguments)]
        programs.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
        program.communicate()


def livedetect(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "livedetect", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no/such/session"], "neither an endpoint"),
        (["udp://127.0.0.1:1"], "write it as tcp://"),
        (["--compare", "other.jsonl"], "--compare needs a recorded session"),
    ],
)
def test_what_cannot_be_looked_at_is_answered_with_what_can(arguments, said):
    done = livedetect("view", *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


@pytest.mark.usefixtures("needs_display")
def test_a_broken_session_ends_the_program_with_what_to_do(tmp_path):
    (tmp_path / "session.json").write_text('{"schema_version": 1, "settings": {}}')
    done = livedetect("view", tmp_path)
    assert done.returncode == 1
    assert "events.sqlite does not exist" in done.stderr
    assert "Traceback" not in done.stderr


def listens_to_sigterm(pid: int) -> bool:
    """The window is there: only then the program has its own way of ending."""
    with Path(f"/proc/{pid}/status").open(encoding="ascii") as status:
        [caught] = [line.split()[1] for line in status if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@posix
@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux's /proc")
@pytest.mark.usefixtures("needs_display")
def test_a_session_is_shown_until_the_window_is_closed(view, recorded):
    before = sorted(path.name for path in recorded[0].iterdir())
    program = view(recorded[0], "--compare", recorded[0])
    wait_until(lambda: program.poll() is not None or listens_to_sigterm(program.pid), 120.0)
    assert program.poll() is None, program.communicate()[1]
    program.send_signal(signal.SIGTERM)
    _, said = program.communicate(timeout=60)
    assert program.returncode == 0, said
    assert "Traceback" not in said
    assert sorted(path.name for path in recorded[0].iterdir()) == before


@posix
@pytest.mark.usefixtures("needs_display")
def test_two_viewers_may_watch_and_a_frozen_one_hinders_nobody(engine, view):
    process, endpoint = engine(frames=100_000, fps=30)
    frozen, second = view(endpoint), view(endpoint)
    client = ResultsClient(endpoint)
    try:
        assert client.wait_until_attached(60.0)
        frozen.send_signal(signal.SIGSTOP)
        first = client.state()["latest"]["frame"]
        wait_until(lambda: client.state()["latest"]["frame"] > first + 60)
        frozen.kill()
        second.kill()
        wait_until(lambda: client.state()["latest"]["frame"] > first + 120)
        assert process.poll() is None
    finally:
        client.close()


def wait_until(condition, timeout_s=60.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.usefixtures("needs_display")
def test_an_engine_of_another_version_is_told(make_napari_viewer, show_until):
    viewer = make_napari_viewer(show=True)
    with zmq.Context() as context, context.socket(zmq.PUB) as engine:
        port = engine.bind_to_random_port("tcp://127.0.0.1")
        widget = LiveWidget(viewer, f"tcp://127.0.0.1:{port}")
        viewer.window.add_dock_widget(widget, name="live", area="right")
        message = {"p": "livedetect-results", "v": 99, "kind": "status"}

        def told():
            engine.send(msgpack.packb(message))
            return "99" in widget.texts()["banner"]

        show_until(told)


@pytest.mark.usefixtures("needs_display")
def test_a_port_that_is_taken_is_a_complaint(make_napari_viewer, show_until):
    viewer = make_napari_viewer(show=True)
    with zmq.Context() as context, context.socket(zmq.REP) as other:
        port = other.bind_to_random_port("tcp://127.0.0.1")
        widget = LiveWidget(viewer, f"tcp://127.0.0.1:{port}")
        viewer.window.add_dock_widget(widget, name="live", area="right")
        widget.session.launch("sim:mos2?size=128&frames=20")
        show_until(lambda: str(port) in widget.session.complaint, 120.0)
        assert not widget.session.engine_running
