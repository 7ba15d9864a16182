import configparser
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"livedetect", "livedetect_adapters", "livedetect_simulators"}


def built(kind, folder):
    """The wheel or source archive, built from the tree as it stands."""
    command = [sys.executable, "-m", "build", kind, "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(built("--wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def source_files(tmp_path_factory):
    """Names in the source archive, below its one folder."""
    with tarfile.open(built("--sdist", tmp_path_factory.mktemp("sdist"))) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def entry_points(wheel):
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    parser = configparser.ConfigParser(delimiters=["="])
    parser.optionxform = str
    parser.read_string(wheel.read(name).decode())
    return {section: dict(parser[section]) for section in parser.sections()}


def test_the_wheel_ships_the_three_packages_and_nothing_else(wheel):
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES
    assert len(top) == len(PACKAGES) + 1
    assert not any("livedetect_publisher" in name for name in wheel.namelist())


@pytest.mark.parametrize(
    "name",
    [
        *("start.py", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", ".ci/run"),
        *("docs/publishing.md", "docs/decisions/0005-method.md", "docs/images/viewer.png"),
        *("adapters/nionswift/pyproject.toml", "adapters/nionswift/LICENSE"),
        "adapters/nionswift/nionswift_plugin/livedetect_bridge/manifest.json",
        "adapters/single_file/livedetect_publisher.py",
        "tests/stream/golden_ldf1.json",
    ],
)
def test_from_the_source_archive_one_can_work_on_it(source_files, name):
    assert name in source_files


def test_the_source_archive_holds_every_module(source_files):
    rooms = ("livedetect", "adapters", "simulators", "tests")
    modules = {
        p.relative_to(ROOT).as_posix() for room in rooms for p in (ROOT / room).rglob("*.py")
    }
    assert modules <= source_files


def test_types_and_manifest_are_included(wheel):
    expected = {f"{package}/py.typed" for package in PACKAGES} | {"livedetect/viewer/napari.yaml"}
    assert expected <= set(wheel.namelist())


def test_the_licence_is_included(wheel):
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel.namelist())


def test_the_command_is_installed(entry_points):
    assert entry_points["console_scripts"] == {"livedetect": "livedetect.cli:main"}


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("livedetect.sources", {"folder", "sim", "tcp", "ipc"}),
        ("livedetect.readers", {"npy", "tiff"}),
        ("livedetect.simulators", {"sim"}),
        ("napari.manifest", {"livedetect"}),
    ],
)
def test_plugins_are_announced(entry_points, group, names):
    assert names <= set(entry_points[group])


def test_every_announced_module_is_in_the_wheel(wheel, entry_points):
    files = set(wheel.namelist())
    for name, target in (pair for group in entry_points.values() for pair in group.items()):
        module = target.partition(":")[0].replace(".", "/")
        assert {f"{module}.py", f"{module}/__init__.py"} & files, f"{name} = {target}"
