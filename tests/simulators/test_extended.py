import numpy as np
import pytest

from livedetect.errors import SettingsError
from livedetect_simulators.simulation import Simulation

QUIET = "size=256&drift_px=0&walk_px=0&jitter_px=0"


def test_a_hole_opens_with_a_column_and_grows():
    simulation = Simulation(f"mos2?{QUIET}&frames=120&holes=1&max_defects=0&seed=2")
    holes = [d for k in range(120) for d in simulation.frame(k).truth]
    radii = [hole.radius_px for hole in holes]
    assert {hole.kind for hole in holes} == {"hole"}
    assert radii[0] == pytest.approx(simulation.crystal.neighbour_px / 2)
    assert radii == sorted(radii) or np.diff(radii).min() > -3
    assert radii[-1] > 2 * simulation.crystal.neighbour_px
    last = simulation.expected(119)
    x, y = round(holes[-1].x_px), round(holes[-1].y_px)
    assert last[y, x] < 0.6 * last.mean()


def test_a_hole_swallows_the_defects_it_reaches():
    simulation = Simulation("graphene?size=256&frames=150&holes=2&edge_barn=60&damage=2&seed=1")
    shown = {d.defect_id: d for k in range(150) for d in simulation.frame(k).truth}
    left = {d.defect_id for d in simulation.frame(149).truth}
    swallowed = set(shown) - left
    assert any(shown[one].kind != "hole" for one in swallowed)


def test_a_line_is_straight_and_told_column_by_column():
    simulation = Simulation(f"ws2?{QUIET}&frames=120&lines=1&max_defects=0&seed=1&edge_barn=50")
    line = simulation.frame(119).truth
    assert {d.kind for d in line} == {"line"}
    assert {d.defect_id for d in line} == {0}
    assert len(line) >= 4
    places = np.array([(d.x_px, d.y_px) for d in line])
    widths = np.linalg.svd(places - places.mean(0), compute_uv=False)
    assert widths[1] < 1e-6 * widths[0] + 1e-6
    gaps = np.sort(np.hypot(*(places - places[0]).T))[1]
    assert gaps == pytest.approx(16)


def test_holes_and_lines_grow_with_dose_only():
    def size(query):
        simulation = Simulation(f"mos2?{QUIET}&frames=100&holes=1&max_defects=0&seed=2&{query}")
        return simulation.frame(99).truth[0].radius_px

    assert size("current_pA=100") > size("") > size("current_pA=5")


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("mos2?domain=inversion", "inversion_domain"),
        ("square?domain=inversion", "inversion_domain"),
        ("ws2?domain=phase", "phase_domain"),
        ("mowte2?domain=phase", "phase_domain"),
        ("zro2?domain=twin", "twin_domain"),
        ("graphene?domain=twin", "twin_domain"),
    ],
)
def test_a_domain_grows_and_changes_the_image_inside_only(spec, kind):
    simulation = Simulation(f"{spec}&{QUIET}&frames=60&background=0")
    areas = [int(simulation.frame(k).region.sum()) for k in range(0, 60, 10)]
    assert areas[:2] == [0, 0]
    assert areas[2] > 0
    assert areas == sorted(areas)
    assert areas[-1] > areas[2]
    (domain,) = simulation.frame(59).truth
    assert (domain.kind, domain.birth_frame, domain.defect_id) == (kind, 20, 0)
    assert domain.snr2 > 1
    change = np.abs(simulation.expected(59) - simulation.expected(0))
    blocks = change.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    region = simulation.frame(59).region
    assert blocks[region].mean() > 10 * blocks[~region].mean()


def test_crystals_of_equal_columns_have_no_inversion_domain():
    with pytest.raises(SettingsError, match=r"inversion.*graphene.*twin"):
        Simulation("graphene?domain=inversion")


def test_point_defects_beside_a_domain_are_made_only_if_asked_for():
    assert set(Simulation(f"mos2?{QUIET}&frames=100&domain=phase").births) == {0}
    assert len(Simulation(f"mos2?{QUIET}&frames=100&domain=phase&damage=1").births) > 5
