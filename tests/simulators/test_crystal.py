import numpy as np
import pytest
from scipy.spatial import cKDTree

from livedetect_simulators.crystal import Placement, build, mirrored
from livedetect_simulators.materials import MATERIALS

PLACE = Placement(
    a_px=16,
    rot_deg=7,
    low=(-20, -20),
    high=(276, 236),
    centre=(128, 108),
    centre_to_edge=(128, 108),
)

crystals = pytest.mark.parametrize("name", sorted(MATERIALS))


def piece(name, **options):
    return build(MATERIALS[name], PLACE, np.random.default_rng(0), **options)


@crystals
def test_nearest_columns_are_where_they_should_be(name):
    crystal = piece(name)
    distance = cKDTree(crystal.xy).query(crystal.xy, k=2)[0][:, 1]
    assert np.median(distance) == pytest.approx(crystal.neighbour_px, rel=0.06)
    assert distance.min() > 0.9 * crystal.neighbour_px


@crystals
def test_columns_fill_the_rectangle(name):
    crystal = piece(name)
    area = np.prod(np.subtract(PLACE.high, PLACE.low))
    cell = abs(np.linalg.det(crystal.cell_px))
    assert len(crystal.xy) == pytest.approx(2 * area / cell, rel=0.03)


@crystals
def test_adatoms_sit_on_free_places(name):
    crystal = piece(name)
    site = np.flatnonzero(crystal.sublattice == 0)[40]
    place = crystal.xy[site] + np.asarray(crystal.type.hollow) @ crystal.cell_px
    assert cKDTree(crystal.xy).query(place)[0] > 0.45 * crystal.neighbour_px


@crystals
def test_a_twin_is_its_own_mirror_image(name):
    crystal = piece(name, twin=True)
    centre = np.array(PLACE.centre)
    image = mirrored(crystal.xy, centre, crystal.mirror)
    inside = np.all((image > np.add(PLACE.low, 1)) & (image < np.subtract(PLACE.high, 1)), axis=1)
    assert cKDTree(crystal.xy).query(image[inside])[0].max() < 1e-6
    assert cKDTree(crystal.xy).query(crystal.xy, k=2)[0][:, 1].min() > 0.45 * crystal.neighbour_px
    assert 0 < crystal.boundary.sum() < len(crystal.xy) / 3


@crystals
def test_the_twin_differs_from_the_crystal(name):
    whole, twin = piece(name), piece(name, twin=True)
    moved = cKDTree(whole.xy).query(twin.xy)[0] > 0.2 * whole.neighbour_px
    assert moved[twin.mirrored].mean() > 0.4
    assert not moved[~twin.mirrored].any()


def test_the_alloy_is_random_and_half_of_each():
    crystal = piece("mowte2")
    levels, counts = np.unique(crystal.brightness, return_counts=True)
    assert levels == pytest.approx([2226 / 2690, 3157 / 2690])
    assert counts[0] / counts.sum() == pytest.approx(0.5, abs=0.06)


def test_mean_brightness_counts_columns_per_area():
    crystal = piece("mos2")
    assert crystal.mean_per_px == pytest.approx(1.39 / (256 * np.sqrt(3) / 2))
