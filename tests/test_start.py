import contextlib
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import until

ROOT = Path(__file__).resolve().parents[1]

# A stand-in for `livedetect demo`: an interruption makes it close, which takes a moment.
SLOW_TO_CLOSE = """
import signal, sys, time
from pathlib import Path

def close(number, _frame):
    signal.signal(number, lambda *_: sys.exit(9))  # a second one keeps it from closing
    time.sleep(1.0)
    Path("report").write_text("complete")
    sys.exit(130)

def ignore(number, _frame):
    with Path("ignored").open("a") as told:
        told.write("x")

signal.signal(signal.SIGINT, ignore if "deaf" in sys.argv else close)
signal.signal(signal.SIGTERM, close)
Path("ready").touch()
for _ in range(300):
    time.sleep(0.1)
"""
DEMO = """
import signal, sys
import start
from pathlib import Path

# what is started in the background, as a test run may be, ignores Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
start.ROOT = Path.cwd()
start.ensure_environment = lambda: None
start.ensure_installed = lambda extras: None
start.has_display = lambda: False
start.venv_python = lambda: sys.executable
sys.exit(start.main(["demo", *sys.argv[1:]]))
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """The set-up script as a module, at home in an empty project."""
    spec = importlib.util.spec_from_file_location("start", ROOT / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / ".venv"
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "STAMP": venv / "stamp.json",
        "LOG": venv / "log",
    }.items():
        monkeypatch.setattr(module, name, value)
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    return module


@pytest.fixture
def demo(tmp_path):
    """Starts ``start.py demo`` with the stand-in, in a process group of its own."""
    (tmp_path / "livedetect.py").write_text(SLOW_TO_CLOSE, encoding="utf-8")
    begun = []

    def begin(*arguments):
        command = [sys.executable, "-c", DEMO, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        begun.append(
            subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
        )
        until((tmp_path / "ready").exists)
        return begun[0]

    yield begin
    with contextlib.suppress(ProcessLookupError):
        os.killpg(begun[0].pid, signal.SIGKILL)
    begun[0].wait()


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["install"], 2), (["--help"], 0)])
def test_without_a_known_command_it_says_what_there_is(arguments, code):
    command = [sys.executable, ROOT / "start.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "start.py demo" in done.stdout
    assert "start.py check" in done.stdout


def test_it_makes_a_working_environment_once(start, capsys):
    start.ensure_environment()
    assert start.answers(start.venv_python(), "import pip")
    start.ensure_environment()
    assert capsys.readouterr().out.count("making") == 1


def test_it_does_not_install_twice(start, monkeypatch):
    calls = []
    monkeypatch.setattr(start, "run", lambda command, **_: calls.append(command) or 0)
    start.VENV.mkdir()
    start.ensure_installed(("all", "test"))
    start.ensure_installed(("viewer",))
    assert len(calls) == 1
    (start.ROOT / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    start.ensure_installed(("viewer",))
    assert len(calls) == 2


def test_a_failed_installation_is_told_and_tried_again(start, monkeypatch):
    def refuse(_command, output, **_):
        output.write("no network")
        output.flush()
        return 1

    monkeypatch.setattr(start, "run", refuse)
    start.VENV.mkdir()
    with pytest.raises(start.SetupError, match="pip failed") as caught:
        start.ensure_installed(("viewer",))
    assert "no network" in str(caught.value)
    assert not start.STAMP.exists()


def test_the_stamp_holds_for_one_pyproject(start):
    start.VENV.mkdir()
    project = hashlib.sha256((start.ROOT / "pyproject.toml").read_bytes()).hexdigest()
    start.STAMP.write_text(json.dumps({"project": project, "extras": ["viewer"]}), encoding="utf-8")
    start.ensure_installed(("viewer",))


def test_what_it_may_not_install_it_prints(start, monkeypatch, capsys):
    monkeypatch.setattr(start, "root_prefix", lambda: None)
    monkeypatch.setattr(start.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert not start.ensure_apt(["xvfb", "xauth"], "tests")
    line = "sudo apt-get install -y --no-install-recommends xvfb xauth"
    assert line in capsys.readouterr().out


def test_nothing_missing_needs_no_rights(start, monkeypatch):
    monkeypatch.setattr(start, "root_prefix", lambda: pytest.fail("no need to ask"))
    assert start.ensure_apt([], "tests")


def test_an_old_python_is_told_what_is_needed(start, monkeypatch):
    monkeypatch.setattr(start.sys, "version_info", (3, 9))
    monkeypatch.setattr(start.shutil, "which", lambda _: None)
    with pytest.raises(start.SetupError, match=r"3\.11 or newer is needed"):
        start.recent_python()


def test_an_old_python_looks_for_a_newer_one(start, monkeypatch):
    monkeypatch.setattr(start.sys, "version_info", (3, 9))
    monkeypatch.setattr(start.shutil, "which", lambda name: name if name == "python3.12" else None)
    assert start.recent_python() == "python3.12"


@pytest.mark.skipif(sys.platform != "linux", reason="Debian's packages")
def test_missing_libraries_are_named_by_their_package(start, monkeypatch):
    libraries = {"libc6": "libc.so.6", "no-such-package": "libnosuch.so.9"}
    monkeypatch.setattr(start, "LIBRARIES", libraries)
    assert start.missing_libraries() == ["no-such-package"]


def test_a_file_stays_with_one_of_several_test_processes(request):
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("the tests are not shared out")
    assert request.node.nodeid.endswith("@test_start.py")


on_posix = pytest.mark.skipif(os.name == "nt", reason="process groups of POSIX")


@on_posix
@pytest.mark.parametrize(
    ("number", "to_all"),
    [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False)],
)
def test_an_interrupted_demo_is_given_the_time_to_close(demo, tmp_path, number, to_all):
    running = demo()
    (os.killpg if to_all else os.kill)(running.pid, number)
    assert running.wait(20) == 130
    assert (tmp_path / "report").read_text() == "complete"


@on_posix
def test_a_second_ctrl_c_ends_the_wait(demo, tmp_path):
    running = demo("deaf")
    os.killpg(running.pid, signal.SIGINT)
    until((tmp_path / "ignored").exists)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(1)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(5) == 130


@on_posix
def test_a_program_that_does_not_close_is_ended(start, monkeypatch):
    monkeypatch.setattr(start, "CLOSING_S", 0.1)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert start.closed(child, KeyboardInterrupt()) == 130
    assert child.wait(5) == -signal.SIGTERM


def test_what_follows_an_interrupted_step_is_left_out(start, monkeypatch):
    monkeypatch.setattr(start, "ensure_environment", lambda: start.call(["pip"]))
    monkeypatch.setattr(start, "ensure_installed", lambda _: pytest.fail("it went on"))
    monkeypatch.setattr(start.subprocess, "Popen", InterruptedChild)
    monkeypatch.setattr(start.signal, "signal", lambda *_: None)
    assert start.main(["check"]) == 130


def test_what_runs_beside_is_waited_for(start, tmp_path):
    code = "import time; from pathlib import Path; time.sleep(0.3); Path('done').touch()"
    with start.beside([sys.executable, "-c", code], dict(os.environ)):
        assert not (tmp_path / "done").exists()
    assert (tmp_path / "done").exists()


def test_what_runs_beside_ends_with_what_is_interrupted(start):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), start.beside(command, dict(os.environ)):
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 30


class InterruptedChild:
    """Ctrl-C comes while it runs; it ends well all the same."""

    returncode = 0

    def __init__(self, *_arguments, **_options):
        pass

    def communicate(self, timeout=None):
        if timeout is None:
            raise KeyboardInterrupt
        return None, None
