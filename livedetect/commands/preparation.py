"""Everything compiled before the first frame arrives, and the user told if that takes long."""

from __future__ import annotations

import threading
from collections.abc import Callable

PATIENCE_S = 2.0
"""Reading compiled code from the disk is faster than this."""
BLAS_THREADS = 1
"""Two threads of BLAS beside the hot path made every twentieth frame ten times as slow."""


def prepare_numerics(tell: Callable[[str], None]) -> None:
    """Compile the numerics, or read them from the cache on the disk; set their threads."""
    from livedetect.detect.kernels import is_available, not_kept

    slow = threading.Timer(
        PATIENCE_S, tell, ["Compiling the numerics; once per machine, about a minute ..."]
    )
    slow.daemon = True
    slow.start()
    try:
        compiled = is_available()
    finally:
        slow.cancel()
    if not compiled:
        tell("numba is missing: every frame will take about ten times as long as it could.")
    elif not_kept():
        tell(
            "The compiled numerics cannot be stored, so every start takes this long: "
            "set NUMBA_CACHE_DIR to a directory that can be written."
        )
    set_threads()


def set_threads() -> None:
    """One thread for the linear algebra of this process; the kernels have none of their own."""
    from threadpoolctl import threadpool_limits

    import livedetect.detect.detector  # noqa: F401 - only what is loaded can be limited

    threadpool_limits(BLAS_THREADS)
