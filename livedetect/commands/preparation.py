"""Everything compiled before the first frame arrives, and the user told if that takes long."""

from __future__ import annotations

import threading
from collections.abc import Callable

PATIENCE_S = 2.0
"""Reading compiled code from the disk is faster than this."""


def prepare_numerics(tell: Callable[[str], None]) -> None:
    """Compile the numerics, or read them from the cache on the disk."""
    from livedetect.detect.kernels import is_available

    slow = threading.Timer(
        PATIENCE_S, tell, ["Compiling the numerics; once per machine, about 30 s ..."]
    )
    slow.daemon = True
    slow.start()
    try:
        compiled = is_available()
    finally:
        slow.cancel()
    if not compiled:
        tell("numba is missing: every frame will take about ten times as long as it could.")
