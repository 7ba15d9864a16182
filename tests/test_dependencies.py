"""What the product imports is declared where it is installed from."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OWN = {"livedetect", "livedetect_adapters", "livedetect_simulators", "nionswift_plugin"}
CORE = ("livedetect", "adapters/livedetect_adapters", "simulators/livedetect_simulators")
# several distributions share Nion's namespace, and most computers have none of them
NAMESPACES = {"nion": {"nionswift", "nionswift-instrumentation", "nionswift-usim"}}
INSTALLED = packages_distributions()


def modules(*rooms):
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]


def declared(folder, *, extras):
    """Distributions that a pyproject.toml names: those always needed, and those of extras."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    named = {key: lines for key, lines in optional.items() if key in extras}
    lines = [*project["dependencies"], *(line for lines in named.values() for line in lines)]
    return {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in lines}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(path, *, on_import_only=False):
    """Top-level names of others' packages that a file imports, anywhere or as it is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    if on_import_only:
        bodies = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.Lambda))]
        inside = {id(node) for body in bodies for node in ast.walk(body)}
        nodes = [node for node in nodes if id(node) not in inside]
    names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.partition(".")[0] for name in names} - OWN - set(sys.stdlib_module_names)


def undeclared(names, distributions):
    def brought_by(name):
        found = NAMESPACES.get(name) or INSTALLED.get(name) or [name]
        return {normal(distribution) for distribution in found}

    return {name for name in names if not brought_by(name) & distributions}


def test_every_import_is_declared_in_the_dependencies_or_an_extra():
    known = declared(ROOT, extras={"viewer", "formats", "dectris"})
    missing = {
        (str(path.relative_to(ROOT)), name)
        for path in modules(*CORE)
        for name in undeclared(imported(path), known)
    }
    assert not missing


def test_without_extras_everything_but_the_viewer_can_be_imported():
    known = declared(ROOT, extras=set())
    of_viewer = {
        *modules("livedetect/viewer"),
        # measures the viewer, in the viewer's own process
        ROOT / "livedetect" / "bench" / "viewer_feed.py",
    }
    missing = {
        (str(path.relative_to(ROOT)), name)
        for path in set(modules(*CORE)) - of_viewer
        for name in undeclared(imported(path, on_import_only=True), known)
    }
    assert not missing


def test_the_plug_in_for_nion_swift_declares_its_own():
    folder = ROOT / "adapters" / "nionswift"
    known = declared(folder, extras={"lattice"})
    for path in folder.rglob("*.py"):
        assert not undeclared(imported(path), known), path


def test_the_single_file_needs_what_it_says():
    path = ROOT / "adapters" / "single_file" / "livedetect_publisher.py"
    assert imported(path) == {"numpy", "msgpack", "zmq"}


@pytest.mark.parametrize("path", [ROOT / "start.py", ROOT / ".ci" / "floors"], ids=lambda p: p.name)
def test_what_runs_before_anything_is_installed_needs_nothing(path):
    assert not imported(path)


def test_an_import_that_nobody_declares_is_found(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("import numpy\ndef f():\n    import pandas.io\n", encoding="ascii")
    assert undeclared(imported(path), {"numpy"}) == {"pandas"}
    assert undeclared(imported(path, on_import_only=True), {"numpy"}) == set()
