"""Settings: from TOML, from ``--set key=value`` and from Python, checked in one place.

Every field carries its limits in its metadata; a wrong key or value is answered with
the key, the value and what is allowed.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livedetect.errors import SettingsError
from livedetect.setting_fields import did_you_mean, limits_of
from livedetect.setting_fields import setting as _setting

METHODS = ("lattice", "patterson", "semantic")
KERNELS = ("auto", "plain")
REBASELINE = ("automatic", "on_command")
ALARM_RULES = ("none", "count", "density", "rate", "region_area")
ALARM_ACTIONS = ("none", "notify", "stop_scan", "blank")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSettings:
    """When to raise the alarm and what to ask the microscope to do."""

    rule: str = _setting("none", "what is compared with the limit", choices=ALARM_RULES)
    limit: float = _setting(
        10.0,
        "defects (count), defects per nm² (density), defects per 1000 e/Å² (rate) "
        "or nm² (region_area)",
        minimum=0,
    )
    action: str = _setting("none", "what to ask for", choices=ALARM_ACTIONS)

    def __post_init__(self) -> None:
        _check(self, "alarm.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a user can set. Immutable; make changed copies with `with_values`."""

    method: str = _setting("lattice", "descriptor of the detector", choices=METHODS)
    false_markers_per_1000_frames: float = _setting(
        1.0, "false-marker budget", minimum=1e-6, maximum=1000
    )
    warm_up_frames: int = _setting(
        12, "first frames from which the crystal is learnt", minimum=3, maximum=1000
    )
    integrate: int | str = _setting(
        1, "frames summed, after registration, to one that is analysed", minimum=1, maximum=1000
    )
    pixel_size_nm: float | None = _setting(
        None, "nm per pixel, used where the source does not say", minimum=1e-6, maximum=1000
    )
    current_pA: float | None = _setting(  # noqa: N815
        None, "probe current in pA, used where the source does not say", minimum=0
    )
    dwell_us: float | None = _setting(
        None, "dwell time in µs, used where the source does not say", minimum=0
    )
    high_tension_kv: float | None = _setting(
        None, "acceleration voltage in kV, used where the source does not say", minimum=0
    )
    settle_us: float = _setting(
        0.0, "time after flyback during which a row's left end is not judged, µs", minimum=0
    )
    roi: tuple[int, ...] | None = _setting(
        None, "x0, y0, x1, y1 in px: only this rectangle is judged", minimum=0
    )
    exclude: tuple[tuple[int, ...], ...] = _setting(
        (), "rectangles x0, y0, x1, y1 in px that are not judged", minimum=0
    )
    stream: str | None = _setting(None, "channel to analyse; default: the first seen")
    nu: float = _setting(
        0.02, "one-class SVM: bound on the training outliers", minimum=1e-4, maximum=0.5
    )
    kernels: str = _setting(
        "auto",
        "arithmetic of the hot path: compiled where numba can be had, or plain numpy",
        choices=KERNELS,
    )
    rebaseline: str = _setting(
        "automatic",
        "when the crystal looks different everywhere: learn it anew, or wait for the operator",
        choices=REBASELINE,
    )
    random_seed: int = _setting(0, "seed of every random choice in the analysis", minimum=0)
    alarm: AlarmSettings = field(default_factory=AlarmSettings)

    def __post_init__(self) -> None:
        for name in ("roi", "exclude"):
            object.__setattr__(self, name, _tuples(getattr(self, name)))
        if _fits(self.exclude, tuple[int, ...]) and self.exclude:  # one, without its own brackets
            object.__setattr__(self, "exclude", (self.exclude,))
        _check(self)
        if isinstance(self.integrate, str) and self.integrate != "auto":
            raise SettingsError(f"integrate = {self.integrate!r}: a number of frames, or auto")
        for rectangle in (*((self.roi,) if self.roi else ()), *self.exclude):
            if len(rectangle) != 4 or rectangle[2] <= rectangle[0] or rectangle[3] <= rectangle[1]:
                raise SettingsError(
                    f"rectangle {list(rectangle)}: four numbers x0, y0, x1, y1 "
                    "with x1 > x0 and y1 > y0 are needed (roi, exclude)"
                )

    @classmethod
    def from_toml(cls, path: str | Path) -> Settings:
        """Read settings from a TOML file; raises `SettingsError` naming what is wrong."""
        try:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SettingsError(f"settings file {path} does not exist") from None
        except OSError as error:
            raise SettingsError(f"settings file {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise SettingsError(
                f"settings file {path} cannot be read: it is no text in UTF-8, save it as such"
            ) from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(
                f"settings file {path} is not valid TOML ({error}); "
                'write lines as key = value, texts in "quotes"'
            ) from error
        return cls().with_values(table)

    def with_values(self, values: Mapping[str, Any]) -> Settings:
        """A copy with `values` changed; keys may be nested tables or dotted names."""
        result: Settings = _replaced(self, _nested(values), "")
        return result

    def with_assignments(self, assignments: Iterable[str]) -> Settings:
        """A copy with ``key=value`` strings applied, each value written as in TOML."""
        changed = self
        for assignment in assignments:
            key, separator, text = assignment.partition("=")
            if not separator:
                raise SettingsError(f"--set {assignment!r}: write it as key=value")
            changed = changed.with_values({key.strip(): _parse(text.strip())})
        return changed

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values, ready for JSON or TOML."""
        return dataclasses.asdict(self)


_KINDS = {
    "<class 'int'>": "a whole number (int)",
    "<class 'float'>": "a number",
    "int | str": "a whole number from {minimum:g} to {maximum:g}, or auto",
    "float | None": "a number",
    "str | None": "a name",
    "tuple[int, ...] | None": "a rectangle [x0, y0, x1, y1] of whole numbers",
    "tuple[tuple[int, ...], ...]": "rectangles [[x0, y0, x1, y1], ...] of whole numbers",
}


def allowed_keys() -> dict[str, str]:
    """Every key in dotted form with a line on its meaning and limits."""
    keys = {}
    for prefix, cls in (("", Settings), ("alarm.", AlarmSettings)):
        for entry in dataclasses.fields(cls):
            if entry.metadata:
                keys[prefix + entry.name] = f"{entry.metadata['text']}; {_allowed(cls, entry)}"
    return keys


def _parse(text: str) -> Any:
    """A TOML value; a bare word is a string, ``none`` no value, ``1, 2`` the same as ``[1, 2]``."""
    if text.lower() in ("none", "null", ""):
        return None
    for value in (text, f"[{text}]") if "," in text else (text,):
        try:
            return tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            continue
    return text


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"alarm.rule": x}`` into ``{"alarm": {"rule": x}}``."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        head, dot, tail = str(key).partition(".")
        if dot:
            branch = tree.setdefault(head, {})
            if isinstance(branch, dict):
                branch.update(_nested({tail: value}))
        elif isinstance(value, Mapping) and isinstance(tree.get(head), dict):
            tree[head].update(_nested(value))
        else:
            tree[head] = _nested(value) if isinstance(value, Mapping) else value
    return tree


def _replaced(section: Any, values: Mapping[str, Any], prefix: str) -> Any:
    entries = {entry.name: entry for entry in dataclasses.fields(section)}
    changes: dict[str, Any] = {}
    for key, value in values.items():
        if key not in entries:
            raise SettingsError(_unknown_key(prefix + key))
        current = getattr(section, key)
        if dataclasses.is_dataclass(current):
            if not isinstance(value, Mapping):
                raise SettingsError(f"{prefix + key} is a table: set {prefix + key}.<key>")
            changes[key] = _replaced(current, value, f"{prefix}{key}.")
        else:
            changes[key] = _tuples(value)
    return dataclasses.replace(section, **changes)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value


def _unknown_key(key: str) -> str:
    known = sorted(allowed_keys())
    return f"unknown setting {key!r}{did_you_mean(key, known)} Allowed keys: {', '.join(known)}"


def _check(section: Any, prefix: str = "") -> None:
    hints = typing.get_type_hints(type(section))
    for entry in dataclasses.fields(section):
        value = getattr(section, entry.name)
        if not entry.metadata:
            if not isinstance(value, AlarmSettings):
                raise SettingsError(f"{prefix}{entry.name} is a table: set {entry.name}.<key>")
            continue
        kind = hints[entry.name]
        if _fits(value, kind) and _within(value, entry.metadata):
            if kind is float or (kind == float | None and value is not None):
                object.__setattr__(section, entry.name, float(value))
            continue
        allowed = _allowed(type(section), entry)
        raise SettingsError(f"{prefix}{entry.name} = {value!r} is not allowed: {allowed}")


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(kind))
    if kind is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        return isinstance(value, tuple) and all(_fits(entry, item) for entry in value)
    return isinstance(value, kind)


def _within(value: Any, limits: Mapping[str, Any]) -> bool:
    if value is None:
        return True
    if limits["choices"]:
        return value in limits["choices"]
    if isinstance(value, tuple):
        return all(_within(item, limits) for item in value)
    if isinstance(value, str):
        return True
    return bool(limits["minimum"] <= value <= limits["maximum"])


def _allowed(cls: type, entry: dataclasses.Field[Any]) -> str:
    if entry.metadata["choices"]:
        return "one of " + ", ".join(entry.metadata["choices"])
    words = _KINDS[str(typing.get_type_hints(cls)[entry.name])]
    if "{" in words:
        return words.format_map(entry.metadata)
    return " ".join([words, *limits_of(entry)])
