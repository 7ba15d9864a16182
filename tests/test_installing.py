import shlex
import sys

import pytest

from livedetect.installing import pip_install


def test_the_command_names_this_python_and_can_be_pasted(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "executable", "/home/maria/my tools/.venv/bin/python")
    words = shlex.split(pip_install("livedetect[formats]", "napari>=0.5"))
    assert words == [sys.executable, "-m", "pip", "install", "livedetect[formats]", "napari>=0.5"]


@pytest.mark.parametrize(
    ("python", "begins"),
    [
        (r"C:\Program Files\Python\python.exe", '"C:\\Program Files\\Python\\python.exe" -m pip '),
        (r"C:\Python\python.exe", "C:\\Python\\python.exe -m pip "),
    ],
)
def test_on_windows_it_is_quoted_as_windows_does(python, begins, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "executable", python)
    assert pip_install("x").startswith(begins)
