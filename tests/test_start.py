import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
