"""``livedetect sources``: what SOURCE can be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livedetect.stream.registry import SourceDescription


def sources() -> None:
    """List what SOURCE can be, with the options of each."""
    from livedetect.stream.registry import list_sources, suffixes

    lines: list[str] = []
    for description in list_sources():
        lines += described(description)
    lines += ["", "Files are read by their suffix: " + " ".join(suffixes())]
    sys.stdout.write("\n".join(lines) + "\n")


def described(description: SourceDescription) -> list[str]:
    """Lines on one scheme."""
    if description.problem:
        return [f"{description.scheme}:  cannot be used here: {description.problem}"]
    lines = [f"{description.scheme}:  {description.summary}"]
    width = max((len(key) for key in description.options), default=0)
    lines += [f"    {key:<{width}}  {text}" for key, text in description.options.items()]
    return lines
