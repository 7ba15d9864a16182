"""A detector as a flat mapping of arrays, numbers and strings, and back.

No pickle: only classes of the engine's own modules are ever built, and building one runs
no code of the mapping. Keys are paths; a key that ends in ``#`` says what stands there.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from livedetect.errors import SettingsError

ALLOWED_MODULES = (
    "livedetect.detect.",
    "livedetect.types",
    "livedetect.settings",
    "livedetect.calibration",
)
LAYOUT = 9
"""To be raised with every attribute that an engine's class gains or loses, or that means another
thing than before."""
PLAIN = (bool, int, float, str)
T = TypeVar("T")
SEQUENCES: Mapping[str, type] = {"list": list, "tuple": tuple, "deque": deque}


def to_state(value: Any) -> dict[str, Any]:
    """Flatten `value`; raises `TypeError` for what no state should hold."""
    return {"layout": LAYOUT, **dict(_flatten(value, "root"))}


def from_state(state: Mapping[str, Any], kind: type[T]) -> T:
    """Rebuild the `kind` that `to_state` flattened; raises `SettingsError` for anything else."""
    if state.get("layout") != LAYOUT:
        raise SettingsError(
            "this is no state of this version of livedetect; let it learn the crystal anew"
        )
    try:
        value = _rebuild(state, "root")
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise SettingsError(f"this is no state of this version of livedetect: {error}") from error
    if not isinstance(value, kind):
        raise SettingsError(f"this state holds no {kind.__name__}")
    return value


def _flatten(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if value is None:
        yield f"{path}#", "none"
    elif isinstance(value, Enum):
        yield f"{path}#", f"object:{type(value).__module__}:{type(value).__qualname__}"
        yield f"{path}.value", value.value
    elif isinstance(value, np.generic):  # unlike a plain number it decides a result's dtype
        yield f"{path}#", "scalar"
        yield f"{path}.value", np.array([value])
    elif isinstance(value, (*PLAIN, np.ndarray)):
        yield path, value if isinstance(value, PLAIN) else np.array(value, order="C")
    elif isinstance(value, Mapping):
        yield f"{path}#", "dict"
        yield from _flatten([list(pair) for pair in value.items()], f"{path}.items")
    elif isinstance(value, (list, tuple, deque)):
        kind = next(name for name, cls in SEQUENCES.items() if isinstance(value, cls))
        limit = value.maxlen if isinstance(value, deque) else None
        yield f"{path}#", f"{kind}:{len(value)}:{limit or 0}"
        for index, item in enumerate(value):
            yield from _flatten(item, f"{path}.{index}")
    else:
        yield from _flatten_object(value, path)


def _flatten_object(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    cls = type(value)
    if not cls.__module__.startswith(ALLOWED_MODULES):
        raise TypeError(f"{path}: a state cannot hold a {cls.__module__}.{cls.__qualname__}")
    names = [name for name in _attributes(value) if name not in _derived(cls)]
    yield f"{path}#", f"object:{cls.__module__}:{cls.__qualname__}"
    yield f"{path}.#names", ",".join(names)
    for name in names:
        yield from _flatten(getattr(value, name), f"{path}.{name}")


def _rebuild(state: Mapping[str, Any], path: str) -> Any:
    if path in state:
        value = state[path]
        return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    kind, _, detail = str(state[f"{path}#"]).partition(":")
    if kind == "none":
        return None
    if kind == "scalar":
        return state[f"{path}.value"][0]
    if kind == "dict":
        return {key: value for key, value in _rebuild(state, f"{path}.items")}  # noqa: C416
    if kind in SEQUENCES:
        length, _, limit = detail.partition(":")
        items = [_rebuild(state, f"{path}.{index}") for index in range(int(length))]
        return (
            deque(items, maxlen=int(limit) or None) if kind == "deque" else SEQUENCES[kind](items)
        )
    return _rebuild_object(state, path, detail)


def _rebuild_object(state: Mapping[str, Any], path: str, detail: str) -> Any:
    cls = _class_of(detail)
    if issubclass(cls, Enum):
        return cls(_rebuild(state, f"{path}.value"))
    value: Any = object.__new__(cls)
    for attribute in filter(None, str(state[f"{path}.#names"]).split(",")):
        rebuilt = _rebuild(state, f"{path}.{attribute}")
        if isinstance(rebuilt, np.ndarray):
            rebuilt = rebuilt.copy()
        object.__setattr__(value, attribute, rebuilt)
    restore = getattr(value, "restore_derived", None)
    if restore is not None:
        restore()
    return value


def _class_of(detail: str) -> type:
    """The class that a state names ``module:name``; only the engine's own are ever built."""
    module, _, name = detail.partition(":")
    if not module.startswith(ALLOWED_MODULES):
        raise ValueError(f"{detail} is not part of the engine")
    cls = getattr(importlib.import_module(module), name)
    if not isinstance(cls, type) or cls.__module__ != module:
        raise ValueError(f"{detail} is no class")
    return cls


def _attributes(value: Any) -> list[str]:
    """Names of all set attributes, slotted or not."""
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    names = [name for name in slots if hasattr(value, name)]
    return names + list(getattr(value, "__dict__", {}))


def _derived(cls: type) -> tuple[str, ...]:
    """Attributes that `restore_derived` makes anew."""
    return tuple(getattr(cls, "DERIVED", ()))
