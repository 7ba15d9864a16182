"""What commands say to the user beside their results."""

from __future__ import annotations

import sys


def tell(line: str) -> None:
    """Say something to the user on standard error, which is no part of any result."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
