"""A simulated microscope and an analysis as two programs, with and without keys."""

import json
import socket
import subprocess
import sys

import pytest

SPEC = "square?size=128&frames=30&fps=20"


def livedetect(*arguments, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "livedetect", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.fixture
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


def finished(process):
    out, err = process.communicate(timeout=110)
    return process.returncode, out, err


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_what_simulate_publishes_is_what_run_analyses(address, encrypted, tmp_path):
    keys = {"producer": "", "subscriber": ""}
    if encrypted:
        assert finished(livedetect("keys", "lab", cwd=tmp_path))[0] == 0
        keys = {role: f"?curve=lab/{role}.key" for role in keys}
    microscope = livedetect(
        "simulate", SPEC, "--to", address + keys["producer"], "--wait", "100", cwd=tmp_path
    )
    run = livedetect(
        "run", address + keys["subscriber"], "--no-view", "--events", "-", cwd=tmp_path
    )
    code, out, err = finished(run)
    assert code == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    ledger = events[-1]["ledger"]
    assert ledger["sent"] == ledger["received"] == 30
    assert ledger["scored"] + ledger["warm_up"] + ledger["skipped"] == 30
    assert events[-1]["dose_e_per_A2"] > 0
    code, out, err = finished(microscope)
    assert (code, out) == (0, "")
    assert "30 frames published" in err
