"""The rules of the house that no linter states."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = sorted(
    path
    for room in ("livedetect", "adapters", "simulators")
    for path in (ROOT / room).rglob("*.py")
)
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "handler", "processor"}
HEAVY = ("numpy", "scipy", "sklearn", "numba", "napari", "zmq", "matplotlib")

files = pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree(path)) if isinstance(node, kinds)]


def length_without_docstring(function):
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


@files
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@files
def test_no_function_is_longer_than_60_lines(path):
    long = {f.name: n for f in functions(path) if (n := length_without_docstring(f)) > 60}
    assert not long


@files
def test_names_say_what_a_thing_is(path):
    names = {path.stem} | {
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    words = {name: set(name.lower().strip("_").split("_")) for name in names}
    endings = {name for name in names if name.endswith(("Helper", "Manager", "Handler"))}
    assert not endings
    assert "process" not in names, "say what it does to its input"
    assert not {name for name, parts in words.items() if parts & EMPTY_WORDS}


@files
def test_nothing_sleeps(path):
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    names = {getattr(call, "attr", getattr(call, "id", "")) for call in calls}
    assert "sleep" not in names, "wait on an event instead, so that stopping is prompt"


def test_functions_and_files_are_short_as_a_rule():
    lengths = sorted(length_without_docstring(f) for path in PRODUCT for f in functions(path))
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in PRODUCT]
    assert statistics.median(lengths) <= 8
    assert lengths[int(0.9 * len(lengths))] <= 25
    assert statistics.median(lines) <= 150


def test_import_is_light():
    code = (
        "import sys, time; t = time.perf_counter(); import livedetect; "
        "print(time.perf_counter() - t, *sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    seconds = min(float(done.stdout.split()[0]) for done in runs)
    assert seconds < 0.15
    assert not set(HEAVY) & set(runs[0].stdout.split()[1:])


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from livedetect.cli import app; "
        "app(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout
    assert not set(HEAVY) & set(done.stdout.split())


def test_a_run_loads_what_it_needs_only():
    code = (
        "import sys; from livedetect.cli import app; "
        "app(['run', 'sim:square?size=64&frames=1', '--no-view'], standalone_mode=False); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "numba" in done.stdout.split()
    assert not {"zarr", "napari", "matplotlib"} & set(done.stdout.split())


def test_rooms_keep_to_their_layers():
    code = "from importlinter.cli import lint_imports_command as c; c()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
