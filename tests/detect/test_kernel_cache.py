"""Where compiled code is kept, and what happens where it cannot be."""

import json
import os
import subprocess
import sys

import pytest

MODULE = """
from livedetect.detect.kernels.compile import compiled


@compiled("f8(f8)")
def twice(x):
    return 2 * x
"""
ASK = """
import json, kept
from livedetect.detect.kernels import compile
print(json.dumps([kept.twice(2.0), compile.not_kept]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="directories are Linux's")
@pytest.mark.parametrize("blocked", ["nothing", "the program's", "all"])
def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, blocked):
    (tmp_path / "kept.py").write_text(MODULE)
    user = tmp_path / "user"
    if blocked != "nothing":  # a file where the directory should be: even root cannot write there
        (tmp_path / "__pycache__").write_text("")
    if blocked == "all":
        user.write_text("")
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    path = os.pathsep.join([str(tmp_path), environment.get("PYTHONPATH", "")])
    environment |= {"XDG_CACHE_HOME": str(user), "HOME": str(user), "PYTHONPATH": path}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    run = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True
    )
    value, not_kept = json.loads(run.stdout)
    assert value == 4.0
    assert not_kept == (["twice"] if blocked == "all" else [])
    if blocked == "nothing":
        assert list((tmp_path / "__pycache__").glob("*.nbi"))
    if blocked == "the program's":
        assert list(user.rglob("*.nbi"))
