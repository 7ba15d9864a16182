"""The table of speeds, on frames so small that it is made at once; no figure is judged."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from livedetect.bench import speed, speed_others
from livedetect.bench.speed_stages import STAGES
from livedetect.cli import app
from tests.detect.streams import frames

SMALL = ["bench", "speed", "--size", "128", "--threads", "1", "--frames", "5", "--no-others"]


def test_every_stage_is_timed_and_the_clock_is_taken_off_again():
    before = [getattr(owner, method) for _, owner, method in STAGES]
    result = CliRunner().invoke(app, [*SMALL, "--json"])
    assert result.exit_code == 0, result.output
    (entry,) = json.loads(result.stdout)
    assert entry["size"] == 128
    assert len(entry["step_ms"]) == len(entry["fft_ms"]) == 12
    assert set(entry["stages_ms"]) == {name for name, _, _ in STAGES}
    assert all(sum(times) > 0 for times in entry["stages_ms"].values())
    assert before == [getattr(owner, method) for _, owner, method in STAGES]


def made(size, milliseconds):
    times = (milliseconds,) * 5
    return speed.Speed(
        size=size,
        threads=1,
        fit_s=0.5,
        step_ms=times,
        step_cpu_ms=times,
        fft_ms=(2.0,) * 5,
        fft_cpu_ms=(1.0,) * 5,
        defects=3,
        memory_mb=0.0,
        stages_ms={"admit": times},
        others_ms={"one": 1000.0, "two": "torch is not installed"},
    )


def test_the_table_gives_ratios_and_the_growth_of_cost():
    measured = [made(512, 10.0), made(1024, 40.0)]
    assert measured[0].ratio == 5
    assert measured[0].cpu_ratio == 10
    assert speed.exponent(measured) == pytest.approx(1.0)
    text = speed.table(measured)
    assert "power of 1.00" in text
    assert "torch is not installed" in text


def test_one_size_has_no_growth():
    assert speed.exponent([made(512, 10.0)]) is None


@pytest.mark.parametrize("name", ["looped_windows", "gaussian_fits"])
def test_other_methods_are_timed(name):
    stream = [frame.data.astype(np.float32) for frame in frames("mos2?size=128&frames=6&damage=0")]
    assert getattr(speed_others, name)(stream) > 0
