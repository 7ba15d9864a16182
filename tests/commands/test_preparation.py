"""What a program does before its first frame."""

import os
import subprocess
import sys
import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from livedetect.commands import preparation
from livedetect.commands.preparation import prepare_numerics, why_compiling
from livedetect.detect import kernels


def test_linear_algebra_has_one_thread_in_the_engine():
    with threadpool_limits():  # restored afterwards
        said = []
        prepare_numerics(said.append)
        assert said == [] or "Compiling" in said[0]
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}


@pytest.fixture
def slow_start(monkeypatch):
    """slow_start(directory): what is told while the numerics take long; compiled into there."""

    def start(directory):
        said, asked = [], threading.Event()

        def compiled_into():
            asked.set()
            return str(directory)

        monkeypatch.setattr(preparation, "PATIENCE_S", 0.01)
        monkeypatch.setattr(preparation, "POLL_S", 0.01)
        monkeypatch.setattr(kernels, "compiled_into", compiled_into)
        monkeypatch.setattr(kernels, "is_available", lambda: asked.wait(20))
        monkeypatch.setattr(kernels, "not_kept", lambda: False)
        with threadpool_limits():
            prepare_numerics(said.append)
        return said

    return start


def test_a_slow_disk_is_not_called_compiling(slow_start):
    assert slow_start("") == []


def test_compiling_is_told_with_the_place_that_keeps_it(slow_start, tmp_path):
    (said,) = slow_start(tmp_path)
    assert "once for this installation" in said
    assert str(tmp_path) in said


def test_compiling_again_is_told_as_such(tmp_path):
    began_unix_s = 1e9
    (tmp_path / "fast.means-12.py311.nbi").touch()
    assert "once for this" in why_compiling(tmp_path, began_unix_s)
    os.utime(tmp_path / "fast.means-12.py311.nbi", (began_unix_s - 60, began_unix_s - 60))
    assert "again" in why_compiling(tmp_path, began_unix_s)


def test_kernels_read_from_the_disk_count_as_not_compiled(tmp_path):
    """In processes of their own: the first compiles, the second reads."""
    code = "from livedetect.detect import kernels\nimport small\nprint(kernels.compiled_into())\n"
    (tmp_path / "small.py").write_text(
        "from livedetect.detect.kernels.compile import compiled\n"
        "@compiled('float64(float64)')\n"
        "def double(x):\n"
        "    return 2 * x\n"
    )
    cache = tmp_path / "kept"
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": paths}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8",
            check=True, timeout=120,
        ).stdout.strip()
        for _ in range(2)
    )  # fmt: skip
    assert first.startswith(str(cache))
    assert second == ""
