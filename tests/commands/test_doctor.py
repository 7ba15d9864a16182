import sys

import pytest

from livedetect.commands import doctor
from livedetect.commands.doctor import Requirement, advice, packages, requirements


def requirement(name, extra="", installed=None):
    return Requirement(name=name, wanted=">=1.0", extra=extra, installed=installed)


def test_requirements_are_those_of_the_metadata():
    found = {entry.name: entry for entry in requirements()}
    assert found["numpy"].installed
    assert found["numpy"].wanted.startswith(">=")
    assert found["numpy"].extra == ""
    assert found["napari"].extra == "viewer"
    assert "pytest" not in found


def test_what_is_missing_comes_with_the_command(monkeypatch):
    monkeypatch.setattr(doctor, "find_library", lambda name: name)
    lines = advice([requirement("numpy", installed="2.0"), requirement("napari", "viewer")])
    assert lines == [
        f'Missing for the napari viewer:\n  {sys.executable} -m pip install "napari>=1.0"'
    ]
    assert "MISSING >=1.0" in "\n".join(packages([requirement("napari", "viewer")]))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pip brings all that windows need")
def test_missing_libraries_are_named_as_debian_packages(monkeypatch):
    monkeypatch.setattr(doctor, "find_library", lambda name: None if name == "EGL" else name)
    assert advice([])[0].endswith("apt-get install -y --no-install-recommends libegl1")


def test_nothing_missing_is_said(monkeypatch):
    monkeypatch.setattr(doctor, "find_library", lambda name: name)
    assert advice([requirement("numpy", installed="2.0")]) == ["Nothing is missing."]


def test_an_extra_that_the_installation_does_not_know_is_no_empty_group():
    lines = packages([requirement("numpy", installed="2.0"), requirement("napari", "viewer")])
    assert lines == [
        "always needed:",
        "  numpy         2.0",
        "for the napari viewer [viewer]:",
        "  napari        MISSING >=1.0",
    ]
