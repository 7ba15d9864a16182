import pytest

from livedetect.errors import SettingsError
from livedetect_simulators.materials import active_channels
from livedetect_simulators.spec import CRYSTALS, SimulationSettings, allowed_keys, parse_spec


def test_defaults_are_those_of_the_contract():
    s = parse_spec("mos2")
    assert (s.detected_e_per_px, s.size, s.a_px, s.frames, s.seed) == (5, 512, 16, 200, 0)
    assert (s.fps, s.point_damage, s.damage_from, s.births_apart) == (None, 1, 20, True)


def test_values_are_read_by_their_type():
    s = parse_spec("sim:WS2?size=128&fps=2.5&twin=1&kinds=vacancy,adatom&barn=S:31,W:0&height=96")
    assert (s.crystal, s.shape, s.fps, s.twin) == ("ws2", (96, 128), 2.5, True)
    assert s.kinds == ("vacancy", "adatom")
    assert s.barn == (("S", 31.0), ("W", 0.0))


def test_time_per_frame_does_not_depend_on_the_size_unless_dwell_is_given():
    small, large = parse_spec("mos2?size=256"), parse_spec("mos2")
    assert small.pixel_dwell_us * 256**2 == large.pixel_dwell_us * 512**2
    assert parse_spec("mos2?size=256&dwell_us=2").pixel_dwell_us == 2


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("mos3", ["crystal", "mos3", "graphene"]),
        ("mos2?sise=3", ["sise", "did you mean 'size'", "damage_from"]),
        ("mos2?size", ["size", "key=value"]),
        ("mos2?size=big", ["size", "big", "whole number", ">= 32"]),
        ("mos2?size=8", ["size", "8", ">= 32"]),
        ("mos2?fps=0", ["fps", ">= 0.01"]),
        ("mos2?fps=inf", ["fps"]),
        ("mos2?a_px=nan", ["a_px"]),
        ("mos2?twin=maybe", ["twin", "0 or 1"]),
        ("mos2?domain=odd", ["domain", "inversion"]),
        ("mos2?kinds=vacancy,holes", ["kinds", "holes", "half_vacancy"]),
        ("mos2?barn=S", ["barn", "SPECIES:number"]),
        ("mos2?bits=24", ["bits", "32"]),
        ("mos2?crystal=ws2", ["crystal"]),
        ("mos2?collection=0.01&detected_e_per_px=3", ["collection", "detected_e_per_px"]),
    ],
)
def test_a_wrong_spec_is_answered_with_what_is_allowed(spec, says):
    with pytest.raises(SettingsError) as error:
        parse_spec(spec)
    assert all(word in str(error.value) for word in says), str(error.value)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("graphene?kinds=half_vacancy", ["kinds", "half_vacancy", "displaced"]),
        ("graphene?barn=S:3", ["barn", "S", "C"]),
    ],
)
def test_what_a_crystal_lacks_is_said(spec, says):
    with pytest.raises(SettingsError) as error:
        active_channels(parse_spec(spec))
    assert all(word in str(error.value) for word in says), str(error.value)


def test_every_key_is_explained():
    keys = allowed_keys()
    assert set(keys) == set(SimulationSettings.__dataclass_fields__) - {"crystal"}
    assert all(len(text) > 15 for text in keys.values())


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_vacancy_means_all_kinds_of_missing_columns(crystal):
    kinds = {channel.kind for channel in active_channels(parse_spec(f"{crystal}?kinds=vacancy"))}
    assert kinds
    assert kinds <= {"vacancy", "metal_vacancy", "column_vacancy"}


def test_a_given_cross_section_is_shared_by_the_ways_in_which_it_acts():
    channels = active_channels(parse_spec("mos2?barn=S:31"))
    assert sum(c.barn for c in channels if c.species == "S") == pytest.approx(31)
    assert sum(c.barn for c in channels if c.species == "Mo") < 1
