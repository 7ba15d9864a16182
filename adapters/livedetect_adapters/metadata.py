"""Finding values in the nested metadata of microscope files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def find(tree: Any, key: str) -> Any:
    """The first value called `key` anywhere in nested mappings and lists, or None."""
    if isinstance(tree, Mapping):
        if key in tree:
            return tree[key]
        branches: Sequence[Any] = list(tree.values())
    else:
        branches = tree if isinstance(tree, (list, tuple)) else []
    found = (find(branch, key) for branch in branches)
    return next((value for value in found if value is not None), None)


def scaled(value: Any, factor: float) -> float | None:
    """`value` times `factor`, or None if it is no number."""
    try:
        return float(value) * factor
    except (TypeError, ValueError):
        return None


def unix_s(text: Any) -> float | None:
    """Seconds since the epoch of an ISO date and time (local time where no zone is given)."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
