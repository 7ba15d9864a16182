"""What can be asked of the simulator: ``CRYSTAL?key=value&...``, checked in one place."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livedetect.errors import SettingsError
from livedetect.setting_fields import did_you_mean, limits_of
from livedetect.setting_fields import setting as _key

CRYSTALS = ("graphene", "mos2", "ws2", "mowte2", "square", "zro2")
DEFECT_KINDS = (
    "vacancy",
    "metal_vacancy",
    "column_vacancy",
    "half_vacancy",
    "displaced",
    "adatom",
    "antisite",
)
DOMAINS = ("none", "inversion", "twin", "phase")
Steps = tuple[tuple[int, float], ...]
"""``FRAME:VALUE,...``: the value holds from that frame on."""
REFERENCE_PIXELS = 512 * 512
REFERENCE_DWELL_US = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """Everything that can be set; immutable. Lengths in px unless the name says otherwise."""

    crystal: str = _key("mos2", "what is on the stage", choices=CRYSTALS)

    detected_e_per_px: float = _key(
        5.0, "mean signal of the first frame, electrons in the detector", minimum=0.01, maximum=5000
    )
    size: int = _key(512, "edge of a square frame", minimum=32, maximum=8192)
    height: int | None = _key(None, "rows, if not square", minimum=32, maximum=8192)
    width: int | None = _key(None, "columns, if not square", minimum=32, maximum=8192)
    a_px: float = _key(16.0, "lattice constant", minimum=4, maximum=400)
    rot_deg: float = _key(
        7.0, "rotation of the crystal against the scan", minimum=-360, maximum=360
    )
    frames: int = _key(200, "length of the stream", minimum=1, maximum=1_000_000)
    seed: int = _key(0, "of every random choice", minimum=0, maximum=2**63 - 1)
    fps: float | None = _key(None, "frames per second; not given: unpaced", minimum=0.01)

    current_pA: float = _key(50.0, "probe current, pA", minimum=1e-3, maximum=1e5)  # noqa: N815
    dwell_us: float | None = _key(
        None,
        "time per pixel, µs; not given: 8 at 512², the same time per frame at other sizes",
        minimum=1e-3,
        maximum=1e5,
    )
    high_tension_kv: float = _key(80.0, "for the metadata only, kV", minimum=1, maximum=1000)

    damage: float | None = _key(
        None,
        "factor on all cross-sections, 0: nothing changes; "
        "not given: 1, or 0 for point defects where a domain grows",
        minimum=0,
        maximum=1e6,
    )
    damage_from: int = _key(20, "first frame that can show a birth", minimum=1)
    births_until: int | None = _key(None, "no birth from this frame on", minimum=1)
    kinds: tuple[str, ...] = _key(
        (),
        "which point defects the beam makes, comma-separated; not given: all that the "
        "crystal can have",
        choices=DEFECT_KINDS,
    )
    barn: tuple[tuple[str, float], ...] = _key(
        (), "effective cross-sections per atom in barn, as in S:31,Mo:0", minimum=0, maximum=1e9
    )
    max_defects: int = _key(60, "point defects made at most", minimum=0)
    isolated: bool | None = _key(
        None,
        "1: births at least 2.2 lattice constants apart; not given: 1 unless there is "
        "clustering, a hole or a line",
    )
    prescribed: int = _key(
        0,
        "instead of damage by dose: so many births at random frames, equal shares of kinds, "
        "in view throughout",
        minimum=0,
        maximum=10_000,
    )
    preexisting: float = _key(0.0, "share of defective sites at the start", minimum=0, maximum=0.3)
    clustering: float = _key(
        0.0,
        "growth of the cross-sections beside a defect or a boundary, 10: elevenfold",
        minimum=0,
        maximum=1e6,
    )
    etching: float = _key(
        0.0,
        "growth of the cross-sections where contamination doubles the mean",
        minimum=0,
        maximum=1e6,
    )
    holes: int = _key(0, "holes that open and grow with dose", minimum=0, maximum=100)
    lines: int = _key(0, "vacancy lines that open and grow with dose", minimum=0, maximum=100)
    edge_barn: float = _key(
        25.0,
        "effective cross-section of columns at a hole or a line's ends, barn",
        minimum=0,
        maximum=1e9,
    )
    healing: float = _key(
        0.0, "probability per frame that a point defect heals", minimum=0, maximum=1
    )
    migration: float = _key(
        0.0, "probability per frame that a vacancy or adatom hops", minimum=0, maximum=1
    )
    domain: str = _key("none", "a second domain that grows", choices=DOMAINS)
    domain_from: int | None = _key(None, "its first frame; not given: damage_from", minimum=1)
    domain_px: float = _key(
        1.0, "growth of its radius, or of its front, per frame", minimum=0, maximum=100
    )
    twin: bool = _key(False, "1: a mirror twin boundary through the field from the start")

    probe_px: float | None = _key(
        None, "standard deviation of the probe; not given: 0.144 lattice constants", minimum=0.3
    )
    tail: float = _key(
        0.25, "share of the probe in its tails, twice as wide", minimum=0, maximum=0.9
    )
    defocus: float = _key(
        0.0, "growth of the probe per 100 frames, relative", minimum=-0.5, maximum=10
    )
    base: float = _key(0.25, "share of the mean signal that is background", minimum=0, maximum=0.95)
    background: float = _key(
        0.2,
        "growth of the background per 100 frames, relative to the mean signal",
        minimum=-0.2,
        maximum=100,
    )
    contamination: float = _key(
        0.0,
        "growth of a local contamination per 100 frames, relative to the mean signal",
        minimum=0,
        maximum=100,
    )
    drift_px: float = _key(0.3, "directed drift per frame", minimum=0, maximum=100)
    walk_px: float = _key(0.2, "random walk per frame and axis", minimum=0, maximum=100)
    jumps: int = _key(0, "sudden jumps of the stage, from frame 20 on", minimum=0, maximum=1000)
    jump_px: float = _key(8.0, "length of each jump", minimum=0, maximum=1000)
    jitter_px: float = _key(0.3, "shift of each row, rms", minimum=0, maximum=10)
    pixel_jitter_px: float = _key(0.0, "shift of each pixel and axis, rms", minimum=0, maximum=2)
    shear_px: float = _key(
        0.0, "shift of the last row against the first", minimum=-100, maximum=100
    )
    warp_px: float = _key(0.0, "static distortion of the scan field", minimum=0, maximum=20)
    mains_px: float = _key(0.0, "50 Hz wobble of the rows, amplitude", minimum=0, maximum=10)
    flyback_px: float = _key(0.0, "distortion at the left edge", minimum=0, maximum=50)
    settle_us: float = _key(
        80.0, "time constant of the flyback distortion, µs", minimum=0, maximum=1e5
    )
    flicker: float = _key(0.02, "gain from frame to frame, rms", minimum=0, maximum=0.3)

    zoom: tuple[tuple[int, float], ...] = _key(
        (), "magnification, relative to the first frame", minimum=0.2, maximum=5
    )
    turn_deg: tuple[tuple[int, float], ...] = _key(
        (), "scan rotation, degrees", minimum=-360, maximum=360
    )
    scan_size: tuple[tuple[int, float], ...] = _key(
        (), "columns over the same field", minimum=32, maximum=8192
    )
    dwell_to: tuple[tuple[int, float], ...] = _key(
        (), "time per pixel, µs", minimum=1e-3, maximum=1e5
    )
    gain_to: tuple[tuple[int, float], ...] = _key(
        (), "factor on the detector's gain", minimum=1e-3, maximum=1e3
    )
    stage: tuple[tuple[int, float], ...] = _key(
        (), "place of the field along x, in field widths", minimum=-5, maximum=5
    )
    focus: tuple[tuple[int, float], ...] = _key(
        (), "factor on the width of the probe", minimum=0.5, maximum=10
    )
    pause_s: tuple[tuple[int, float], ...] = _key(
        (), "pause before that frame, s", minimum=0, maximum=1e6
    )

    collection: float | None = _key(
        None,
        "share of the incident electrons in the detector; sets detected_e_per_px",
        minimum=1e-7,
        maximum=1,
    )
    gain: float = _key(1.0, "data units per electron", minimum=1e-6, maximum=1e6)
    offset: float = _key(
        0.0, "black level in data units; negative values clip the dark", minimum=-1e9, maximum=1e9
    )
    excess_noise: float = _key(
        0.0, "variance added by the gain, relative to Poisson", minimum=0, maximum=100
    )
    read_noise: float = _key(0.0, "rms in data units", minimum=0, maximum=1e6)
    clip: float | None = _key(None, "largest value the detector reports", minimum=1)
    bits: int = _key(
        16, "of the converter, 1 to 16; 32: float32, not quantised", minimum=1, maximum=32
    )
    invert: bool = _key(False, "1: dark columns on bright ground, as in annular bright field")

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            _check(entry, getattr(self, entry.name))
        if 16 < self.bits < 32:
            raise SettingsError(f"bits = {self.bits} is not allowed: 1 to 16, or 32 for float32")
        if self.collection is not None and self.detected_e_per_px != 5.0:
            raise SettingsError("collection sets detected_e_per_px: give one of the two")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.height or self.size, self.width or self.size

    @property
    def pixel_dwell_us(self) -> float:
        """Time per pixel, µs."""
        if self.dwell_us is not None:
            return self.dwell_us
        return REFERENCE_DWELL_US * REFERENCE_PIXELS / (self.shape[0] * self.shape[1])

    @property
    def point_damage(self) -> float:
        """Factor on the cross-sections of point defects, holes and lines."""
        default = 1.0 if self.domain == "none" else 0.0
        return default if self.damage is None else self.damage

    @property
    def domain_start(self) -> int | None:
        """First frame of the second domain; None if there is none."""
        start = self.domain_from or self.damage_from
        if self.domain == "none" or self.damage == 0 or start >= self.frames:
            return None
        return start

    @property
    def births_apart(self) -> bool:
        """Whether births keep a distance from older defects."""
        if self.isolated is not None:
            return self.isolated
        return not (self.clustering or self.holes or self.lines)

    def as_dict(self) -> dict[str, Any]:
        """Values that differ from the defaults, and the crystal."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        defaults = {entry.name: entry.default for entry in dataclasses.fields(self)}
        return {
            name: value
            for name, value in values.items()
            if name == "crystal" or value != defaults[name]
        }


def parse_spec(spec: str) -> SimulationSettings:
    """Read ``CRYSTAL?key=value&...``, with or without ``sim:`` before it.

    Raises
    ------
    SettingsError : naming the key, the value and what is allowed.
    """
    crystal, _, query = spec.strip().removeprefix("sim:").partition("?")
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals:
            raise SettingsError(f"{part!r} in {spec!r}: write it as key=value")
        options[key] = value
    return settings_from(crystal, options)


def settings_from(crystal: str, options: Mapping[str, str]) -> SimulationSettings:
    """Settings from the crystal's name and the texts behind the keys; raises `SettingsError`."""
    hints = typing.get_type_hints(SimulationSettings)
    values: dict[str, Any] = {"crystal": crystal.strip().lower()}
    for key, text in options.items():
        if key not in hints or key == "crystal":
            raise SettingsError(_unknown(key, [name for name in hints if name != "crystal"]))
        values[key] = _parsed(key, text.strip(), hints[key])
    return SimulationSettings(**values)


def allowed_keys() -> dict[str, str]:
    """Every key of a spec with its meaning, its default and its limits."""
    entries = [entry for entry in dataclasses.fields(SimulationSettings) if entry.name != "crystal"]
    return {
        entry.name: f"{entry.metadata['text']} [{_shown(entry.default)}]; {_allowed(entry)}"
        for entry in entries
    }


def _shown(default: Any) -> str:
    if default is None or default == ():
        return "not given"
    return f"{default:g}" if isinstance(default, (int, float)) else str(default)


def _unknown(key: str, known: list[str]) -> str:
    hint = did_you_mean(key, known)
    return f"unknown key {key!r} of the simulator{hint} Allowed keys: {', '.join(known)}"


def _parsed(key: str, text: str, kind: Any) -> Any:
    entry = {entry.name: entry for entry in dataclasses.fields(SimulationSettings)}[key]
    try:
        return _READ[_kind(kind)](text)
    except (ValueError, KeyError):
        raise SettingsError(f"{key} = {text!r} is not allowed: {_allowed(entry)}") from None


def _kind(annotation: Any) -> str:
    """``float``, ``int``, ``bool``, ``str``, ``words``, ``pairs`` or ``steps``."""
    options = [option for option in typing.get_args(annotation) if option is not type(None)]
    if annotation == Steps:
        return "steps"
    if typing.get_origin(annotation) is tuple:
        return "words" if options[0] is str else "pairs"
    return str((options[0] if options else annotation).__name__)


def _pairs(text: str) -> tuple[tuple[str, float], ...]:
    parts = [part.split(":") for part in text.split(",") if part]
    return tuple((name.strip(), float(value)) for name, value in parts)


def _steps(text: str) -> Steps:
    steps = tuple(sorted((int(frame), value) for frame, value in _pairs(text)))
    if any(frame < 1 for frame, _ in steps):
        raise ValueError("the first frame is what the other keys say")
    return steps


_READ: Mapping[str, Any] = {
    "float": float,
    "int": int,
    "str": str.lower,
    "bool": lambda text: {"0": False, "1": True, "false": False, "true": True}[text.lower()],
    "words": lambda text: tuple(word.strip().lower() for word in text.split(",") if word.strip()),
    "pairs": _pairs,
    "steps": _steps,
}


def _check(entry: dataclasses.Field[Any], value: Any) -> None:
    limits = entry.metadata
    values = value if isinstance(value, tuple) else (value,)
    for item in values:
        number = item[1] if isinstance(item, tuple) else item
        if limits["choices"]:
            allowed = number in limits["choices"]
        else:
            allowed = number is None or _within(number, limits)
        if not allowed:
            raise SettingsError(f"{entry.name} = {number!r} is not allowed: {_allowed(entry)}")


def _within(number: float, limits: Mapping[str, Any]) -> bool:
    return math.isfinite(number) and bool(limits["minimum"] <= number <= limits["maximum"])


def _allowed(entry: dataclasses.Field[Any]) -> str:
    if entry.metadata["choices"]:
        return "one of " + ", ".join(entry.metadata["choices"])
    kind = _kind(typing.get_type_hints(SimulationSettings)[entry.name])
    if kind == "bool":
        return "0 or 1"
    names = {
        "pairs": "SPECIES:number,...",
        "steps": "FRAME:number,... (from frame 1)",
        "int": "a whole number",
        "float": "a number",
    }
    return " ".join([names[kind], *limits_of(entry)])
