"""Values as JSON can say them: finite numbers, texts, lists and mappings of these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def jsonable(value: Any) -> Any:
    """Plain JSON value: numpy scalars unwrapped, NaN and infinities turned into None."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) and abs(value) > 1e-3 else _small(value)
    return value


def _small(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
