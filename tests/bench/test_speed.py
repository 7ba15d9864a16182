"""The table of speeds, on frames so small that it is made at once; no figure is judged."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from livedetect.bench import speed, speed_arrival, speed_others, speed_paced
from livedetect.bench.speed_stages import STAGES
from livedetect.cli import app
from tests.detect.streams import frames

SMALL = ["bench", "speed", "--size", "128", "--threads", "1", "--frames", "5", "--no-others"]
SMALL += ["--paced", "0"]


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


def test_a_paced_run_counts_every_frame_with_work_beside_it():
    done = []
    stream = frames("mos2?size=128&frames=40&damage=0")
    run = speed_paced.paced(stream, 20, beside="counting", work=lambda: done.append(1))
    assert len(run.step_ms) == 20
    assert done
    assert len(run.memory_mb) == 15
    assert "counting" in speed_paced.paced_table([run])


def test_frames_that_settle_are_shown_and_not_counted():
    shown = []
    stream = frames("mos2?size=128&frames=40&damage=0")
    run = speed_paced.paced(
        stream, 6, show=lambda frame, result: shown.append((frame.index, result.frame)), settling=4
    )
    assert len(run.step_ms) == 6
    assert shown == [(index, index) for index in range(40, 50)]


def test_frames_go_forwards_and_backwards_without_repeating_themselves():
    stream = frames("mos2?size=128&frames=40&damage=0")
    shown = list(speed_paced._endless(stream, 60))
    assert [frame.index for frame in shown] == list(range(40, 100))
    latest = stream[-1].data
    for frame in shown:
        assert not np.array_equal(frame.data, latest)
        latest = frame.data


def test_messages_become_events_in_the_file():
    spec = "mos2?size=192&frames=40&damage=8&damage_from=16&seed=3"
    took = speed_arrival.arrival_ms(spec, fps=20)
    assert took
    assert all(0 < entry < 60_000 for entry in took)
    assert f"{len(took)} frames" in speed_arrival.arrival_line(192, took)
    assert "no event" in speed_arrival.arrival_line(192, [])
