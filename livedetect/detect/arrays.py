"""Names for arrays in annotations; shapes and units stand in the docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[Any]
"""Real numbers, float32 on the hot path."""
BoolArray = NDArray[np.bool_]
"""A mask."""
IntArray = NDArray[np.int64]
"""Indices."""
