import numpy as np
import pytest

from livedetect_simulators.scan import ScanPath
from livedetect_simulators.simulation import Simulation
from livedetect_simulators.spec import parse_spec


def path(query):
    return ScanPath(parse_spec(f"mos2?size=128&{query}"))


def test_drift_is_directed_with_a_random_walk():
    scan = path("frames=100&drift_px=0.5&walk_px=0")
    steps = np.diff([scan.drift(k) for k in range(100)], axis=0)
    assert np.hypot(*steps.T) == pytest.approx(np.full(99, 0.5))
    walk = path("frames=300&drift_px=0&walk_px=0.2")
    steps = np.diff([walk.drift(k) for k in range(300)], axis=0)
    assert steps.std() == pytest.approx(0.2, rel=0.1)


def test_a_long_stream_stays_on_the_crystal():
    low, high = path("frames=5000&drift_px=2").extent
    assert low.min() >= -128
    assert high.max() <= 128


def test_drift_goes_on_within_the_frame():
    scan = path("frames=5&jitter_px=0&drift_px=3")
    rows = scan.rows(2)
    assert rows[0] == pytest.approx(scan.drift(2))
    assert rows[-1] == pytest.approx(scan.drift(3), abs=0.1)


def test_shear_moves_the_last_row_against_the_first():
    rows = path("jitter_px=0&drift_px=0&walk_px=0&shear_px=6").rows(0)
    assert rows[-1, 0] - rows[0, 0] == pytest.approx(6, rel=0.02)
    assert not rows[:, 1].any()


def test_jitter_differs_from_row_to_row_and_frame_to_frame():
    scan = path("drift_px=0&walk_px=0&jitter_px=0.4")
    first, second = scan.rows(0)[:, 0], scan.rows(1)[:, 0]
    assert first.std() == pytest.approx(0.4, rel=0.2)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.3


def test_mains_wobble_has_50_hz_and_a_changing_phase():
    scan = path("drift_px=0&walk_px=0&jitter_px=0&mains_px=1&dwell_us=15.3")
    rows = scan.rows(0)[:, 0]
    assert rows.max() == pytest.approx(1, abs=0.02)
    cycles = np.argmax(np.abs(np.fft.rfft(rows))[1:]) + 1
    assert cycles == pytest.approx(50 * 15.3e-6 * 128**2, abs=1)
    assert np.abs(rows - scan.rows(1)[:, 0]).max() > 0.1


def test_flyback_distorts_a_time_and_not_a_number_of_pixels():
    slow, fast = path("flyback_px=4&settle_us=100&dwell_us=10"), path("flyback_px=4&dwell_us=1")
    assert slow.settling_px == pytest.approx(60, abs=1)
    assert fast.settling_px == 128
    assert path("").settling_px == 0


@pytest.mark.parametrize(
    "query",
    [
        "",
        "shear_px=12&drift_px=2",
        "warp_px=3",
        "flyback_px=5&settle_us=2000&a_px=24",
        "mains_px=1&dwell_us=100&rot_deg=31",
        "jitter_px=0.5&height=100&width=150",
        "a_px=9.5",
    ],
)
def test_the_truth_lies_where_the_defect_is_seen(query):
    spec = f"mos2?size=128&frames=12&damage_from=2&prescribed=3&kinds=metal_vacancy&seed=4&{query}"
    simulation = Simulation(spec)
    clean = Simulation(spec + "&damage=0&prescribed=0")
    for defect in simulation.frame(11).truth:
        lost = clean.expected(11) - simulation.expected(11)
        rows, cols = np.indices(lost.shape)
        reach = simulation.crystal.a_px * 0.7
        near = np.hypot(cols - defect.x_px, rows - defect.y_px) < reach
        found = np.array([(lost * axis)[near].sum() / lost[near].sum() for axis in (cols, rows)])
        assert np.abs(found - (defect.x_px, defect.y_px)).max() < 0.35


def test_the_stage_jumps_between_two_frames():
    settings = parse_spec("mos2?frames=60&drift_px=0&walk_px=0&jitter_px=0&jumps=2&jump_px=8")
    path = ScanPath(settings)
    steps = [np.hypot(*(path.drift(t + 1) - path.drift(t))) for t in range(59)]
    jumps = np.flatnonzero(np.array(steps) > 1)
    assert len(jumps) == 2
    assert jumps.min() >= 19, "the crystal is learnt before"
    for frame in range(60):
        assert np.ptp(path.rows(frame), axis=0) == pytest.approx([0, 0]), "no frame is torn"
