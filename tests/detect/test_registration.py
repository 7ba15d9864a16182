import numpy as np
import pytest
from scipy import ndimage

from livedetect.detect.binned import binned
from livedetect.detect.detector import Detector
from livedetect.detect.kernels.plain import shift_rows
from livedetect.detect.lattice import find_lattice
from livedetect.detect.registration import BraggRegistration
from livedetect.detect.residual import FrontEnd
from livedetect.detect.warp import Warp, _registered_mean
from livedetect.settings import Settings
from livedetect.stream.registry import open_simulator
from tests.detect.streams import frames, two_grains, watch

STILL = "mos2?size=256&damage=0&jitter_px=0&drift_px=0&walk_px=0&detected_e_per_px=20&background=0"


def floats(spec: str) -> list[np.ndarray]:
    return [frame.data.astype(np.float32) for frame in frames(spec)]


def test_drift_is_measured_to_a_few_hundredths_of_a_pixel() -> None:
    first, *others = floats(STILL + "&frames=6")
    lattice = find_lattice([first])
    true = np.array([[0.0, 0.0], [1.3, -0.4], [2.1, 0.35], [3.4, 1.1], [4.2, 2.6], [5.5, 3.0]])
    moved = [
        np.asarray(ndimage.shift(frame, (dy, dx), order=3, mode="mirror"))
        for frame, (dx, dy) in zip([first, *others], true, strict=True)
    ]
    found = BraggRegistration(lattice, moved).shifts
    assert np.abs(found - found[0] - true).max() < 0.06


def test_a_frame_without_the_crystal_can_be_taken_back() -> None:
    stream = floats("mos2?size=256&damage=0&frames=14")
    registration = BraggRegistration(find_lattice(stream[:12]), stream[:12])
    before = registration.shift.copy()
    noise = np.random.default_rng(0).poisson(5, (256, 256)).astype(np.float32)
    drift = registration.step(noise)
    assert registration.strength(drift) < 0.3
    registration.undo(drift)
    assert (registration.shift == before).all()


@pytest.mark.parametrize("swing", [(2.0, 0.0), (0.0, -3.0), (-1.5, 2.5)])
def test_a_stage_that_speeds_up_stretches_the_frame(swing: tuple[float, float]) -> None:
    stream = floats("mos2?size=256&damage=0&frames=13&walk_px=0&drift_px=0&background=0")
    registration = BraggRegistration(find_lattice(stream[:12]), stream[:12])
    assert not registration.step(stream[12]).swing.any()
    y, x = np.indices((256, 256), float)
    down = (y + 0.5) / 256 - 0.5
    moved = ndimage.map_coordinates(stream[12], [y - swing[1] * down, x - swing[0] * down], order=3)
    assert registration.step(moved).swing == pytest.approx(swing, abs=0.35)


@pytest.mark.parametrize("seed", [4, 5])
def test_a_stage_that_walks_at_random_makes_no_markers(seed: int) -> None:
    """Before the stretch was followed there were three false ones with either seed."""
    spec = "mos2?prescribed=20&births_until=56&size=384&frames=70&detected_e_per_px=2"
    run = watch(f"{spec}&drift_px=0&walk_px=2&seed={seed}")
    delays, false = run.matched(0.6 * 16 / np.sqrt(3))
    assert len(false) <= 1
    assert len(delays) >= 17


def test_rows_shifted_and_shifted_back_are_the_same() -> None:
    rng = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(rng.normal(size=(64, 200)), 2.5).astype(np.float32)
    jitter = rng.uniform(-1.5, 1.5, 64).astype(np.float32)
    there_and_back = shift_rows(shift_rows(smooth, jitter), -jitter)
    assert np.abs(there_and_back - smooth)[:, 8:-8].max() < 0.05 * smooth.std()


@pytest.mark.parametrize("jitter_px", [0.3, 0.8])
def test_row_jitter_is_recognised(jitter_px: float) -> None:
    spec = f"mos2?size=256&damage=0&frames=16&jitter_px={jitter_px}&drift_px=0&walk_px=0"
    stream = floats(spec)
    front = FrontEnd(stream[:12])
    nothing = np.zeros(front.grid.shape, np.float32)
    for frame in stream[12:]:
        residual = front.step(frame, front.locate(frame), nothing, nothing.astype(bool))
    assert residual.jitter_rms_px == pytest.approx(jitter_px, rel=0.35)


def warp_of(stream: list[np.ndarray]) -> Warp:
    lattice = find_lattice(stream)
    return Warp.from_frames(stream, BraggRegistration(lattice, stream).shifts, lattice)


def test_the_warp_is_undone() -> None:
    warped = "mos2?size=256&damage=0&frames=12&warp_px=1.5&detected_e_per_px=20"
    found = warp_of(floats(warped))
    reference = warp_of(floats(warped.replace("warp_px=1.5", "warp_px=0")))
    assert found.rms_px > 3 * reference.rms_px
    assert found.rms_px > 0.3


@pytest.mark.parametrize(("turned_deg", "seed"), [(10.0, 1), (15.0, 1), (15.0, 2)])
def test_another_grain_is_no_distortion(turned_deg: float, seed: int) -> None:
    """What its phase says, up to 10 px, was taken for one."""
    stream = [f.data.astype(np.float32) for f in two_grains(turned_deg, seed=seed, frames=12)]
    edge = np.arange(0.0, 320.0, 8.0)
    x, y = np.meshgrid(edge, edge)
    assert np.hypot(*warp_of(stream).at(x, y, np.zeros(2))).max() < 4


@pytest.mark.parametrize("belongs_to", ["scan", "specimen"])
def test_drift_tells_what_the_warp_belongs_to(belongs_to: str) -> None:
    spec = "mos2?size=320&damage=0&frames=40&drift_px=0.6&walk_px=0&warp_px=2&seed=2"
    stream = floats(spec)
    if belongs_to == "specimen":
        moves = BraggRegistration(find_lattice(stream), stream).shifts
        stream = [
            np.asarray(ndimage.shift(stream[0], (dy, dx), order=3, mode="mirror"))
            for dx, dy in moves - moves[0]
        ]
    front = FrontEnd(stream[:12])
    nothing = np.zeros(front.grid.shape, np.float32)
    for frame in stream:
        front.step(frame, front.locate(frame), nothing, nothing.astype(bool))
    assert front.warp.scan_fixed is (belongs_to == "scan")


def test_the_simulator_moves_as_the_registration_says() -> None:
    spec = "graphene?size=256&damage=0&frames=30&prescribed=1&damage_from=13&births_until=14"
    stream = list(open_simulator(spec))
    data = [entry.frame.data.astype(np.float32) for entry in stream]
    registration = BraggRegistration(find_lattice(data[:12]), data[:12])
    positions = []
    for entry, frame in zip(stream[12:], data[12:], strict=True):
        drift = registration.step(frame)
        if entry.truth:
            truth = np.array([entry.truth[0].x_px, entry.truth[0].y_px])
            positions.append(truth - drift.shift)
    along_x, along_y = np.std(positions, axis=0)
    assert along_y < 0.1
    assert along_x < 0.3  # the truth includes the jitter of the defect's own row


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_the_gain_of_a_steady_beam_does_not_creep(seed: int) -> None:
    dim = "mos2?size=160&frames=240&damage=0&detected_e_per_px=1.5&background=0&flicker=0"
    detector = Detector(Settings())
    gains = []
    for frame in frames(f"{dim}&seed={seed}"):
        registration = detector.step(frame).registration
        gains.append(registration.gain if registration else np.nan)
    assert np.mean(gains[-40:]) == pytest.approx(1.0, abs=0.025)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.3, -2.6), (-7.0, 4.25)])
def test_frames_are_moved_back_in_whole_pixels(shift: tuple[float, float]) -> None:
    image = np.random.default_rng(1).normal(size=(40, 50)).astype(np.float32)
    back = (-np.round(shift[1]), -np.round(shift[0]))
    expected = ndimage.shift(image, back, order=0, mode="mirror")
    assert np.allclose(_registered_mean([image], np.array([shift])), expected)


def test_the_warp_of_a_large_cell_is_found_on_larger_blocks() -> None:
    spec = "mos2?size=512&a_px=64&damage=0&frames=4&warp_px=4&detected_e_per_px=20"
    stream = floats(spec)
    found = warp_of(stream)
    reference = warp_of([binned(frame, 4) for frame in stream])
    assert found.rms_px == pytest.approx(4 * reference.rms_px, rel=0.05)
