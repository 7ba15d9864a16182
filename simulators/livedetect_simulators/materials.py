"""The crystals of the simulator.

Cross-sections are effective ones: with 50 pA and 2.1 s per frame every crystal loses about
one column in four frames. Static knock-on alone would be 31 b for sulphur in MoS2 at 100 kV
and nothing at 80 kV; damage in between is inelastic and elastic together
(arXiv 2302.10529), so the figure is a parameter, ``barn`` of a spec.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from livedetect.errors import SettingsError
from livedetect_simulators.crystal import ALLOY_UNIT, TELLURIUM, Channel, CrystalType
from livedetect_simulators.spec import SimulationSettings

_HEXAGONAL = ((1.0, 0.0), (0.5, math.sqrt(3) / 2))
_HONEYCOMB = ((1 / 3, 1 / 3), (2 / 3, 2 / 3))
_MONOCLINIC = math.radians(99.2)
_SIGMA_7_DEG = 10.893
_SIGMA_5_DEG = 18.435


def _dichalcogenide_channels(metal: str, chalcogen: str, barn: float) -> tuple[Channel, ...]:
    """Damage of a layer MX2: sublattice 0 is the metal, 1 the pair of chalcogens."""
    return (
        Channel(kind="half_vacancy", sublattice=1, species=chalcogen, atoms=2, barn=0.55 * barn),
        Channel(kind="column_vacancy", sublattice=1, species=chalcogen, atoms=2, barn=0.5 * barn),
        Channel(kind="displaced", sublattice=1, species=chalcogen, atoms=2, barn=0.5 * barn),
        Channel(kind="metal_vacancy", sublattice=0, species=metal, barn=barn),
        Channel(kind="adatom", sublattice=0, species=metal, barn=barn),
        Channel(kind="antisite", sublattice=1, species=metal, barn=barn),
    )


_GRAPHENE = CrystalType(
    name="graphene",
    lattice_nm=0.246,
    cell=_HEXAGONAL,
    basis=_HONEYCOMB,
    brightness=(1.0, 1.0),
    half=(0.0, 0.0),
    neighbour=1 / math.sqrt(3),
    displacement=0.3 / math.sqrt(3),
    hollow=(-1 / 3, -1 / 3),
    adatom=1.0,
    mirror_deg=_SIGMA_7_DEG,
    channels=(
        Channel(kind="vacancy", sublattice=0, species="C", barn=0.04),
        Channel(kind="vacancy", sublattice=1, species="C", barn=0.04),
        Channel(kind="displaced", sublattice=0, species="C", barn=0.03),
        Channel(kind="displaced", sublattice=1, species="C", barn=0.03),
        Channel(kind="adatom", sublattice=0, species="C", barn=0.07),
    ),
)

_MOS2 = CrystalType(
    name="mos2",
    lattice_nm=0.316,
    cell=_HEXAGONAL,
    basis=_HONEYCOMB,
    brightness=(1.0, 0.39),
    half=(0.5, 0.195),
    neighbour=1 / math.sqrt(3),
    displacement=0.3 / math.sqrt(3),
    hollow=(-1 / 3, -1 / 3),
    adatom=0.39,
    mirror_deg=_SIGMA_7_DEG,
    channels=_dichalcogenide_channels("Mo", "S", 0.056),
)

_WS2 = CrystalType(
    name="ws2",
    lattice_nm=0.3153,
    cell=_HEXAGONAL,
    basis=_HONEYCOMB,
    brightness=(1.0, 0.148),
    half=(0.5, 0.074),
    neighbour=1 / math.sqrt(3),
    displacement=0.3 / math.sqrt(3),
    hollow=(-1 / 3, -1 / 3),
    adatom=0.3,
    mirror_deg=_SIGMA_7_DEG,
    channels=_dichalcogenide_channels("W", "S", 0.056),
)

# two layers in 2H stacking: every column holds one metal and two tellurium atoms
_MOWTE2 = CrystalType(
    name="mowte2",
    lattice_nm=0.352,
    cell=_HEXAGONAL,
    basis=_HONEYCOMB,
    brightness=(1.0, 1.0),
    half=(TELLURIUM / ALLOY_UNIT / 2, TELLURIUM / ALLOY_UNIT / 2),
    neighbour=1 / math.sqrt(3),
    displacement=0.3 / math.sqrt(3),
    hollow=(-1 / 3, -1 / 3),
    adatom=0.8275,
    mirror_deg=_SIGMA_7_DEG,
    channels=_dichalcogenide_channels("metal", "Te", 0.07),
    alloy=True,
)

_SQUARE = CrystalType(
    name="square",
    lattice_nm=0.3905,
    cell=((1.0, 0.0), (0.0, 1.0)),
    basis=((0.0, 0.0), (0.5, 0.5)),
    brightness=(1.0, 0.75),
    half=(0.5, 0.375),
    neighbour=1 / math.sqrt(2),
    displacement=0.3 / math.sqrt(2),
    hollow=(0.5, 0.0),
    adatom=0.75,
    mirror_deg=_SIGMA_5_DEG,
    channels=(
        Channel(kind="metal_vacancy", sublattice=0, species="A", barn=0.1),
        Channel(kind="column_vacancy", sublattice=1, species="B", barn=0.1),
        Channel(kind="half_vacancy", sublattice=1, species="B", barn=0.1),
        Channel(kind="displaced", sublattice=1, species="B", barn=0.1),
        Channel(kind="adatom", sublattice=0, species="A", barn=0.1),
        Channel(kind="antisite", sublattice=1, species="A", barn=0.1),
    ),
)

# monoclinic zirconia along its b axis: only the cation columns show
_ZRO2 = CrystalType(
    name="zro2",
    lattice_nm=0.5145,
    cell=((1.0, 0.0), (1.03 * math.cos(_MONOCLINIC), 1.03 * math.sin(_MONOCLINIC))),
    basis=((0.224, 0.208), (0.754, 0.788)),
    brightness=(1.0, 1.0),
    half=(0.5, 0.5),
    neighbour=0.5857,
    displacement=0.3 * 0.68,
    hollow=(0.5, 0.0),
    adatom=1.0,
    mirror_deg=0.0,
    channels=(
        Channel(kind="metal_vacancy", sublattice=0, species="Zr", barn=0.14),
        Channel(kind="metal_vacancy", sublattice=1, species="Zr", barn=0.14),
        Channel(kind="half_vacancy", sublattice=0, species="Zr", barn=0.14),
        Channel(kind="half_vacancy", sublattice=1, species="Zr", barn=0.14),
        Channel(kind="displaced", sublattice=1, species="Zr", barn=0.28),
        Channel(kind="adatom", sublattice=0, species="Zr", barn=0.28),
    ),
)

MATERIALS: Mapping[str, CrystalType] = {
    kind.name: kind for kind in (_GRAPHENE, _MOS2, _WS2, _MOWTE2, _SQUARE, _ZRO2)
}


def active_channels(settings: SimulationSettings) -> tuple[Channel, ...]:
    """What the beam does to the crystal of `settings`, with the cross-sections asked for.

    Raises
    ------
    SettingsError : a kind or a species that the crystal does not have.
    """
    kind = MATERIALS[settings.crystal]
    wanted = _wanted_kinds(settings, kind)
    chosen = [channel for channel in kind.channels if channel.kind in wanted]
    barn = dict(settings.barn)
    for species in barn:
        if species not in kind.species:
            raise SettingsError(
                f"barn = {species!r} is not allowed: {kind.name} has {', '.join(kind.species)}"
            )
    return tuple(_rescaled(channel, chosen, barn) for channel in chosen)


def _wanted_kinds(settings: SimulationSettings, kind: CrystalType) -> set[str]:
    wanted: set[str] = set()
    for name in settings.kinds or kind.kinds:
        found = {k for k in kind.kinds if k == name or (name == "vacancy" and _is_whole(k))}
        if not found:
            allowed = ", ".join(dict.fromkeys(("vacancy", *kind.kinds)))
            raise SettingsError(f"kinds = {name!r} is not allowed: {kind.name} has {allowed}")
        wanted |= found
    return wanted


def _is_whole(kind: str) -> bool:
    return kind in ("vacancy", "metal_vacancy", "column_vacancy")


def _rescaled(channel: Channel, among: list[Channel], barn: Mapping[str, float]) -> Channel:
    """`channel` with its share of the cross-section that was asked for its species."""
    if channel.species not in barn:
        return channel
    rivals = [c for c in among if c.species == channel.species and c.kind != channel.kind]
    peers = [c for c in among if c.species == channel.species and c.kind == channel.kind]
    total = max(c.barn for c in peers) + sum({c.kind: c.barn for c in rivals}.values())
    return Channel(
        kind=channel.kind,
        sublattice=channel.sublattice,
        species=channel.species,
        atoms=channel.atoms,
        barn=barn[channel.species] * channel.barn / total,
    )
