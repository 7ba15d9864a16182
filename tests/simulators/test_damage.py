import itertools
from collections import Counter

import numpy as np
import pytest

from livedetect_simulators.simulation import Simulation
from livedetect_simulators.spec import CRYSTALS

LAST = "size=256&frames=120&drift_px=0&walk_px=0"


def births(spec):
    return sorted(Simulation(spec).births.values())


def truth(spec, index=-1):
    simulation = Simulation(spec)
    return simulation.frame(index % len(simulation)).truth


@pytest.mark.parametrize(
    ("crystal", "seed", "size"),
    [*itertools.product(CRYSTALS, (0, 1), (256,)), *itertools.product(CRYSTALS, (0,), (512,))],
)
def test_default_damage_is_enough_to_see_and_not_too_much(crystal, seed, size):
    frames = births(f"{crystal}?seed={seed}&size={size}")
    assert min(frames) >= 20
    assert sum(frame < 120 for frame in frames) >= 10
    assert len(frames) <= 60


@pytest.mark.parametrize("query", ["", "&holes=2&lines=2", "&domain=phase", "&prescribed=0"])
def test_without_damage_nothing_happens(query):
    simulation = Simulation(f"mos2?{LAST}&damage=0{query}")
    assert simulation.births == {}
    assert simulation.meta["first_birth_frame"] is None
    assert simulation.meta["n_defects"] == 0
    assert simulation.frame(119).truth == ()


def test_births_come_from_dose():
    wide = "graphene?size=512&isolated=0&max_defects=10000&frames=120"
    plain = len(births(wide + "&damage=10"))
    assert len(births(wide + "&damage=10&current_pA=100")) == pytest.approx(2 * plain, rel=0.2)
    assert len(births(wide + "&damage=10&dwell_us=4")) == pytest.approx(plain / 2, rel=0.25)
    assert len(births(wide + "&damage=20")) == pytest.approx(2 * plain, rel=0.2)


def test_cross_sections_per_species_decide_what_is_hit():
    only_sulphur = truth(f"mos2?{LAST}&barn=S:0.3,Mo:0")
    assert {d.kind for d in only_sulphur} <= {"half_vacancy", "column_vacancy", "displaced"}
    kinds = {d.kind for d in truth(f"mos2?{LAST}&kinds=metal_vacancy,adatom")}
    assert kinds == {"metal_vacancy", "adatom"}


def test_births_respect_first_and_last_frame_and_their_number():
    frames = births("mos2?frames=80&size=256&damage=5&damage_from=30&births_until=50&max_defects=9")
    assert len(frames) == 9
    assert min(frames) >= 30
    assert max(frames) < 50


def separations(defects):
    places = np.array([(d.x_px, d.y_px) for d in defects])
    apart = np.hypot(*(places[:, None] - places).T)
    return np.min(apart + 1e9 * np.eye(len(places)), axis=0)


def test_births_keep_apart_unless_they_may_cluster():
    assert separations(truth(f"mos2?{LAST}&jitter_px=0")).min() > 2.2 * 16 - 0.5
    crowded = f"mos2?{LAST}&isolated=0&damage=0.3&kinds=column_vacancy&jitter_px=0&barn=S:0.1"
    by_chance = (separations(truth(crowded)) < 20).mean()
    clustered = (separations(truth(crowded + "&clustering=100")) < 20).mean()
    assert clustered > 2 * by_chance


def test_boundaries_are_hit_first():
    simulation = Simulation(f"mos2?{LAST}&twin=1&clustering=40&isolated=0&damage=0.5")
    simulation.births  # noqa: B018 - lets the beam act
    hit = np.zeros(len(simulation.crystal.xy), bool)
    places = np.array([(d.x_px, d.y_px) for d in simulation.frame(119).truth])
    nearest = np.hypot(*(simulation.crystal.xy[:, None] - places).transpose(2, 0, 1)).argmin(0)
    hit[nearest] = True
    assert hit[simulation.crystal.boundary].mean() > 3 * hit[~simulation.crystal.boundary].mean()


def test_contamination_can_speed_etching_up():
    query = f"graphene?{LAST}&isolated=0&max_defects=1000"
    clean = births(query)
    etched = births(query + "&contamination=2&etching=20")
    assert len(etched) > 2 * len(clean)


def test_prescribed_births_have_equal_shares_and_stay_in_view():
    simulation = Simulation("ws2?size=256&frames=60&prescribed=12&births_until=40")
    assert Counter(d.kind for d in simulation.frame(59).truth) == dict.fromkeys(
        ("half_vacancy", "column_vacancy", "displaced", "metal_vacancy", "adatom", "antisite"), 2
    )
    assert all(20 <= frame < 40 for frame in simulation.births.values())
    shown = [d for k in range(60) for d in simulation.frame(k).truth]
    assert all(d.in_view for d in shown)
    assert len(shown) == sum(60 - frame for frame in simulation.births.values())


def test_defects_at_the_start_are_born_in_the_first_frame():
    simulation = Simulation("mos2?size=256&frames=60&preexisting=0.03&drift_px=0")
    first = simulation.frame(0).truth
    columns = 2 * 256**2 / (256 * np.sqrt(3) / 2)
    assert len(first) == pytest.approx(0.03 * columns, rel=0.5)
    assert all(d.birth_frame == 0 for d in first)
    assert min(simulation.births.values()) >= 20
    assert simulation.meta["n_defects"] == len(simulation.births)


def test_healing_ends_defects():
    simulation = Simulation(f"mos2?{LAST}&healing=0.1")
    present = [{d.defect_id for d in simulation.frame(k).truth} for k in range(0, 120, 3)]
    ever = set().union(*present)
    assert len(ever) > len(present[-1])
    for one in ever:
        seen = [one in frame for frame in present]
        assert "".join("01"[s] for s in seen).strip("0").count("0") == 0


def test_migration_moves_a_defect_without_changing_its_number():
    simulation = Simulation("mos2?size=256&frames=60&prescribed=6&kinds=column_vacancy"
                            "&migration=0.3&drift_px=0&walk_px=0&jitter_px=0")  # fmt: skip
    paths = {}
    for index in range(60):
        for defect in simulation.frame(index).truth:
            paths.setdefault(defect.defect_id, []).append((defect.x_px, defect.y_px))
    steps = np.concatenate([np.hypot(*np.diff(p, axis=0).T) for p in paths.values()])
    assert len(paths) == 6
    assert set(np.rint(steps)) == {0, 16}


def test_what_moved_leaves_a_healed_column_behind():
    spec = (
        "mos2?size=256&frames=40&prescribed=1&kinds=metal_vacancy&migration=1"
        "&damage_from=5&births_until=8"
    )
    simulation, clean = Simulation(spec), Simulation(spec + "&prescribed=0&damage=0")
    for index in (8, 9):
        (defect,) = simulation.frame(index).truth
        lost = np.abs(clean.expected(index) - simulation.expected(index))
        y, x = np.unravel_index(lost.argmax(), lost.shape)
        assert np.hypot(x - defect.x_px, y - defect.y_px) < 2
        rows, cols = np.indices(lost.shape)
        assert lost[np.hypot(cols - defect.x_px, rows - defect.y_px) > 16].max() < 0.01 * lost.max()
