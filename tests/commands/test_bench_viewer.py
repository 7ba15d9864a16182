"""The table of ``livedetect bench viewer``, and the whole benchmark in short."""

import json
import subprocess
import sys

import pytest

from livedetect.commands import bench_viewer
from livedetect.errors import MissingExtraError


def figures(pattern="mailbox", markers=500, p95=40.0, stall=60.0):
    return {
        "case": {"pattern": pattern, "markers": markers, "seconds": 10.0},
        "latency_p50_ms": 20.0,
        "latency_p95_ms": p95,
        "latency_slope_ms_per_min": 0.1,
        "stall_p99_ms": stall,
        "stall_max_ms": 90.0,
        "images_per_s": 15.0,
        "gui_cpu_ms_per_image": 30.0,
        "memory_slope_mb_per_min": 0.0,
    }


def test_table_has_a_row_for_each_case_and_compares_at_equal_markers():
    found = [figures(markers=50), figures(), figures("queued", p95=400.0, stall=600.0)]
    lines = bench_viewer.table(found).splitlines()
    assert len(lines) == 7
    assert all(line.count("|") == lines[0].count("|") for line in lines[:5])
    assert lines[4].startswith("| queued | 500 | 20.0 | 400.0 |")
    assert lines[-1].endswith("500 markers: latency p95 x10.0.")


def test_without_a_display_or_a_stand_in_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(bench_viewer, "has_napari", lambda: True)
    monkeypatch.setattr(bench_viewer, "has_display", lambda: False)
    monkeypatch.setattr(bench_viewer.shutil, "which", lambda _: None)
    with pytest.raises(MissingExtraError, match="xvfb-run"):
        bench_viewer.viewer()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_live_view_keeps_up():
    pytest.importorskip("napari")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "livedetect",
            "bench",
            "viewer",
            "--seconds",
            "5",
            "--markers",
            "50",
            "--no-compare",
            "--json",
        ],
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)
    assert found["images_per_s"] > 1.0
