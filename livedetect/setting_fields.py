"""Fields of settings that carry their meaning and limits, for all who read settings from texts."""

from __future__ import annotations

import dataclasses
import difflib
import math
from typing import Any


def setting(
    default: Any,
    text: str,
    *,
    choices: tuple[str, ...] = (),
    minimum: float = -math.inf,
    maximum: float = math.inf,
) -> Any:
    """A field of a dataclass, with what `text` says of it and its limits in the metadata."""
    metadata = {"text": text, "choices": choices, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=default, metadata=metadata)


def limits_of(entry: dataclasses.Field[Any]) -> list[str]:
    """``>= 0``, ``<= 1``: the finite limits of a field made by `setting`."""
    low, high = entry.metadata["minimum"], entry.metadata["maximum"]
    return [f">= {low:g}"] * math.isfinite(low) + [f"<= {high:g}"] * math.isfinite(high)


def did_you_mean(key: str, known: list[str]) -> str:
    """``; did you mean 'nearest'?``, or the end of the sentence where nothing is near."""
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."
