import numpy as np
import pytest

from livedetect.detect.columns import covering_sites, find_columns
from livedetect.detect.lattice import find_lattice
from livedetect.detect.residual import FrontEnd
from livedetect.errors import LatticeNotFoundError
from livedetect.stream.registry import open_simulator
from tests.detect.streams import frames, two_grains

CRYSTALS = ("graphene", "mos2", "ws2", "mowte2", "square", "zro2")

CUBE_PX = 16.6


def floats(spec: str) -> list[np.ndarray]:
    return [frame.data.astype(np.float32) for frame in frames(spec)]


def same_lattice(found: np.ndarray, true: np.ndarray) -> float:
    """Largest error in px of the integer change of basis between two lattices."""
    change = found @ np.linalg.inv(true)
    whole = np.round(change)
    assert abs(abs(np.linalg.det(whole)) - 1) < 1e-6
    return float(np.abs(found - whole @ true).max())


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_finds_the_lattice_of_every_crystal(crystal: str) -> None:
    spec = f"{crystal}?frames=8&size=256&damage=0&seed=3"
    true = np.array(open_simulator(spec).meta["lattice_px"])
    assert same_lattice(find_lattice(floats(spec)).basis_px, true) < 0.03


@pytest.mark.parametrize("a_px", [7.0, 12.0, 30.0, 60.0])
def test_finds_the_lattice_at_any_sampling(a_px: float) -> None:
    size = 256 if a_px < 20 else 512
    spec = f"mos2?frames=6&size={size}&a_px={a_px}&damage=0&detected_e_per_px=10"
    true = np.array(open_simulator(spec).meta["lattice_px"])
    assert same_lattice(find_lattice(floats(spec)).basis_px, true) < 0.004 * a_px


def test_rectangular_frames_are_no_special_case() -> None:
    spec = "mos2?frames=6&height=200&width=320&damage=0"
    true = np.array(open_simulator(spec).meta["lattice_px"])
    assert same_lattice(find_lattice(floats(spec)).basis_px, true) < 0.05


@pytest.mark.parametrize("turned_deg", [3.0, 10.0, 21.8, 30.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_of_two_grains_one_has_the_lattice(turned_deg: float, seed: int) -> None:
    """A fine enough lattice would nearly hold the reflections of both."""
    stream = two_grains(turned_deg, seed=seed, frames=4, size=384, electrons=10)
    basis = find_lattice([frame.data.astype(np.float32) for frame in stream]).basis_px
    assert abs(np.linalg.det(basis)) == pytest.approx(16**2 * np.sqrt(0.75), rel=0.03)


def test_noise_has_no_lattice() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.poisson(5, (256, 256)).astype(np.float32) for _ in range(6)]
    with pytest.raises(LatticeNotFoundError):
        find_lattice(noise)


@pytest.mark.parametrize(("invert", "bright"), [(0, True), (1, False)])
def test_columns_of_a_honeycomb(invert: int, bright: bool) -> None:
    front = FrontEnd(floats(f"graphene?frames=8&size=256&damage=0&invert={invert}"))
    assert len(front.columns.fractions) == 2
    assert front.columns.bright is bright
    assert front.columns.scale_px == pytest.approx(16, rel=0.02)


def test_sites_leave_no_place_of_the_cell_uncovered() -> None:
    front = FrontEnd(floats("mos2?frames=6&size=256&damage=0"))
    sites = covering_sites(front.columns, front.lattice, front.grid.samples)
    fractions = sites / np.array(front.grid.samples)
    images = fractions[:, None] + np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 2)
    points = np.random.default_rng(0).random((500, 2)) @ front.lattice.basis_px
    known = images.reshape(-1, 2) @ front.lattice.basis_px
    distance = np.hypot(*(points[:, None] - known).transpose(2, 0, 1)).min(axis=1)
    assert distance.max() < 0.42 * front.columns.scale_px


def test_columns_come_highest_first() -> None:
    front = FrontEnd(floats("mos2?frames=8&size=256&damage=0"))
    table = front.pixel_template().value
    columns = find_columns(table, front.lattice)
    assert (np.diff(columns.heights) <= 0).all()


def coincident_grains(turned_deg: float, first: float, seed: int) -> list[np.ndarray]:
    """Frames of two square grains turned so that they share some of their sites, one strained."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((400, 400)).astype(float)
    halves = []
    for turn, strain in ((first, 1.0), (first + np.deg2rad(turned_deg), 1.02)):
        u = (np.cos(turn) * x + np.sin(turn) * y) / CUBE_PX * strain
        v = (np.cos(turn) * y - np.sin(turn) * x) / CUBE_PX
        orders = ((1, 0, 1.0), (0, 1, 1.0), (1, 1, 0.3), (1, -1, 0.3))
        halves.append(sum(a * np.cos(2 * np.pi * (h * u + k * v)) for h, k, a in orders))
    still = np.where(y < 200, *halves)
    return [(still + rng.normal(0, 0.9, x.shape)).astype(np.float32) for _ in range(4)]


@pytest.mark.parametrize("turned_deg", [16.3, 22.9, 28.4, 37.2, 43.9])
def test_of_grains_that_share_sites_the_common_lattice_is_that_of_none(turned_deg: float) -> None:
    for seed in range(101, 107):
        lattice = find_lattice(coincident_grains(turned_deg, 0.12 * (seed - 100), seed))
        area = abs(np.linalg.det(lattice.basis_px))
        assert area == pytest.approx(CUBE_PX**2, rel=0.05)
